#include "topology/reshuffled.h"

#include <algorithm>

#include "topology/permutation.h"
#include "topology/rng.h"

namespace kith {

namespace {

// Fills `offsets` with `count` of them, distinct: 1, and the rest uniform among 2 .. largest
// (Floyd's method: Bentley, Floyd 1987).
void draw_offsets(Rng& rng, uint32_t count, uint32_t largest, std::vector<NodeId>& offsets) {
  offsets.clear();
  if (count == 0) return;
  offsets.push_back(NodeId{1});
  for (uint32_t top = largest - count + 2; top <= largest; ++top) {
    const NodeId drawn{2 + static_cast<uint32_t>(rng.below(top - 1))};
    const bool taken = std::ranges::find(offsets, drawn) != offsets.end();
    offsets.push_back(taken ? NodeId{top} : drawn);
  }
}

}  // namespace

void ReshuffledRegular::in(NodeId node, Round round, std::vector<NodeId>& out) const {
  Rng rng(seed_, NodeId{0}, Purpose::kGraph, round);
  const uint64_t partners = rng.next();
  const Permutation permutation(nodes(), partners, rng.next());
  draw_offsets(rng, degree_ / 2, (nodes() - 1) / 2, out);
  const uint64_t place = index_of(permutation.inverse(node));
  const uint64_t count = nodes();  // wide, so that x + s cannot overflow
  const auto at = [&](uint64_t x) { return NodeId{static_cast<uint32_t>(x % count)}; };
  const size_t offsets = out.size();
  for (size_t k = 0; k < offsets; ++k) {
    const uint64_t offset = index_of(out[k]);
    out[k] = at(place + offset);
    out.push_back(at(place + count - offset));
  }
  if (degree_ % 2 == 1) out.push_back(at(place + count / 2));
  permutation.forward(out);
  std::ranges::sort(out);
}

}  // namespace kith
