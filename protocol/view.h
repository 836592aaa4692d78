// A star that goes on without some of its nodes, its hub included. At any time a node belongs to
// one view: a hub, and the nodes that are with it. Pure tables; Node says them on the wire
// (daemon/node_views.cc).
//
//   view 0         hub 0 and all nodes, the run as it began
//   seek, told     "who is there?", and the answer: what each holds and belongs to
//   join           to a hub that has answered: take me in
//   view           of a new hub, or of one that takes somebody in or leaves somebody behind: its
//                  members, and x, from which all of them begin anew
//
// Of two views a node takes the one above, and never goes back, so that all who hear of the same
// views end in the same one, whatever the order. Numbers of messages begin anew with each view
// (number << kNumberBits): those of another view are refused.
//
// Nobody waits for ever. A member leaves a hub that answers nothing, and seeks; a hub leaves such a
// member. Who seeks counts on answers to its own questions alone, so that a line that works one way
// keeps nobody. It waits for one who is served by a hub, and which will seek as well if that hub
// answers nothing; else for one who seeks and is better, by a newer model or then a lower NodeId.
// So each chain of nodes that wait ends at a hub that goes on or at the best of them, which becomes
// one. A hub waits for members alone, and takes nobody in who has not answered it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "protocol/event.h"
#include "protocol/time.h"
#include "topology/types.h"

namespace kith {

struct View {
  static constexpr int kNumberBits = 40;
  static constexpr uint64_t kMostNumber = (uint64_t{1} << (63 - kNumberBits)) - 1;

  uint64_t number = 0;
  Round from = 0;               // rounds of the run that were over when it began
  NodeId hub{};                 // announces no number twice
  std::vector<NodeId> members;  // sorted, with the hub

  bool has(NodeId node) const;

  // By number, then by the newer model, then by the lower hub.
  bool above(const View& other) const;

  // What a member is called within: the hub 0, the others 1, 2, .. in order of NodeId.
  NodeId rank_of(NodeId member) const;
  NodeId member_at(NodeId rank) const;

  uint64_t base() const { return number << kNumberBits; }
};

// Hub 0 and all nodes.
View first_view(uint32_t nodes);

// One bit for each node of the run.
size_t member_bytes(uint32_t nodes);
void write_members(const View& view, std::span<std::byte> out);
// Sorted. Bits beyond `nodes` are not looked at.
std::vector<NodeId> read_members(std::span<const std::byte> bytes, uint32_t nodes);

// What a node says of itself.
struct Standing {
  enum class State : uint8_t {
    kServed,   // by a hub that answers, or is one
    kSeeking,  // without
    kAway,     // has just started, and knows the job alone
    kOver      // has the model of the end
  };

  NodeId node{};
  uint64_t view = 0;  // number
  NodeId hub{};       // of that view
  uint32_t members = 1;
  Round round = 0;  // rounds of the run that its x has seen
  State state = State::kServed;

  bool leads() const { return state == State::kServed && hub == node; }
};

// All but node, view and round, as the number that a message holds beside its vector.
double packed(const Standing& standing);
// Untrusted; nothing where it cannot be.
std::optional<Standing> standing_of(const Message& message, uint32_t nodes);

// Which of two that have no hub becomes one: that with the newer model, of equals the lower id.
bool better_to_lead(const Standing& one, const Standing& other);

// Which of two hubs that meet goes on: the one with more members, whose work counts for more, then
// the newer model, then the lower id.
bool better_hub(const Standing& one, const Standing& other);

// What a node without a hub has heard.
class Search {
 public:
  // Between two rounds of questions.
  static constexpr Duration kPause = std::chrono::milliseconds(250);

  void begin(Time now);

  // An answer to a question of this node.
  void heard(const Standing& standing, Time now);

  struct Decision {
    enum class Kind : uint8_t { kWait, kJoin, kLead };
    Kind kind = Kind::kWait;
    Standing to = {};  // of kJoin
  };
  Decision decide(const Standing& own, Time now);

  // Those who have answered of late and have no hub; sorted.
  std::vector<NodeId> without_hub(Time now);

 private:
  struct Heard {
    Standing standing;
    Time at{};
  };

  void forget(Time now);

  Time begun_{};
  std::vector<Heard> heard_;  // by node
};

}  // namespace kith
