// Node's side of the views of a star: how it leaves a hub or a member that answers nothing, finds
// another hub, and what hub and members tell each other of views. What it does within one is in
// node_within_view.cc.
#include <algorithm>
#include <cstring>
#include <iterator>

#include "daemon/node.h"
#include "daemon/node_kinds.h"
#include "protocol/kernels.h"

namespace kith {

namespace {

// Between two questions of a hub to those who are not with it.
constexpr Duration kCallPause = std::chrono::seconds(1);

// Before x is asked for, or sent, again: it may be on its way.
constexpr Duration kAgain = std::chrono::seconds(1);
constexpr uint32_t kMostDoublings = 6;

constexpr double kMostBatches = 0x1p53;  // what a double counts

uint64_t number_of(const Message& message) { return message.sequence >> View::kNumberBits; }

Duration doubled(Duration duration, uint32_t times) {
  return duration * (int64_t{1} << std::min(times, kMostDoublings));
}

}  // namespace

// ---- what others say ----

// A hub that has slept may have no member left.
Standing Node::standing() const {
  const StarSide& s = *star_;
  using State = Standing::State;
  const auto lapsed = std::ranges::count_if(s.members, &StarSide::Member::lapsed);
  State state = s.seeking ? State::kSeeking : State::kServed;
  if (s.away) state = State::kAway;
  if (finished_) state = State::kOver;
  return {.node = self_,
          .view = s.view.number,
          .hub = s.view.hub,
          .members = static_cast<uint32_t>(s.view.members.size() - static_cast<size_t>(lapsed)),
          .round = round(),
          .state = state};
}

void Node::say_standing(NodeId to, uint16_t kind) {
  const Standing own = standing();
  say(to, kind, {own.view, own.round}, packed(own));
}

// Of a hub, from a member; of a member, from its hub.
bool Node::in_view(const Message& message) const {
  const StarSide& s = *star_;
  if (s.away || s.ended || number_of(message) != s.view.number) return false;
  return s.view.hub == self_ ? s.view.has(message.from) : message.from == s.view.hub;
}

// A message of the algorithm.
bool Node::fits_view(const Message& message) {
  if (!in_view(message)) return false;
  seen_in_view(message.from);
  return true;
}

void Node::seen_in_view(NodeId peer) {
  StarSide& s = *star_;
  s.seeking = false;
  StarSide::Member* member = this->member(peer);
  if (member == nullptr) return;
  member->lapsed = false;
  if (std::exchange(member->confirmed, true)) return;
  if (std::ranges::all_of(s.members, &StarSide::Member::confirmed)) s.announcement.reset();
}

// As the hub knows it; null of a node that is none.
StarSide::Member* Node::member(NodeId node) const {
  std::vector<StarSide::Member>& members = star_->members;
  const auto place = std::ranges::lower_bound(members, node, {}, &StarSide::Member::node);
  return place != members.end() && place->node == node ? &*place : nullptr;
}

// True where nothing more is to be done about a message between nodes.
bool Node::heard_of_view(const Message& message) {
  const NodeId peer = message.from;
  switch (message.kind) {
    case kJoin: asked_in(message); return true;
    case kView: announced(message); return true;
    case kOver: ended(message); return true;
    case kSeek:
    case kTold:
      if (const auto standing = standing_of(message, star_->whole.nodes)) {
        if (message.kind == kSeek) say_standing(peer, kTold);
        consider(*standing, message.kind == kTold);
      } else {
        refuse(Reason::kMalformed);
      }
      return true;
    default: break;
  }
  if (in_view(message)) {
    seen_in_view(peer);
    return false;
  }
  // Who asks about another view hears of this one, or is asked about its own.
  if (message.kind == kQuestion) {
    say_standing(peer, number_of(message) > star_->view.number ? kSeek : kTold);
  }
  return true;
}

// `answers`: to this node, so that the other hears it.
void Node::consider(const Standing& other, bool answers) {
  StarSide& s = *star_;
  s.highest = std::max(s.highest, other.view);
  if (finished_) return;
  const bool with_this = other.state == Standing::State::kServed && other.hub == self_;
  if (StarSide::Member* known = member(other.node)) known->lapsed = !with_this;
  if (answers && s.seeking) s.search.heard(other, state_.now);
  if (answers && other.state == Standing::State::kOver) return join(other);
  if (other.node == s.view.hub && !s.away) return heard_of_hub(other, answers);
  if (answers && leads() && other.leads()) meet(other);
}

// Another hub. Who is with this one is not with that, whatever that may think after a sleep.
void Node::meet(Standing other) {
  const Standing own = standing();
  other.members = std::min(other.members, star_->whole.nodes - own.members);
  if (better_hub(other, own)) join(other);
}

// It is none any more, or goes on without this node, or is there after all.
void Node::heard_of_hub(const Standing& hub, bool answers) {
  StarSide& s = *star_;
  const bool of_before = hub.view < s.view.number && hub.state != Standing::State::kAway;
  if (of_before) return;
  if (!hub.leads() || hub.view > s.view.number) return seek();
  if (answers) s.seeking = false;
}

// ---- watching ----

void Node::watch_star() {
  if (finished_) return;
  Duration again = edges_.policy().silence;
  if (!star_->seeking) again = ask_members();
  if (star_->seeking) {
    again = std::min(again, search_on());
  } else if (leads()) {
    again = std::min(again, call_others());
  }
  body_.set_timer(self_, kWatchTimer, std::max(again, edges_.policy().floor));
}

// A hub asks all its members whether they are there, and a member its hub, whether it waits for
// them or not.
Duration Node::ask_members() {
  StarSide& s = *star_;
  waiting_.clear();
  waiting_in_view(waiting_);
  Duration again = edges_.policy().silence;
  std::vector<NodeId> gone;
  const auto ask = [&](NodeId peer) {
    const EdgeTable::Question question =
        ask_member(peer, std::ranges::binary_search(waiting_, peer));
    again = std::min(again, question.again);
    if (question.gone && is_gone(peer)) gone.push_back(peer);
  };
  if (!leads()) ask(s.view.hub);
  for (size_t i = 0; leads() && i < s.view.members.size(); ++i) {
    if (s.view.members[i] != self_) ask(s.view.members[i]);
  }
  if (gone.empty()) return again;
  leads() ? change_view(gone) : seek();
  return again;
}

void Node::waiting_in_view(std::vector<NodeId>& out) const {
  algorithm_->waiting_for(state_, out);
  for (NodeId& rank : out) rank = star_->view.member_at(rank);
  std::ranges::sort(out);
}

// Who computes all the while waits in vain for no longer than others.
EdgeTable::Question Node::ask_member(NodeId peer, bool owes) {
  EdgeTable::Question asked{.peer = peer, .again = edges_.policy().silence};
  if (owes) {
    asked = edges_.question(peer, last_computed_, state_.now);
    if (asked.silence > Duration::zero()) body_.peer_silent(self_, peer, asked.silence);
  }
  if (!asked.ask) {
    const bool held_up = !waiting_.empty() && state_.now - last_computed_ > edges_.patience();
    const EdgeTable::Question probe = edges_.probe(peer, held_up, state_.now);
    asked.ask = probe.ask;
    asked.gone = asked.gone || probe.gone;
    asked.again = std::min(asked.again, probe.again);
  }
  if (asked.ask) {
    if (owes) ++counters_.repairs_requested;
    tell(peer, kQuestion, edges_.last_sent(peer));
  }
  return asked;
}

// A view may take long to get to a member: each time that one was left before it had it, it is
// waited for twice as long.
bool Node::is_gone(NodeId peer) const {
  const StarSide& s = *star_;
  const StarSide::Member* known = member(peer);
  if (known == nullptr || known->confirmed) return true;
  const uint32_t failures = s.failures.empty() ? 0 : s.failures[index_of(peer)];
  return state_.now - known->told >= doubled(edges_.policy().silence, failures);
}

// A hub looks for those who are not with it: who was away may not know that others go on.
Duration Node::call_others() {
  StarSide& s = *star_;
  if (s.view.members.size() == s.whole.nodes) return kCallPause;
  const Duration since = state_.now - s.asked;
  if (since < kCallPause) return kCallPause - since;
  ask_everybody();
  return kCallPause;
}

void Node::ask_everybody() {
  StarSide& s = *star_;
  s.asked = state_.now;
  const bool leads = this->leads();
  for (uint32_t i = 0; i < s.whole.nodes; ++i) {
    const NodeId node{i};
    if (node != self_ && !(leads && s.view.has(node))) say_standing(node, kSeek);
  }
}

// ---- without a hub ----

// It knows nothing of the run but its job.
void Node::return_to_star() {
  star_->away = true;
  seek();
}

void Node::seek() {
  StarSide& s = *star_;
  if (s.seeking || finished_) return;
  s.seeking = true;
  s.search.begin(state_.now);
  ask_everybody();
  body_.set_timer(self_, kWatchTimer, Search::kPause);
}

Duration Node::search_on() {
  StarSide& s = *star_;
  const Duration since = state_.now - s.asked;
  if (since < Search::kPause) return Search::kPause - since;
  const Search::Decision decision = s.search.decide(standing(), state_.now);
  if (decision.kind == Search::Decision::Kind::kLead) {
    lead();
    return kCallPause;
  }
  if (decision.kind == Search::Decision::Kind::kJoin) join(decision.to);
  ask_everybody();
  return Search::kPause;
}

// Not again while what was asked for may be on its way.
void Node::join(const Standing& hub) {
  StarSide& s = *star_;
  const bool again = s.joined_times > 0 && s.joined == hub.node && s.joined_view == hub.view;
  if (!again) s.joined_times = 0;
  if (again && state_.now - s.joined_at < doubled(kAgain, s.joined_times - 1)) return;
  ++s.joined_times;
  s.joined = hub.node;
  s.joined_view = hub.view;
  s.joined_at = state_.now;
  say(hub.node, kJoin, {hub.view, round()}, packed(standing()));
}

// ---- a hub and its views ----

// The best of those who have no hub is theirs.
void Node::lead() {
  StarSide& s = *star_;
  View next{.number = std::max(s.highest, s.view.number) + 1,
            .from = round(),
            .hub = self_,
            .members = s.search.without_hub(state_.now)};
  next.members.insert(std::ranges::lower_bound(next.members, self_), self_);
  enter(std::move(next), state_.parameters, s.settled);
}

// To the hub of the view whose number is told, which `message` shows to be heard.
void Node::asked_in(const Message& message) {
  StarSide& s = *star_;
  const NodeId peer = message.from;
  if (finished_) {
    return say(peer, kOver, {s.view.number, round()}, 0, Payload(state_.parameters));
  }
  if (std::ranges::find(s.banned, peer) != s.banned.end()) return;
  // Of an earlier view: it will be told of this one.
  if (!leads() || message.sequence != s.view.number) return;
  StarSide::Member* known = member(peer);
  if (known != nullptr && !known->confirmed) {
    if (state_.now - known->told >= kAgain) tell_view(*known);
    return;
  }
  const auto place = std::ranges::lower_bound(s.joining, peer);
  if (place == s.joining.end() || *place != peer) s.joining.insert(place, peer);
  // Of a member that has lost what it knew the round under way waits in vain.
  if (s.view.has(peer)) change_view({});
}

void Node::ban(NodeId member) {
  star_->banned.push_back(member);
  change_view({&member, 1});
}

// With those who have asked for it, without those who are gone, or about to be, or elsewhere.
void Node::change_view(std::span<const NodeId> gone) {
  StarSide& s = *star_;
  View next{.number = std::max(s.highest, s.view.number) + 1,
            .from = round(),
            .hub = self_,
            .members = {}};
  std::vector<NodeId> stay;
  for (const NodeId node : s.view.members) {
    const StarSide::Member* known = member(node);  // null of this node itself
    const bool leaves = known != nullptr && (std::ranges::find(gone, node) != gone.end() ||
                                             known->lapsed || edges_.suspected(node));
    if (!leaves) stay.push_back(node);
    if (!leaves || known->confirmed) continue;
    s.failures.resize(s.whole.nodes);
    ++s.failures[index_of(node)];
  }
  std::ranges::set_union(stay, s.joining, std::back_inserter(next.members));
  enter(std::move(next), state_.parameters, s.settled);
}

// x and who is in the view, in one block for all members.
void Node::announce() {
  StarSide& s = *star_;
  if (s.members.empty()) return;
  const size_t floats = state_.dimension * sizeof(float);
  Buffer block = state_.pool->acquire(floats + member_bytes(s.whole.nodes));
  std::memcpy(block.data(), state_.parameters.data(), floats);
  write_members(s.view, block.bytes().subspan(floats));
  s.announcement = std::move(block).freeze();
  for (StarSide::Member& member : s.members) tell_view(member);
}

void Node::tell_view(StarSide::Member& member) {
  StarSide& s = *star_;
  member.told = state_.now;
  say(member.node, kView, {s.view.number, s.view.from}, static_cast<double>(s.first_batch),
      Payload(s.announcement));
}

// Of p floats at the beginning of the payload; empty where they are not all finite.
SharedBuffer Node::model_in(const Message& message) {
  const SharedBuffer bytes = message.payload.contiguous(*state_.pool);
  Buffer x = state_.pool->acquire_floats(state_.dimension);
  std::memcpy(x.data(), bytes.data(), state_.dimension * sizeof(float));
  if (!kernels::all_finite(x.floats())) return {};
  return std::move(x).freeze();
}

void Node::announced(const Message& message) {
  StarSide& s = *star_;
  const NodeId hub = message.from;
  const size_t floats = state_.dimension * sizeof(float);
  const bool numbers = message.sequence > 0 && message.sequence <= View::kMostNumber &&
                       message.round < s.whole.rounds && message.scalar >= 0 &&
                       message.scalar < kMostBatches;
  if (!numbers || message.payload.size() != floats + member_bytes(s.whole.nodes)) {
    return refuse(Reason::kMalformed);
  }
  const SharedBuffer bytes = message.payload.contiguous(*state_.pool);
  View view{.number = message.sequence,
            .from = message.round,
            .hub = hub,
            .members = read_members(bytes.bytes().subspan(floats), s.whole.nodes)};
  if (!view.has(hub) || !view.has(self_)) return refuse(Reason::kMalformed);
  if (!s.away && view.number == s.view.number && hub == s.view.hub) {
    return tell(hub, kLast, edges_.last_sent(hub));
  }
  if (finished_ || !view.above(s.view)) return say_standing(hub, kTold);
  SharedBuffer x = model_in(message);
  if (!x) return refuse(Reason::kNotFinite);
  const View before = s.view;
  const bool led = leads();
  enter(std::move(view), std::move(x), static_cast<uint64_t>(message.scalar));
  tell(hub, kLast, edges_.last_sent(hub));
  if (!led) return;
  for (const NodeId member : before.members) {  // they have no hub any more
    if (member != self_ && member != hub) say_standing(member, kSeek);
  }
}

// The run is over: x is that of the end.
void Node::ended(const Message& message) {
  StarSide& s = *star_;
  if (finished_) return;
  if (message.round != s.whole.rounds ||
      message.payload.size() != state_.dimension * sizeof(float)) {
    return refuse(Reason::kMalformed);
  }
  SharedBuffer x = model_in(message);
  if (!x) return refuse(Reason::kNotFinite);
  give_up_work();
  s.away = false;
  s.seeking = false;
  state_.parameters = std::move(x);
  state_.round = state_.rounds;
  s.ended = true;
  finished_ = true;
  body_.finish(self_, {Finish::Why::kDone, s.whole.rounds});
}

}  // namespace kith
