#include "daemon/real/meeting.h"

#include <algorithm>
#include <utility>

#include "protocol/contract.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr Duration kLongestPause = std::chrono::milliseconds(500);

// What a node lets rolls cost: a hub of a thousand sends each of them a thousand rows.
constexpr double kRollBytesPerSecond = 50e6;

}  // namespace

Message Meeting::ready(NodeId to, double scalar, Round round, SharedBuffer payload) const {
  return {.from = self_,
          .to = to,
          .kind = kReady,
          .round = round,
          .scalar = scalar,
          .sequence = life_,
          .payload = std::move(payload)};
}

Duration Meeting::pause() {
  const Duration now = pause_;
  pause_ = std::min(2 * pause_, kLongestPause);
  return now;
}

// ---- the first ----

FirstMeeting::FirstMeeting(NodeId self, std::vector<NodeId> neighbors, uint64_t life, bool goes_on,
                           SharedBuffer introduction)
    : Meeting(self, std::move(neighbors), life),
      goes_on_(goes_on),
      introduction_(std::move(introduction)),
      absent_(neighbors_) {
  complete_ = absent_.empty();
}

void FirstMeeting::ask(Duration, std::vector<Message>& out) {
  for (const NodeId peer : absent_) question(peer, out);
}

void FirstMeeting::question(NodeId peer, std::vector<Message>& out) const {
  out.push_back(ready(peer, kQuestion, 0, introduction_));
}

bool FirstMeeting::heard(const Message& message, Round under_way, std::vector<Message>& out) {
  const bool asks = message.scalar == kQuestion;
  if (complete()) {
    const auto met = met_.find(message.from);
    const bool stays_away = goes_on_ && (met == met_.end() || met->second != message.sequence);
    if (asks) out.push_back(ready(message.from, stays_away ? kRunning : kAnswer, under_way));
    return false;
  }
  if (message.scalar == kRunning || (message.scalar == kDecided && message.round > 0)) {
    late_ = true;
    absent_.clear();
  } else {
    // One that goes on has not said yet whether it begins with this node.
    if (!asks || is_first(message.sequence)) std::erase(absent_, message.from);
    met_[message.from] = message.sequence;
    if (asks) out.push_back(ready(message.from, kAnswer, 0));
  }
  complete_ = absent_.empty();
  return false;
}

// ---- after a crash ----

ResumeMeeting::ResumeMeeting(NodeId self, std::vector<NodeId> neighbors, uint64_t life,
                             const Run& run, Pool& pool)
    : Meeting(self, std::move(neighbors), life), run_(run), pool_(pool), roll_(run.nodes) {
  KITH_ASSERT(!is_first(life) && !run.entries.empty());
  roll_.enter(self, {life, run.entries});
}

void ResumeMeeting::ask(Duration now, std::vector<Message>& out) {
  hurries_ = false;
  if (complete()) return;
  if (std::exchange(news_, false)) quiet_since_ = now;
  if (roll_.full() || (run_.goes_on && now - quiet_since_ >= kPatience)) return decide(out);
  const uint64_t digest = roll_.digest();
  SharedBuffer roll;
  for (const NodeId peer : neighbors_) {
    const auto known = theirs_.find(peer);
    const bool has_it = known != theirs_.end() && known->second == digest;
    if (!has_it && !roll) roll = roll_.encode(pool_);
    out.push_back(ready(peer, kQuestion, digest, has_it ? SharedBuffer() : roll));
  }
}

Duration ResumeMeeting::pause() { return hurries_ ? shortest_pause() : Meeting::pause(); }

Duration ResumeMeeting::shortest_pause() const {
  const size_t bytes = Roll::encoded_bytes(run_.nodes, run_.entries.size()) * neighbors_.size();
  return std::max(kShortestPause, from_seconds(static_cast<double>(bytes) / kRollBytesPerSecond));
}

bool ResumeMeeting::heard(const Message& message, Round under_way, std::vector<Message>& out) {
  if (complete()) {
    if (message.scalar == kQuestion) answer(message, under_way, out);
    return false;
  }
  const bool hurried = hurries_;
  if (message.scalar == kDecided) {
    heard_of_decision(message, out);
  } else if (message.scalar == kRunning) {
    heard_of_run(message, out);
  } else {
    heard_of_roll(message, out);
  }
  return hurries_ && !hurried && !complete();
}

// Who is not on the roll, in this life, has no part in what was decided.
void ResumeMeeting::answer(const Message& message, Round under_way, std::vector<Message>& out) {
  const bool takes_part = decided_ && roll_.holds(message.from, message.sequence);
  out.push_back(takes_part ? ready(message.from, kDecided, round_, roll_.encode(pool_))
                           : ready(message.from, kRunning, under_way));
}

void ResumeMeeting::heard_of_roll(const Message& message, std::vector<Message>& out) {
  if (is_first(message.sequence)) {
    // It has not begun: neither has the run, unless it has lost its disk.
    const bool begins = run_.entries.front().round == 0;
    Roll::Row row{message.sequence, {}};
    if (begins) row.entries = {{0, true}};
    const bool news = roll_.enter(message.from, std::move(row));
    return begins ? decide(out) : learn(news, out);
  }
  Roll theirs(run_.nodes);
  if (!read_roll(message, theirs)) return;
  theirs_[message.from] = message.round;
  learn(roll_.merge(theirs), out);
  if (!complete() && message.round != roll_.digest()) hurries_ = true;
}

void ResumeMeeting::heard_of_decision(const Message& message, std::vector<Message>& out) {
  Roll theirs(run_.nodes);
  if (!read_roll(message, theirs)) return;
  if (!theirs.holds(self_, life_)) return heard_of_run(message, out);
  if (!run_.goes_on) return learn(roll_.merge(theirs), out);
  roll_ = std::move(theirs);
  decide(out);
}

// Without this node.
void ResumeMeeting::heard_of_run(const Message& message, std::vector<Message>& out) {
  if (!run_.goes_on) {
    // They have begun with another life of this node, in this very generation: its disk is lost.
    in_vain_ = true;
    return;
  }
  const Restart& newest = run_.entries.front();
  if (message.round > 0 && message.round >= newest.round) {
    late_ = complete_ = true;
    return;
  }
  if (newest.last == Restart::kAnyLater && newest.round > 0) {
    // Without rounds in common there is nobody to wait for: all edges are agreed anew.
    roll_ = Roll(run_.nodes);
    roll_.enter(self_, {life_, run_.entries});
    return decide(out);
  }
  learn(roll_.enter(message.from, {message.sequence, {}}), out);
}

bool ResumeMeeting::read_roll(const Message& message, Roll& roll) const {
  const SharedBuffer bytes = message.payload.contiguous(pool_);
  return roll.decode(bytes.bytes()).ok();
}

void ResumeMeeting::learn(bool news, std::vector<Message>& out) {
  if (news) news_ = hurries_ = true;
  if (roll_.full()) decide(out);
}

void ResumeMeeting::decide(std::vector<Message>& out) {
  complete_ = decided_ = true;
  round_ = roll_.agreed();
  if (run_.goes_on) {
    const std::optional<Restart> from = serving(run_.entries, round_);
    late_ = !from || (from->round == 0 && round_ > 0);
    contract_ = roll_.begins() ? 0 : 1 + roll_.digest() % Contracts::kFresh;
  }
  const SharedBuffer roll = roll_.encode(pool_);
  for (const NodeId peer : neighbors_) out.push_back(ready(peer, kDecided, round_, roll));
}

}  // namespace kith
