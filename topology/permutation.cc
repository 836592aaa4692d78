#include "topology/permutation.h"

#include <algorithm>
#include <bit>

namespace kith {

namespace {

// Finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input reaches every bit.
uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio, as SplitMix64 steps

}  // namespace

uint32_t Permutation::rounds() const {
  return 4 * static_cast<uint32_t>(std::bit_width(size_)) + 16;
}

uint32_t Permutation::partner_sum(uint32_t round) const {
  const uint64_t high = mixed(partners_ + kGolden * round) >> 32;
  return static_cast<uint32_t>((high * size_) >> 32);  // uniform to N / 2^32
}

NodeId Permutation::swapped(NodeId node, uint32_t sum, uint32_t round) const {
  const uint32_t point = index_of(node);
  const uint32_t partner = sum >= point ? sum - point : sum + (size_ - point);
  const uint64_t pair = (uint64_t{round} << 32) | std::max(point, partner);
  return mixed(swaps_ + kGolden * (pair + 1)) >> 63 != 0 ? NodeId{partner} : node;
}

void Permutation::forward(std::span<NodeId> nodes) const {
  for (uint32_t round = 0; round < rounds(); ++round) {
    const uint32_t sum = partner_sum(round);
    for (NodeId& node : nodes) node = swapped(node, sum, round);
  }
}

NodeId Permutation::inverse(NodeId node) const {
  for (uint32_t round = rounds(); round-- > 0;) node = swapped(node, partner_sum(round), round);
  return node;
}

}  // namespace kith
