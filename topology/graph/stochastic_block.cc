// Stochastic block model (Holland, Laskey, Leinhardt 1983): the nodes are split into blocks of
// consecutive numbers, as equal as can be; two nodes of one block are joined with probability p_in,
// two of different blocks with p_out, independent of all others. Drawn again until connected.
//
// Undirected; degrees are sums of binomials. With two blocks of N / 2 the mean adjacency matrix has
// the eigenvalues N (p_in + p_out) / 2 and N (p_in - p_out) / 2, the second with the blocks on
// opposite sides: news spreads in a block at once and between blocks at the rate p_out / p_in. By
// default p_in is twice the least that connects a block, 2 ln n / n for n nodes in one, and p_out a
// tenth of it. O(N + edges) time.
#include <algorithm>
#include <string>

#include "topology/error.h"
#include "topology/random_edges.h"
#include "topology/registry.h"

namespace kith {

namespace {

struct Blocks {
  Blocks(uint32_t nodes, const Options& options)
      : count(static_cast<uint64_t>(options.integer("blocks"))) {
    p_in = options.number("p_in");
    p_out = options.number("p_out");
    const auto largest = static_cast<uint32_t>((nodes + count - 1) / count);
    if (p_in == 0) p_in = connecting_probability(std::max(2u, largest));
    if (p_out == 0) p_out = p_in / 10;
  }

  uint64_t count;
  double p_in;
  double p_out;
};

std::shared_ptr<const Graph> make_stochastic_block(uint32_t nodes, uint64_t seed,
                                                   const Options& options) {
  if (nodes == 1) return std::make_shared<AdjacencyGraph>(1, std::vector<Edge>{});
  const Blocks blocks(nodes, options);
  auto graph = draw_connected(nodes, seed, [&](Rng& rng, std::vector<Edge>& edges) {
    for (uint64_t block = 0; block < blocks.count; ++block) {
      const auto begin = static_cast<uint32_t>(block * nodes / blocks.count);
      const auto end = static_cast<uint32_t>((block + 1) * nodes / blocks.count);
      for (uint32_t i = begin; i < end; ++i) {
        draw_edges(rng, blocks.p_in, i, i + 1, end, edges);
        draw_edges(rng, blocks.p_out, i, end, nodes, edges);
      }
    }
  });
  if (graph == nullptr) {
    throw OperatorError("stochastic-block: with p_in = " + to_text(blocks.p_in) +
                        " and p_out = " + to_text(blocks.p_out) + " none of " +
                        std::to_string(kDraws) + " graphs of " + std::to_string(nodes) +
                        " nodes was connected; raise one of them, p_in = p_out = " +
                        to_text(connecting_probability(nodes)) + " would do");
  }
  return graph;
}

void check_stochastic_block(uint32_t nodes, const Options& options) {
  const auto blocks = static_cast<uint64_t>(options.integer("blocks"));
  if (nodes == 1 || blocks <= nodes) return;
  throw OperatorError("stochastic-block: " + std::to_string(nodes) + " nodes do not fill " +
                      std::to_string(blocks) + " blocks; set blocks to " + std::to_string(nodes) +
                      " or less");
}

}  // namespace

const GraphInfo stochastic_block_graph = {
    .name = "stochastic-block",
    .help = "dense blocks with few edges between them, drawn from the seed",
    .undirected = true,
    .options =
        [] {
          using Type = OptionSpec::Type;
          return OptionSpecs{
              {"blocks", Type::kInteger, int64_t{2}, "parts of equal size", 1, 1 << 20},
              {"p_in", Type::kNumber, 0.0,
               "probability of an edge within a block; 0 = twice the least that connects one", 0,
               1},
              {"p_out", Type::kNumber, 0.0,
               "probability of an edge between blocks; 0 = a tenth of p_in", 0, 1}};
        },
    .check = check_stochastic_block,
    .make = make_stochastic_block,
};

}  // namespace kith
