// Messages that wait for their round, in (round, sender) order, so that sums run in sorted NodeId
// order whatever the order of arrival. Bounded: at most kRoundsAhead messages of each sender, one a
// round.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "protocol/event.h"
#include "protocol/limits.h"
#include "topology/prefetch.h"

namespace kith {

class Inbox {
 public:
  // How often a sender has something to say.
  enum class Pace : uint8_t {
    kEveryRound,  // then what is kRoundsAhead rounds early breaks the protocol
    kSomeRounds  // then a message may be early by any number of rounds: those between do without it
  };

  // `current` is the round that the owner is in. O(log n) search, O(n) insertion of small records.
  Status put(Message&& message, Round current, Pace pace = Pace::kEveryRound) {
    if (message.round < current) return Reason::kStale;
    if (message.round >= current + limits::kRoundsAhead &&
        (pace == Pace::kEveryRound || count_of(message.from) >= limits::kRoundsAhead)) {
      return Reason::kTooEarly;
    }
    const auto place = std::lower_bound(messages_.begin(), messages_.end(), message, before);
    if (place != messages_.end() && !before(message, *place)) return Reason::kDuplicate;
    messages_.insert(place, std::move(message));
    return {};
  }

  // The messages of `round`, sorted by sender; valid until the next change.
  std::span<const Message> at(Round round) const {
    const auto first = std::lower_bound(messages_.begin(), messages_.end(), round, earlier);
    const auto last = std::lower_bound(first, messages_.end(), round + 1, earlier);
    return {first, last};
  }

  // Lets go of every round up to and including `round`.
  void drop_through(Round round) {
    messages_.erase(messages_.begin(),
                    std::lower_bound(messages_.begin(), messages_.end(), round + 1, earlier));
  }

  // Lets go of all that `peer` has sent.
  void drop_from(NodeId peer) {
    std::erase_if(messages_, [peer](const Message& message) { return message.from == peer; });
  }

  size_t size() const { return messages_.size(); }

  void prefetch() const { prefetch_bytes(messages_.data(), messages_.size() * sizeof(Message)); }

 private:
  static bool before(const Message& a, const Message& b) {
    return a.round != b.round ? a.round < b.round : a.from < b.from;
  }
  uint64_t count_of(NodeId from) const {
    return static_cast<uint64_t>(std::ranges::count(messages_, from, &Message::from));
  }
  static bool earlier(const Message& a, Round round) { return a.round < round; }

  std::vector<Message> messages_;
};

// Appends to `out` the members of `expected` (sorted) from whom `round` has brought nothing yet.
inline void missing_senders(const Inbox& inbox, Round round, std::span<const Neighbor> expected,
                            std::vector<NodeId>& out) {
  const std::span<const Message> present = inbox.at(round);
  auto message = present.begin();
  for (const Neighbor& neighbor : expected) {
    while (message != present.end() && message->from < neighbor.peer) ++message;
    if (message == present.end() || message->from != neighbor.peer) out.push_back(neighbor.peer);
  }
}

}  // namespace kith
