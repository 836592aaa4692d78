// Small world (Watts, Strogatz 1998): a ring on which every node is joined to the degree / 2
// nearest on both sides, and each edge is then, with probability `rewire`, given another far end,
// drawn from the nodes that its near end is not joined to. Drawn again until connected.
//
// Undirected; N degree / 2 edges exactly, degree `degree` on average and degree / 2 at least. At
// rewire = 0 W is circulant, with eigenvalues (1 + sum_{o=1..d/2} 2 cos(2 pi k o / N)) / (d + 1)
// and a gap that falls as 1 / N^2; with N rewire d / 2 shortcuts the hops between two nodes grow as
// log N beyond a few shortcuts, at nearly the clustering of the ring. O(N degree^2) time.
#include <algorithm>
#include <string>

#include "topology/error.h"
#include "topology/random_edges.h"
#include "topology/registry.h"

namespace kith {

namespace {

class Rewiring {
 public:
  Rewiring(uint32_t nodes, uint32_t degree) : peers_(nodes) {
    for (uint32_t offset = 1; offset <= degree / 2; ++offset) {
      for (uint32_t i = 0; i < nodes; ++i) join(i, far(i, offset));
    }
  }

  // Offset by offset round the ring, as the paper has it.
  void rewire(Rng& rng, double probability, uint32_t degree) {
    const auto nodes = static_cast<uint32_t>(peers_.size());
    for (uint32_t offset = 1; offset <= degree / 2; ++offset) {
      for (uint32_t i = 0; i < nodes; ++i) {
        // A node that is joined to all others keeps the edge.
        if (rng.uniform() >= probability || peers_[i].size() + 1 == nodes) continue;
        uint32_t to = 0;
        do {
          to = static_cast<uint32_t>(rng.below(nodes));
        } while (to == i || joined(i, to));
        part(i, far(i, offset));
        join(i, to);
      }
    }
  }

  void append(std::vector<Edge>& edges) const {
    for (uint32_t i = 0; i < peers_.size(); ++i) {
      for (const uint32_t j : peers_[i]) {
        if (i < j) edges.emplace_back(i, j);
      }
    }
  }

 private:
  uint32_t far(uint32_t i, uint32_t offset) const {
    return static_cast<uint32_t>((uint64_t{i} + offset) % peers_.size());
  }
  bool joined(uint32_t a, uint32_t b) const {
    return std::ranges::find(peers_[a], b) != peers_[a].end();
  }
  void join(uint32_t a, uint32_t b) {
    peers_[a].push_back(b);
    peers_[b].push_back(a);
  }
  void part(uint32_t a, uint32_t b) {
    std::erase(peers_[a], b);
    std::erase(peers_[b], a);
  }

  std::vector<std::vector<uint32_t>> peers_;
};

std::shared_ptr<const Graph> make_small_world(uint32_t nodes, uint64_t seed,
                                              const Options& options) {
  if (nodes == 1) return std::make_shared<AdjacencyGraph>(1, std::vector<Edge>{});
  const auto degree = static_cast<uint32_t>(options.integer("degree"));
  const double rewire = options.number("rewire");
  auto graph = draw_connected(nodes, seed, [&](Rng& rng, std::vector<Edge>& edges) {
    Rewiring ring(nodes, degree);
    ring.rewire(rng, rewire, degree);
    ring.append(edges);
  });
  if (graph == nullptr) {
    throw OperatorError("small-world: with degree = " + std::to_string(degree) + " and rewire = " +
                        to_text(rewire) + " none of " + std::to_string(kDraws) + " graphs of " +
                        std::to_string(nodes) + " nodes was connected; raise degree by 2");
  }
  return graph;
}

void check_small_world(uint32_t nodes, const Options& options) {
  if (nodes == 1) return;
  const auto degree = static_cast<uint64_t>(options.integer("degree"));
  const std::string problem = "small-world: degree = " + std::to_string(degree) + " on " +
                              std::to_string(nodes) + " nodes: ";
  if (degree % 2 == 1) {
    throw OperatorError(problem + "the degree must be even; use " + std::to_string(degree - 1) +
                        " or " + std::to_string(degree + 1));
  }
  if (degree >= nodes) {
    throw OperatorError(problem + (nodes <= 3 ? "use 3 nodes or more and degree 2"
                                              : "the degree must be smaller than the number of "
                                                "nodes, at most " +
                                                    std::to_string((nodes - 1) / 2 * 2)));
  }
}

}  // namespace

const GraphInfo small_world_graph = {
    .name = "small-world",
    .help = "a ring of near neighbours with a few edges that lead far away, drawn from the seed",
    .undirected = true,
    .options =
        [] {
          using Type = OptionSpec::Type;
          return OptionSpecs{
              {"degree", Type::kInteger, int64_t{4}, "neighbours on average; even", 2, 1 << 16},
              {"rewire", Type::kNumber, 0.1, "probability that an edge leads elsewhere", 0, 1}};
        },
    .check = check_small_world,
    .make = make_small_world,
};

}  // namespace kith
