#include "protocol/edge.h"

#include <algorithm>

#include "protocol/limits.h"

namespace kith {

namespace {

// Numbers that may run ahead of the first missing one: the width of the bit set.
constexpr uint64_t kAheadNumbers = 64;

// Weight of a new computing time in the average.
constexpr double kGain = 0.125;
// Patience in computing times. A neighbour is as fast as this node, give or take, or its edge
// learns.
constexpr double kComputings = 4;
// Bounds of the doublings: of an edge, and of repeated questions.
constexpr uint32_t kEdgeDoublings = 6;
constexpr uint32_t kQuestionDoublings = 4;

// A peer is gone when so many questions in a row were not answered, for so many times as long as an
// answer takes on average. Questions, because a node that has slept has heard nothing all the
// while, and so many, because on a line that loses a fifth of all messages 36 % of them fail.
// Longer before so many messages of one that owes some: on a slow line what is asked, and what is
// answered, waits behind messages, for longer than anybody can know at first.
constexpr uint32_t kUnanswered = 16;
constexpr int64_t kTimesUsual = 8;
constexpr int64_t kAnswersAveraged = 4;
constexpr uint32_t kFirstMessages = 3;
constexpr int64_t kTimesLonger = 10;
// A question costs so little that neither long computing nor questions asked in vain put the next
// one off for longer: in lockstep one loss holds all up, who all ask in vain.
constexpr int64_t kPartOfSilence = 4;
// Of a peer that owes nothing.
constexpr Duration kQuiet = std::chrono::seconds(1);

}  // namespace

template <class Edge>
const Edge* EdgeTable::Edges<Edge>::find(NodeId peer) const {
  const auto place = std::ranges::lower_bound(peers, peer);
  return place != peers.end() && *place == peer ? &edges[place - peers.begin()] : nullptr;
}

template <class Edge>
Edge& EdgeTable::Edges<Edge>::at(NodeId peer) {
  const auto place = std::ranges::lower_bound(peers, peer);
  const auto index = place - peers.begin();
  if (place == peers.end() || *place != peer) {
    peers.insert(place, peer);
    edges.emplace(edges.begin() + index);
  }
  return edges[index];
}

void EdgeTable::sent(Message& message) {
  Out& edge = out_.at(message.to);
  message.sequence = ++edge.last;
  if (policy_.depth == 0) return;
  if (supersedes(message.kind)) edge.kept.clear();
  if (edge.kept.size() == policy_.depth) edge.kept.erase(edge.kept.begin());
  edge.kept.push_back(message);
}

void EdgeTable::kept_after(NodeId to, uint64_t contiguous, std::vector<Message>& out) const {
  const Out* edge = out_.find(to);
  if (edge == nullptr) return;
  for (const Message& message : edge->kept) {
    if (message.sequence > contiguous) out.push_back(message);
  }
}

uint64_t EdgeTable::last_sent(NodeId to) const {
  const Out* edge = out_.find(to);
  return edge == nullptr ? 0 : edge->last;
}

uint64_t EdgeTable::gone(NodeId to) const {
  const Out* edge = out_.find(to);
  return edge == nullptr || edge->kept.empty() ? 0 : edge->kept.front().sequence - 1;
}

void EdgeTable::skip(NodeId peer, uint64_t number) {
  In& edge = in_.at(peer);
  if (edge.asked > 0 && number <= edge.contiguous + limits::kSuperseded) edge.skip_to(number);
}

void EdgeTable::In::skip_to(uint64_t number) {
  if (number <= contiguous) return;
  const uint64_t by = number - contiguous;
  beyond = by < kAheadNumbers ? beyond >> by : 0;
  contiguous = number;
  close_gap();
}

void EdgeTable::In::close_gap() {
  while (beyond & 1) {
    beyond >>= 1;
    ++contiguous;
  }
}

bool EdgeTable::In::is_gone(Duration quiet, Duration silence) const {
  const bool first = messages < kFirstMessages && asked > 0;
  if (first || last_heard == Time{}) silence *= kTimesLonger;
  return unanswered >= kUnanswered && quiet >= std::max(silence, kTimesUsual * answers);
}

Status EdgeTable::check(const Message& message) const {
  const In* edge = in_.find(message.from);
  const uint64_t contiguous = edge ? edge->contiguous : 0;
  if (message.sequence <= contiguous) return Reason::kDuplicate;
  const uint64_t ahead = message.sequence - contiguous - 1;
  if (ahead >= (supersedes(message.kind) ? limits::kSuperseded : kAheadNumbers)) {
    return Reason::kTooEarly;
  }
  if (ahead >= kAheadNumbers) return {};
  if (edge && (edge->beyond >> ahead & 1)) return Reason::kDuplicate;
  return {};
}

void EdgeTable::accept(const Message& message, Time now) {
  In& edge = in_.at(message.from);
  if (supersedes(message.kind)) {
    edge.skip_to(message.sequence);
  } else {
    edge.beyond |= uint64_t{1} << (message.sequence - edge.contiguous - 1);
    edge.close_gap();
  }
  if (edge.lost && edge.doubled > 0) --edge.doubled;
  edge.alive(now, policy_.silence);
  edge.last_message = now;
  edge.messages = std::min(edge.messages + 1, kFirstMessages);
  edge.asked = 0;
  edge.broken = 0;
  edge.lost = false;
}

void EdgeTable::heard(NodeId peer, Time now) { in_.at(peer).alive(now, policy_.silence); }

// Answers that stand in a line behind messages are as late as the first question is old. Of a peer
// that was away, and not slow, there is nothing to learn.
void EdgeTable::In::alive(Time now, Duration silence) {
  const bool answered = unanswered > 0 && !is_gone(now - first_asked, silence);
  if (answered) answers += (now - first_asked - answers) / kAnswersAveraged;
  unanswered = 0;
  last_heard = now;
}

void EdgeTable::In::ask(Time now) {
  if (unanswered == 0) first_asked = now;
  ++unanswered;
  last_asked = now;
}

void EdgeTable::renew(NodeId peer, uint64_t base, Time now) {
  Out& out = out_.at(peer);
  out.last = base;
  out.kept.clear();
  In& in = in_.at(peer);
  Duration answers = in.answers;
  for (size_t i = 0; in.messages == 0 && i < in_.edges.size(); ++i) {
    answers = std::max(answers, in_.edges[i].answers);
  }
  in = In{.contiguous = base,
          .last_heard = now,
          .last_message = now,
          .answers = answers,
          .messages = kFirstMessages};
}

bool EdgeTable::lost(NodeId peer, uint64_t last_sent) {
  In& edge = in_.at(peer);
  edge.lost = last_sent > edge.contiguous;
  const bool probed = edge.asked == 0;
  if (!edge.lost && !probed && edge.doubled < kEdgeDoublings) ++edge.doubled;
  return edge.lost;
}

// Takes back that nothing was lost, and halves patience.
void EdgeTable::asked_well(NodeId peer) {
  In& edge = in_.at(peer);
  if (edge.asked > 0) edge.doubled -= std::min(edge.doubled, 2u);
}

void EdgeTable::computed_in(Duration time) {
  const auto ns = static_cast<double>(time.count());
  computing_ns_ = computing_ns_ < 0 ? ns : computing_ns_ + kGain * (ns - computing_ns_);
}

uint64_t EdgeTable::contiguous(NodeId peer) const {
  const In* edge = in_.find(peer);
  return edge ? edge->contiguous : 0;
}

EdgeTable::Question EdgeTable::probe(NodeId peer, bool held_up, Time now) {
  In& edge = in_.at(peer);
  const Duration pause = policy_.silence / kUnanswered;
  Time due = edge.last_heard + (held_up ? pause : kQuiet);
  Question question;
  question.peer = peer;
  if (edge.unanswered > 0) {
    due = edge.last_asked + pause;
    question.gone = edge.is_gone(now - edge.last_heard, policy_.silence);
  }
  question.ask = now >= due;
  if (question.ask) {
    edge.ask(now);
    due = now + pause;
  }
  question.again = due - now;
  return question;
}

bool EdgeTable::suspected(NodeId peer) const {
  const In* edge = in_.find(peer);
  return edge != nullptr && edge->unanswered >= kUnanswered / 2;
}

Duration EdgeTable::patience() const {
  if (computing_ns_ < 0) return policy_.initial;
  const Duration learnt(static_cast<int64_t>(kComputings * computing_ns_));
  const Duration longest = policy_.leaves ? policy_.silence / kPartOfSilence : policy_.ceiling;
  return std::clamp(learnt, policy_.floor, std::max(policy_.floor, longest));
}

Duration EdgeTable::patience(NodeId peer) const {
  const In* edge = in_.find(peer);
  const Duration base = patience();
  if (edge == nullptr || edge->doubled == 0) return base;
  const Duration longest = std::max(base, policy_.silence / kPartOfSilence);
  return std::min(base * (int64_t{1} << edge->doubled), longest);
}

EdgeTable::Question EdgeTable::question(NodeId peer, Time since, Time now) {
  In& edge = in_.at(peer);
  Question question;
  question.peer = peer;
  Duration wait = std::min(
      patience(peer) * (int64_t{1} << std::min(edge.asked, kQuestionDoublings)), policy_.ceiling);
  // Where a peer may be gone it has its questions before it is.
  if (policy_.leaves && edge.asked > 0) wait = std::min(wait, policy_.silence / kUnanswered);
  Time due = std::max(since, edge.asked == 0 ? edge.last_message : edge.last_asked) + wait;
  if (edge.asked > 0) {
    const Duration quiet = now - std::max(since, edge.last_heard);
    if (quiet >= policy_.silence) question.silence = quiet;
    question.gone = edge.is_gone(quiet, policy_.silence);
  }
  question.ask = now >= due;
  if (question.ask) {
    ++edge.asked;
    edge.ask(now);
    due = now + wait;
  }
  question.again = due - now;
  return question;
}

}  // namespace kith
