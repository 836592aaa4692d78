// One-peer exponential graph (Assran, Loizou, Ballas, Rabbat 2019; Ying et al. 2021): in round t
// node i receives from i - 2^(t mod L) mod N, L = ceil(log2 N), and from nobody else.
//
//   W^t = (I + P_{2^(t mod L)}) / 2        P_h the cyclic shift by h
//
// Directed (undirected at N <= 2); in- and out-degree 1; period L. One message a node and round, a
// log2 N-th of the static exponential graph. Every W^t is circulant; the eigenvalues of the product
// over a period are prod_k (1 + exp(-2 pi i m 2^k / N)) / 2. Where N is a power of two the product
// is J exactly: after L rounds of gossip alone all agree. Elsewhere a period leaves more than
// nothing (0.217 of a disagreement at N = 6, 0.209 at N = 12), which the note says.
#include <bit>
#include <string>

#include "topology/registry.h"

namespace kith {

namespace {

class OnePeerExponential final : public Graph {
 public:
  explicit OnePeerExponential(uint32_t nodes) : nodes_(nodes) {}

  uint32_t nodes() const override { return static_cast<uint32_t>(nodes_); }
  bool undirected() const override { return nodes_ <= 2; }
  Round period() const override {
    return nodes_ == 1 ? 1 : static_cast<Round>(std::bit_width(nodes_ - 1));
  }

  void in(NodeId node, Round round, std::vector<NodeId>& out) const override {
    one(index_of(node) + nodes_ - hop(round), out);
  }
  void out(NodeId node, Round round, std::vector<NodeId>& out) const override {
    one(index_of(node) + hop(round), out);
  }

 private:
  uint64_t hop(Round round) const { return uint64_t{1} << (round % period()); }

  void one(uint64_t peer, std::vector<NodeId>& out) const {
    out.clear();
    if (nodes_ > 1) out.push_back(NodeId{static_cast<uint32_t>(peer % nodes_)});
  }

  uint64_t nodes_;  // wide, so that i + N cannot overflow
};

std::string note_one_peer(uint32_t nodes, const Options&) {
  if (std::has_single_bit(nodes)) return "";
  const uint64_t below = std::bit_floor(nodes);
  return "one-peer-exponential averages exactly only where N is a power of two: with " +
         std::to_string(nodes) + " nodes every round still mixes, but none ends in agreement; " +
         std::to_string(below) + " or " + std::to_string(2 * below) +
         " nodes would, and base-k-plus-1 does at any N";
}

}  // namespace

const GraphInfo one_peer_exponential_graph = {
    .name = "one-peer-exponential",
    .help = "directed, one peer a round: 1, 2, 4, ... places away in turn; exact after log2 N",
    .undirected = false,
    .make = make_sized<OnePeerExponential>,
    .note = note_one_peer,
};

}  // namespace kith
