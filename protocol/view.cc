#include "protocol/view.h"

#include <algorithm>
#include <cmath>

#include "protocol/limits.h"
#include "topology/assert.h"

namespace kith {

namespace {

// Questions whose answers a node hears out before it leads: on a line that loses a fifth of all
// messages 2 % of four fail in a row. What was heard before them counts no more.
constexpr int64_t kHearing = 4;
constexpr Duration kMemory = kHearing * Search::kPause;

// What a Standing is packed into: hub, members and state, low bits first.
constexpr int kNodeBits = 21;
constexpr int kStateBits = 2;
constexpr uint64_t kNodeMask = (uint64_t{1} << kNodeBits) - 1;
static_assert(limits::kNodes <= kNodeMask);
static_assert(2 * kNodeBits + kStateBits <= 53, "a double holds it");

constexpr int kBitsOfByte = 8;

}  // namespace

bool View::has(NodeId node) const { return std::ranges::binary_search(members, node); }

bool View::above(const View& other) const {
  if (number != other.number) return number > other.number;
  if (from != other.from) return from > other.from;
  return hub < other.hub;
}

NodeId View::rank_of(NodeId member) const {
  if (member == hub) return NodeId{0};
  const auto place = std::ranges::lower_bound(members, member);
  KITH_ASSERT(place != members.end() && *place == member);
  return NodeId{static_cast<uint32_t>(place - members.begin()) + (member < hub ? 1 : 0)};
}

NodeId View::member_at(NodeId rank) const {
  const uint32_t k = index_of(rank);
  KITH_ASSERT(k < members.size());
  if (k == 0) return hub;
  return members[k - 1] < hub ? members[k - 1] : members[k];
}

View first_view(uint32_t nodes) {
  View view;
  for (uint32_t i = 0; i < nodes; ++i) view.members.push_back(NodeId{i});
  return view;
}

size_t member_bytes(uint32_t nodes) { return (size_t{nodes} + kBitsOfByte - 1) / kBitsOfByte; }

void write_members(const View& view, std::span<std::byte> out) {
  std::ranges::fill(out, std::byte{0});
  for (const NodeId member : view.members) {
    out[index_of(member) / kBitsOfByte] |= std::byte{1} << index_of(member) % kBitsOfByte;
  }
}

std::vector<NodeId> read_members(std::span<const std::byte> bytes, uint32_t nodes) {
  KITH_ASSERT(bytes.size() == member_bytes(nodes));
  std::vector<NodeId> members;
  for (uint32_t i = 0; i < nodes; ++i) {
    const std::byte bit = std::byte{1} << i % kBitsOfByte;
    if ((bytes[i / kBitsOfByte] & bit) != std::byte{0}) members.push_back(NodeId{i});
  }
  return members;
}

double packed(const Standing& standing) {
  const uint64_t bits = index_of(standing.hub) | uint64_t{standing.members} << kNodeBits |
                        static_cast<uint64_t>(standing.state) << 2 * kNodeBits;
  return static_cast<double>(bits);
}

std::optional<Standing> standing_of(const Message& message, uint32_t nodes) {
  constexpr double kBeyond = uint64_t{1} << (2 * kNodeBits + kStateBits);
  const double scalar = message.scalar;
  if (!(scalar >= 0 && scalar < kBeyond && std::floor(scalar) == scalar)) return std::nullopt;
  const auto bits = static_cast<uint64_t>(scalar);
  Standing standing{.node = message.from,
                    .view = message.sequence,
                    .hub = NodeId{static_cast<uint32_t>(bits & kNodeMask)},
                    .members = static_cast<uint32_t>(bits >> kNodeBits & kNodeMask),
                    .round = message.round,
                    .state = static_cast<Standing::State>(bits >> 2 * kNodeBits)};
  const bool fits = index_of(standing.hub) < nodes && standing.members >= 1 &&
                    standing.members <= nodes && standing.view <= View::kMostNumber;
  return fits ? std::optional(standing) : std::nullopt;
}

bool better_to_lead(const Standing& one, const Standing& other) {
  if (one.round != other.round) return one.round > other.round;
  return one.node < other.node;
}

bool better_hub(const Standing& one, const Standing& other) {
  if (one.members != other.members) return one.members > other.members;
  return better_to_lead(one, other);
}

void Search::begin(Time now) {
  begun_ = now;
  heard_.clear();
}

void Search::heard(const Standing& standing, Time now) {
  const auto node_of = [](const Heard& heard) { return heard.standing.node; };
  const auto place = std::ranges::lower_bound(heard_, standing.node, {}, node_of);
  if (place != heard_.end() && place->standing.node == standing.node) {
    *place = {standing, now};
  } else {
    heard_.insert(place, {standing, now});
  }
}

void Search::forget(Time now) {
  std::erase_if(heard_, [now](const Heard& heard) { return now - heard.at > kMemory; });
}

Search::Decision Search::decide(const Standing& own, Time now) {
  using State = Standing::State;
  forget(now);
  const Standing* hub = nullptr;
  bool waits = now - begun_ < kMemory;
  for (const auto& [standing, at] : heard_) {
    if (standing.state == State::kOver) return {Decision::Kind::kJoin, standing};
    if (standing.leads() && (hub == nullptr || better_hub(standing, *hub))) hub = &standing;
    waits = waits || standing.state == State::kServed || better_to_lead(standing, own);
  }
  if (hub != nullptr) return {Decision::Kind::kJoin, *hub};
  return {waits ? Decision::Kind::kWait : Decision::Kind::kLead, {}};
}

std::vector<NodeId> Search::without_hub(Time now) {
  forget(now);
  std::vector<NodeId> nodes;
  for (const auto& [standing, at] : heard_) {
    const bool seeks = standing.state == Standing::State::kSeeking;
    if (seeks || standing.state == Standing::State::kAway) nodes.push_back(standing.node);
  }
  return nodes;
}

}  // namespace kith
