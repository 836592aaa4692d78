// Node within a view of a star: what translates between the numbers of the run and those of the
// view, and how a view begins. What makes a node enter one is in node_views.cc.
//
// The algorithm knows nothing of it. Within a view it is a fresh instance of itself among the
// members, named by their ranks, from the x of the last round that was completed, for the rounds
// that are left; Node adds what lies before. View 0 is the run as it began: there nothing differs.
// Lost with a view are the round under way and what the algorithm kept beside x: a hub's momentum,
// error memories, control variates. The learner's own state stays.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "daemon/node.h"
#include "daemon/node_kinds.h"
#include "protocol/coordinator/membership.h"
#include "topology/assert.h"
#include "topology/registry.h"
#include "topology/rng.h"

namespace kith {

namespace {

// Weight of a round in the average, and the most that one counts, in multiples of it.
constexpr int64_t kRoundsAveraged = 8;
constexpr int64_t kMostTimesUsual = 4;

}  // namespace

bool Node::leads() const {
  if (!star_) return self_ == NodeId{0};
  return !star_->away && !star_->seeking && star_->view.hub == self_;
}

bool Node::to_run(Effect& effect) {
  StarSide& s = *star_;
  if (auto* send = std::get_if<Send>(&effect)) send->to = s.view.member_at(send->to);
  if (auto* compute = std::get_if<Compute>(&effect)) return begins_now(*compute);
  if (auto* report = std::get_if<Report>(&effect)) {
    report->round += s.view.from;
    s.round_over = true;
  }
  if (auto* finish = std::get_if<Finish>(&effect)) finish->round += s.view.from;
  if (auto* cancel = std::get_if<Cancel>(&effect)) {
    cancel->ticket += s.first_ticket;
    if (s.result && s.result->ticket == cancel->ticket - s.first_ticket) s.result.reset();
    if (s.held && s.held->ticket == cancel->ticket) {
      s.held.reset();
      return false;
    }
    if (s.under_way && s.under_way->ticket == cancel->ticket) s.under_way.reset();
  }
  return true;
}

// A body has one piece of work of a node at a time: what is under way of an earlier view and cannot
// be cancelled comes to its end first.
bool Node::begins_now(Compute& work) {
  StarSide& s = *star_;
  work.first_batch += s.first_batch;
  work.ticket += s.first_ticket;
  s.last_ticket = work.ticket;
  if (s.under_way) {
    KITH_ASSERT(s.under_way->ticket <= s.first_ticket && !s.held);
    s.held = std::move(work);
    return false;
  }
  s.under_way = {work.ticket, work.first_batch + work.steps};
  return true;
}

void Node::to_view(Message& message) const {
  message.from = star_->view.rank_of(message.from);
  message.to = state_.self;
}

bool Node::to_view(Computed& computed) {
  StarSide& s = *star_;
  const bool of_view = computed.ticket > s.first_ticket;
  if (s.under_way && s.under_way->ticket == computed.ticket) {
    if (of_view) s.computed = std::max(s.computed, s.under_way->end);
    s.under_way.reset();
  }
  if (s.held && !s.under_way) {
    Compute work = *std::exchange(s.held, {});
    s.under_way = {work.ticket, work.first_batch + work.steps};
    last_asked_to_compute_ = state_.now;
    body_.compute(self_, std::move(work));
  }
  if (finished_ || !of_view) return false;
  computed.ticket -= s.first_ticket;
  if (!alone() || state_.now >= s.due) return true;
  body_.set_timer(self_, kPaceTimer, s.due - state_.now);
  s.result = std::move(computed);
  return false;
}

// Who is alone makes rounds no faster than it did with others, so that it is not at the end of the
// run by the time that they are back. What one has taken too long the next one may make good.
bool Node::alone() const {
  return star_->whole.nodes > 1 && star_->view.members.size() == 1 && leads();
}

void Node::keep_pace() {
  StarSide& s = *star_;
  const Round done = round();
  if (done <= s.seen) return;
  if (!alone()) {
    const Duration took = (state_.now - s.seen_at) / static_cast<int64_t>(done - s.seen);
    s.usual += (std::min(took, kMostTimesUsual * s.usual) - s.usual) / kRoundsAveraged;
    s.due = state_.now;
  }
  s.due = std::max(s.due, state_.now - s.usual) + s.usual;
  s.seen = done;
  s.seen_at = state_.now;
  s.settled = s.computed;
}

void Node::end_event() {
  StarSide& s = *star_;
  keep_pace();
  const bool round_over = std::exchange(s.round_over, false);
  if (round_over && !finished_ && !s.joining.empty() && leads()) change_view({});
}

// ---- how a view begins ----

// From now on the node is in this view. `first_batch`: the hub's.
void Node::enter(View&& view, SharedBuffer x, uint64_t first_batch) {
  StarSide& s = *star_;
  const View before = std::exchange(s.view, std::move(view));
  s.highest = std::max(s.highest, s.view.number);
  s.away = false;
  s.seeking = false;
  s.joined_times = 0;
  s.joining.clear();
  s.members.clear();
  s.announcement.reset();
  give_up_work();
  // Where all are in one round they go on at its place of the schedule: SCAFFOLD divides by the
  // rates that it takes the learners' for, its hub by its own for all.
  s.settled = s.algorithm.synchronous ? share_of_batches(s.view.from)
                                      : batches_by(s.view.from).value_or(first_batch);
  s.computed = s.settled;
  for (const NodeId peer : s.view.members) {
    const bool hears = peer != self_ && (leads() || peer == s.view.hub);
    if (hears) edges_.renew(peer, s.view.base(), state_.now);
    if (hears && leads()) s.members.push_back({.node = peer, .confirmed = false});
  }
  name_changes(before);
  begin_view(std::move(x));
}

// Of this node, were it in `round`, at the speed that it has had: it may have been there already,
// in a view that did not last, or never. Nothing where it has made no round.
std::optional<uint64_t> Node::batches_by(Round round) const {
  const StarSide& s = *star_;
  if (s.seen == 0 || s.settled == 0) return std::nullopt;
  const double speed = static_cast<double>(s.settled) / static_cast<double>(s.seen);
  return static_cast<uint64_t>(std::llround(static_cast<double>(round) * speed));
}

// Of one node, in so many rounds.
uint64_t Node::share_of_batches(Round rounds) const {
  const NodeState& whole = star_->whole;
  return static_cast<uint64_t>(static_cast<double>(whole.total_batches) *
                               static_cast<double>(rounds) / static_cast<double>(whole.rounds));
}

void Node::give_up_work() {
  StarSide& s = *star_;
  s.held.reset();
  s.result.reset();
  if (!s.under_way || !cancels_) return;
  body_.cancel(self_, s.under_way->ticket);
  s.under_way.reset();
}

void Node::name_changes(const View& before) {
  const View& now = star_->view;
  const auto name = [&](NodeId peer, bool in_force) {
    if (peer != self_) body_.edge_changed(self_, peer, in_force, now.from);
  };
  if (now.hub != self_) {  // it knows of its hub alone
    if (before.hub == now.hub) return;
    name(before.hub, false);
    return name(now.hub, true);
  }
  for (const NodeId peer : before.members) {
    if (!now.has(peer)) name(peer, false);
  }
  for (const NodeId peer : now.members) {
    if (!before.has(peer)) name(peer, true);
  }
}

// A fresh instance of the algorithm, from x on.
void Node::begin_view(SharedBuffer x) {
  StarSide& s = *star_;
  const NodeState& whole = s.whole;
  const auto members = static_cast<uint32_t>(s.view.members.size());
  const double done = static_cast<double>(s.view.from) / static_cast<double>(whole.rounds);
  std::shared_ptr<const Graph> star = make_graph("star", members, whole.seed, {});
  s.mixing = make_mixing(default_mixing(*star), star);
  s.optimizer = *whole.optimizer;
  s.optimizer.schedule.done = done;
  s.first_batch = s.settled;
  s.first_ticket = s.last_ticket;
  state_.self = s.view.rank_of(self_);
  state_.nodes = members;
  state_.seed = Rng(whole.seed, NodeId{0}, Purpose::kView, s.view.number).next();
  state_.rounds = whole.rounds - s.view.from;
  state_.total_batches = static_cast<uint64_t>(
      std::max(1.0, std::round(static_cast<double>(whole.total_batches) * (1 - done))));
  // So that each round which the run reports is among those of the view.
  state_.report_every = std::gcd(whole.report_every, s.view.from);
  state_.mixing = s.mixing.get();
  state_.warm_up = nullptr;
  state_.optimizer = &s.optimizer;
  state_.parameters = std::move(x);
  state_.round = 0;
  if (state_.adversary != nullptr) reported_ = state_.parameters;
  s.seen = s.view.from;
  s.seen_at = state_.now;
  s.due = state_.now + s.usual;
  algorithm_ = make_algorithm(s.algorithm, state_, options_within(s.algorithm, s.options, s.view));
  if (leads()) announce();
  if (const Status status = step(Start{}); !status.ok()) refuse(status);
}

}  // namespace kith
