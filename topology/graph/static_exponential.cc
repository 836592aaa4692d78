// Static exponential graph (Assran, Loizou, Ballas, Rabbat 2019; Ying et al. 2021): node i receives
// from i - 2^k mod N for every 2^k < N.
//
// Directed (undirected at N <= 3, where it is complete); in- and out-degree L = ceil(log2 N);
// diameter at most L. Uniform weights 1 / (L + 1) are doubly stochastic. W is circulant with
// eigenvalues (1 + sum_k exp(-2 pi i m 2^k / N)) / (L + 1): zeta = 1 - 2 / (L + 1) at even N,
// smaller at odd N.
#include <algorithm>

#include "topology/registry.h"

namespace kith {

namespace {

class StaticExponential final : public Graph {
 public:
  explicit StaticExponential(uint32_t nodes) : nodes_(nodes) {}

  uint32_t nodes() const override { return static_cast<uint32_t>(nodes_); }
  bool undirected() const override { return nodes_ <= 3; }

  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    out.clear();
    for (uint64_t hop = 1; hop < nodes_; hop *= 2) {
      out.push_back(NodeId{static_cast<uint32_t>((index_of(node) + nodes_ - hop) % nodes_)});
    }
    std::ranges::sort(out);
  }

  void out(NodeId node, Round, std::vector<NodeId>& out) const override {
    out.clear();
    for (uint64_t hop = 1; hop < nodes_; hop *= 2) {
      out.push_back(NodeId{static_cast<uint32_t>((index_of(node) + hop) % nodes_)});
    }
    std::ranges::sort(out);
  }

 private:
  uint64_t nodes_;  // wide, so that i + N and i + 2^k cannot overflow
};

}  // namespace

const GraphInfo static_exponential_graph = {
    .name = "static-exponential",
    .help = "directed; each node hears from those 1, 2, 4, ... places before it",
    .undirected = false,
    .make = make_sized<StaticExponential>,
};

}  // namespace kith
