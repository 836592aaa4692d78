#include "daemon/real/meeting.h"

#include <algorithm>

#include "protocol/coordinator/hub.h"

namespace kith {

namespace {
constexpr Duration kLongestPause = std::chrono::milliseconds(500);
}  // namespace

Message Meeting::ready(NodeId to, double scalar) const {
  Message message;
  message.from = self_;
  message.to = to;
  message.kind = kReady;
  message.round = round();
  message.scalar = scalar;
  message.sequence = process_;
  if (scalar == kQuestion && introduction_) message.payload = introduction_;
  return message;
}

void Meeting::ask(std::vector<Message>& out) const {
  for (const NodeId peer : absent_) out.push_back(ready(peer, kQuestion));
}

Duration Meeting::pause() {
  const Duration now = pause_;
  pause_ = std::min(2 * pause_, kLongestPause);
  return now;
}

void FirstMeeting::heard(const Message& message, std::vector<Message>& out) {
  const bool asks = message.scalar == kQuestion;
  if (complete()) {
    const bool stays_away = goes_on_ && met_[message.from] != message.sequence;
    if (asks) out.push_back(ready(message.from, stays_away ? kRunning : kAnswer));
    return;
  }
  if (message.scalar == kRunning) {
    late_ = true;
    absent_.clear();
    return;
  }
  std::erase(absent_, message.from);
  met_[message.from] = message.sequence;
  if (asks) out.push_back(ready(message.from, kAnswer));
}

ResumeMeeting::ResumeMeeting(NodeId self, std::vector<NodeId> neighbors, uint64_t process,
                             Entries entries)
    : Meeting(self, std::move(neighbors), process),
      entries_(std::move(entries)),
      round_(latest_served(entries_, entries_.empty() ? 0 : entries_.front().round)) {}

void ResumeMeeting::heard(const Message& message, std::vector<Message>& out) {
  if (self_ == kHub) return heard_as_hub(message, out);
  if (message.from != kHub || complete()) return;
  if (message.scalar == kDecided) {
    round_ = message.round;
    absent_.clear();
  } else if (message.scalar == kQuestion) {
    round_ = latest_served(entries_, message.round);
    out.push_back(ready(kHub, kAnswer));
  }
}

void ResumeMeeting::heard_as_hub(const Message& message, std::vector<Message>& out) {
  if (complete()) {
    out.push_back(ready(message.from, kDecided));
    return;
  }
  // A question tells of what a node has before it knows the proposal.
  if (message.scalar != kAnswer) return;
  if (message.round > round_) return;  // to a proposal of before
  if (message.round < round_) return propose(message.round, out);
  std::erase(absent_, message.from);
  if (!complete()) return;
  for (const NodeId peer : neighbors_) out.push_back(ready(peer, kDecided));
}

void ResumeMeeting::propose(Round at_most, std::vector<Message>& out) {
  // The hub's own are exact, or as good as that: it goes on from the newest one up to there.
  round_ = 0;
  for (const CheckpointFolder::Entry& entry : entries_) {
    if (entry.round <= at_most) {
      round_ = entry.round;
      break;
    }
  }
  absent_ = neighbors_;
  ask(out);
}

}  // namespace kith
