// Base-(k+1) graph (Takezawa, Sato, Bao, Niwa, Yamada, NeurIPS 2023): a graph that changes from
// round to round and after one period of gossip alone has averaged exactly, at any N, with at most
// k neighbours a round. It brings its own weights; every round's are symmetric and doubly
// stochastic. Period at most 2 log_{k+1} N + 2; the product of W over the rounds of a period, from
// its first to its last, is J. (From the middle of one to the middle of the next it is not.)
//
// Three constructions, each of the one before:
//
//  hyper-hypercube (N with no prime factor above k + 1): N = f_1 f_2 .. f_R, f_r <= k + 1, and
//    numbers are written with the digits of these bases. In round r those that differ in digit r
//    alone average: f_r - 1 neighbours of weight 1 / f_r. R rounds average all.
//
//  simple: N = a_1 (k+1)^p_1 + a_2 (k+1)^p_2 + ..., 1 <= a_l <= k, p_1 > p_2 > ..., and the nodes
//    are split into parts V_l of these sizes, part V_l into a_l cells of (k+1)^p_l. Then
//     1. every part averages within itself (hyper-hypercube; as many rounds as V_1 needs);
//     2. V_1 meets all later parts in one round: each node of those has one edge to each cell of
//        V_1, of weight |V_1| / (a_1 N). Then the later nodes have the average of all between
//        them, and so has every cell of V_1, since each was given to alike. V_2 does the same with
//        those after it, and so on; weights |V_l| / (a_l (|V_l| + |V_l+1| + ...)). Nodes of V_l
//        that no later node meets average with k others such, which changes nothing where all of
//        V_l agree, and helps where they do not (they have trained meanwhile);
//     3. every cell that has met the later parts averages within itself, p_l rounds.
//
//  base: N = p q, p the largest divisor without prime factors above k + 1. The nodes are p groups
//    of q: the simple graph in each, then the hyper-hypercube across. Taken where it is shorter
//    than the simple graph of all N.
//
// O(k) time for the neighbours of a node, O(log N) memory.
#include <algorithm>
#include <string>

#include "topology/assert.h"
#include "topology/registry.h"
#include "topology/undirected_graph.h"

namespace kith {

namespace {

// The two kinds of row that are filled.
void add(std::vector<NodeId>& row, uint64_t peer, float) {
  row.push_back(NodeId{static_cast<uint32_t>(peer)});
}
void add(std::vector<Neighbor>& row, uint64_t peer, float weight) {
  row.push_back({NodeId{static_cast<uint32_t>(peer)}, weight});
}

struct HyperHypercube {
  // `size` must have no prime factor above `largest`.
  HyperHypercube(uint64_t size, uint64_t largest) {
    for (uint64_t factor = largest; factor > 1; --factor) {
      for (; size % factor == 0; size /= factor) factors.push_back(factor);
    }
    KITH_ASSERT(size == 1);
  }

  uint64_t rounds() const { return factors.size(); }

  // Appends the neighbours of `node`; node n of the cube is node first + n * step of the graph.
  // Where nothing needs to be averaged there is no round.
  template <class Row>
  void neighbors(uint64_t node, uint64_t round, uint64_t first, uint64_t step, Row& out) const {
    if (factors.empty()) return;
    round %= factors.size();
    uint64_t stride = 1;
    for (uint64_t r = 0; r < round; ++r) stride *= factors[r];
    const uint64_t digit = node / stride % factors[round];
    const float weight = 1.0f / static_cast<float>(factors[round]);
    for (uint64_t other = 0; other < factors[round]; ++other) {
      if (other == digit) continue;
      const uint64_t peer = node - digit * stride + other * stride;
      add(out, first + peer * step, weight);
    }
  }

  std::vector<uint64_t> factors;
};

// The product of all prime factors of `size` that are at most `largest`.
uint64_t smooth_part(uint64_t size, uint64_t largest) {
  uint64_t part = 1;
  for (uint64_t factor = 2; factor <= std::min(size, largest); ++factor) {
    for (; size % factor == 0; size /= factor) part *= factor;
  }
  return part;
}

class SimpleGraph {
 public:
  SimpleGraph(uint64_t size, uint64_t base) : base_(base) {
    uint64_t cell = 1;
    while (cell <= size / base) cell *= base;
    for (uint64_t first = 0; first < size; cell /= base) {
      const uint64_t cells = (size - first) / cell;
      if (cells == 0) continue;
      parts_.push_back({.first = first,
                        .cell = cell,
                        .cells = cells,
                        .later = size - first - cells * cell,
                        .whole = HyperHypercube(cells * cell, base),
                        .within = HyperHypercube(cell, base)});
      first += cells * cell;
    }
  }

  uint64_t rounds() const {
    const Part& largest = parts_.front();
    return largest.whole.rounds() + (largest.later > 0 ? 1 + largest.within.rounds() : 0);
  }

  // Appends the neighbours of `node`, its numbers counted from `first` on.
  template <class Row>
  void neighbors(uint64_t node, uint64_t round, uint64_t first, Row& out) const {
    const size_t own = part_of(node);
    const Part& part = parts_[own];
    const uint64_t place = node - part.first;
    if (round < parts_.front().whole.rounds()) {
      return part.whole.neighbors(place, round, first + part.first, 1, out);
    }
    const uint64_t meeting = round - parts_.front().whole.rounds();  // of part `meeting`
    if (meeting < own) return meet_cells(parts_[meeting], node, first, out);
    if (meeting == own && part.later > 0) return meet_later(part, place, first, out);
    if (part.cell == 1) return part.whole.neighbors(place, 0, first + part.first, 1, out);
    part.within.neighbors(place % part.cell, meeting - own,
                          first + part.first + place / part.cell * part.cell, 1, out);
  }

 private:
  struct Part {
    uint64_t first;  // node
    uint64_t cell;   // nodes in a cell, (k+1)^p
    uint64_t cells;  // a
    uint64_t later;  // nodes in the parts after this; fewer than one cell has
    HyperHypercube whole;
    HyperHypercube within;  // of one cell

    float meeting_weight() const {
      return static_cast<float>(static_cast<double>(cell) /
                                static_cast<double>(cells * cell + later));
    }
  };

  size_t part_of(uint64_t node) const {
    size_t own = parts_.size() - 1;
    while (parts_[own].first > node) --own;
    return own;
  }

  // A node of a later part: one edge to each cell of `part`.
  template <class Row>
  static void meet_cells(const Part& part, uint64_t node, uint64_t first, Row& out) {
    const uint64_t rank = node - part.first - part.cells * part.cell;
    for (uint64_t c = 0; c < part.cells; ++c) {
      const uint64_t peer = first + part.first + c * part.cell + rank;
      add(out, peer, part.meeting_weight());
    }
  }

  // A node of `part`: the later node whose rank is its place in the cell, or others without one.
  template <class Row>
  void meet_later(const Part& part, uint64_t place, uint64_t first, Row& out) const {
    const uint64_t rank = place % part.cell;
    if (rank < part.later) {
      const uint64_t peer = first + part.first + part.cells * part.cell + rank;
      return add(out, peer, part.meeting_weight());
    }
    const uint64_t idle = part.cell - part.later;  // in each cell
    const uint64_t number = place / part.cell * idle + rank - part.later;
    const uint64_t begin = number / base_ * base_;
    const uint64_t end = std::min(begin + base_, part.cells * idle);
    for (uint64_t other = begin; other < end; ++other) {
      if (other == number) continue;
      const uint64_t peer =
          first + part.first + other / idle * part.cell + part.later + other % idle;
      add(out, peer, 1.0f / static_cast<float>(end - begin));
    }
  }

  uint64_t base_;  // k + 1
  std::vector<Part> parts_;
};

class BaseGraph final : public UndirectedGraph {
 public:
  // `groups` divides `nodes` and has no prime factor above `base`.
  BaseGraph(uint64_t nodes, uint64_t groups, uint64_t base)
      : UndirectedGraph(static_cast<uint32_t>(nodes)),
        group_(nodes / groups),
        inner_(group_, base),
        across_(groups, base) {}

  uint64_t rounds() const { return inner_.rounds() + across_.rounds(); }

  bool weighted() const override { return true; }
  Round period() const override { return std::max<Round>(1, rounds()); }

  void in(NodeId node, Round round, std::vector<NodeId>& out) const override {
    fill(node, round, out);
  }

  void weights(NodeId node, Round round, std::vector<Neighbor>& out) const override {
    fill(node, round, out);
  }

 private:
  template <class Row>
  void fill(NodeId node, Round round, Row& out) const {
    const uint64_t i = index_of(node);
    const uint64_t step = round % period();
    out.clear();
    if (step < inner_.rounds()) {
      inner_.neighbors(i % group_, step, i / group_ * group_, out);
    } else {
      across_.neighbors(i / group_, step - inner_.rounds(), i % group_, group_, out);
    }
  }

  uint64_t group_;  // nodes in a group
  SimpleGraph inner_;
  HyperHypercube across_;
};

std::shared_ptr<const Graph> make_base(uint32_t nodes, uint64_t, const Options& options) {
  const auto base = static_cast<uint64_t>(options.integer("degree")) + 1;
  auto simple = std::make_shared<BaseGraph>(nodes, 1, base);
  auto split = std::make_shared<BaseGraph>(nodes, smooth_part(nodes, base), base);
  return split->rounds() <= simple->rounds() ? split : simple;
}

}  // namespace

const GraphInfo base_k_plus_1_graph = {
    .name = "base-k-plus-1",
    .help = "changes every round; averages exactly after O(log N) rounds at any N",
    .undirected = true,
    .options =
        [] {
          return OptionSpecs{{"degree", OptionSpec::Type::kInteger, int64_t{1},
                              "k: the most neighbours of a node in a round", 1, 1 << 16}};
        },
    .make = make_base,
};

}  // namespace kith
