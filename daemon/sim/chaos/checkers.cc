#include "daemon/sim/chaos/checkers.h"

#include <algorithm>
#include <cstdio>

#include "protocol/kernels.h"
#include "protocol/limits.h"

namespace kith::chaos {

namespace {

// Vectors that a node keeps beside messages, by any algorithm: its own few, and copies of its
// neighbours' (choco-sgd, beer, scaffold's hub).
constexpr size_t kVectors = 64;
constexpr size_t kVectorsOfEdge = 8;
// A payload may be longer than its vector by a codec's own header, and blocks are rounded up.
constexpr size_t kMostBlock = 256;
// Sixteen nodes that ask each other every 20 ms for two minutes come to half as many.
constexpr uint64_t kMostIdle = 1'000'000;

std::string node_text(NodeId node) { return "node " + std::to_string(index_of(node)); }

}  // namespace

Promises promises_of(const Plan& plan, bool watched) {
  Promises promises{.nodes = plan.nodes, .hears = {}, .watched = watched};
  promises.hears.resize(plan.nodes);
  const AlgorithmInfo& info = *plan.algorithm;
  promises.views = plan.goes_on && info.needs.star;
  const bool lockstep =
      info.synchronous && !info.central && info.weights == nullptr && plan.graph->period() == 1;
  if (info.rounds_late != nullptr) {
    promises.lead += info.rounds_late(plan.job.algorithm.options);
  }
  size_t edges = 0;
  std::vector<NodeId> peers;
  for (uint32_t i = 0; i < plan.nodes; ++i) {
    peers.clear();
    plan.graph->in(NodeId{i}, 0, peers);
    edges += peers.size();
    if (lockstep) promises.hears[i] = peers;
  }
  const size_t block = 2 * plan.dimension * sizeof(float) + kMostBlock;
  const size_t of_edge = plan.repair_depth() + limits::kRoundsAhead * info.messages_per_round +
                         limits::kQueuedMessages + kVectorsOfEdge;
  promises.most_bytes = block * (plan.nodes * kVectors + edges * of_edge) + kMostBlock * plan.nodes;
  return promises;
}

Checkers::Checkers(Promises promises, SumRules sums, Time faults_end)
    : promises_(std::move(promises)),
      sums_(std::move(sums), promises_.nodes),
      machines_(promises_.nodes),
      faults_end_(faults_end) {}

void Checkers::all_went_back() {
  round_at_end_ = 0;
  for (Machine& machine : machines_) machine.alone = false;
}

bool Checkers::untouched() const {
  return untouched_ && std::ranges::none_of(machines_, &Machine::alone);
}

void Checkers::stepped(const Glimpse& glimpse) {
  now_ = glimpse.now;
  if (!finding_.empty()) return;
  Machine& machine = machines_[index_of(glimpse.node)];
  check_rounds(glimpse, machine);
  idle_ = glimpse.round > machine.round ? 0 : idle_ + 1;
  machine.round = glimpse.round;
  machine.anew = false;
  if (machine.alone) untouched_ = false;  // it has started again, and not all with it
  if (now_ <= faults_end_) round_at_end_ = std::max(round_at_end_, glimpse.round);
  check_lead(glimpse);
  check_progress(glimpse);
  check_numbers(glimpse, machine);
  machine.finished = glimpse.finished;
  check_counters(glimpse, machine);
  if (glimpse.live_bytes > promises_.most_bytes) {
    find(glimpse, "holds vectors of " + std::to_string(glimpse.live_bytes) + " bytes with all " +
                      "the others, and " + std::to_string(promises_.most_bytes) +
                      " are the most that they may need");
  }
}

void Checkers::check_rounds(const Glimpse& glimpse, const Machine& machine) {
  if (glimpse.round < machine.round && !machine.anew && !promises_.views) {
    find(glimpse, "fell back from round " + std::to_string(machine.round) + " to " +
                      std::to_string(glimpse.round));
  }
  if (!machine.finished) return;
  if (!glimpse.finished) find(glimpse, "was done, and is not any more");
  if (glimpse.parameters.data() != machine.parameters) find(glimpse, "moved when it was done");
}

void Checkers::check_lead(const Glimpse& glimpse) {
  for (const NodeId peer : promises_.hears[index_of(glimpse.node)]) {
    const Round other = machines_[index_of(peer)].round;
    if (other + promises_.lead >= glimpse.round) continue;
    const Edge here = edge(glimpse.node, peer);
    // What is combined late is not of the contract yet.
    if (!here.in_force || glimpse.round < here.from + promises_.lead) continue;
    if (edge(peer, glimpse.node) != here) continue;
    find(glimpse, "is in round " + std::to_string(glimpse.round) + ", more than " +
                      std::to_string(promises_.lead) + " ahead of " + node_text(peer) +
                      ", which it waits for, in " + std::to_string(other));
  }
}

void Checkers::check_progress(const Glimpse& glimpse) {
  if (idle_ > kMostIdle) {
    stuck_ = finding_.empty();
    find(glimpse, "is one of those among whom nobody has ended a round in " +
                      std::to_string(kMostIdle) + " events");
  }
  if (glimpse.finished || !promises_.watched) return;
  const bool own_timer = glimpse.timers > 1 || promises_.views;
  if (glimpse.timers > 0 && (glimpse.computing || own_timer || !glimpse.waits_for.empty())) return;
  stuck_ = finding_.empty();
  find(glimpse, glimpse.timers == 0 ? "has no timer pending, and is not done"
                                    : "neither computes nor waits for anybody, and is not done");
}

void Checkers::check_numbers(const Glimpse& glimpse, Machine& machine) {
  if (glimpse.parameters.data() == machine.parameters) return;
  machine.parameters = glimpse.parameters.data();
  if (!kernels::all_finite(glimpse.parameters)) find(glimpse, "holds a number that is not finite");
}

void Checkers::check_counters(const Glimpse& glimpse, Machine& machine) {
  sent_ += glimpse.messages_sent - machine.sent;
  received_ += glimpse.messages_received - machine.received;
  machine.sent = glimpse.messages_sent;
  machine.received = glimpse.messages_received;
  if (received_ <= sent_ + glimpse.messages_doubled) return;
  find(glimpse, "received one more than the " + std::to_string(sent_) + " messages sent and " +
                    std::to_string(glimpse.messages_doubled) + " doubled");
}

void Checkers::began_again(const Glimpse& glimpse) {
  Machine& machine = machines_[index_of(glimpse.node)];
  machine.round = glimpse.round;
  machine.finished = false;
  machine.anew = true;
  machine.parameters = nullptr;
  machine.sent = glimpse.messages_sent;
  machine.received = glimpse.messages_received;
  machine.edges.clear();
  // What was agreed upon for a later round when the state was kept holds again, and is not told.
  if (!untouched_) {
    const Round agreed = glimpse.round + limits::kRoundsAhead;
    for (const NodeId peer : promises_.hears[index_of(glimpse.node)]) {
      machine.edges[peer] = {.in_force = true, .from = agreed};
    }
  }
  for (const NodeId peer : glimpse.left) machine.edges[peer] = {.in_force = false};
}

void Checkers::crashed(NodeId node) {
  Machine& machine = machines_[index_of(node)];
  machine.edges.clear();
  machine.alone = true;
}

void Checkers::edge_changed(NodeId node, NodeId peer, bool in_force, Round round) {
  if (!in_force) untouched_ = false;
  machines_[index_of(node)].edges[peer] = {in_force, in_force ? round : 0};
}

void Checkers::checkpoint(NodeId node, const Checkpoint& checkpoint) {
  if (!finding_.empty() || !untouched_ || checkpoint.last != checkpoint.round) return;
  const std::string wrong = sums_.add(node, checkpoint);
  if (!wrong.empty()) finding_ = "round " + std::to_string(checkpoint.round) + ": " + wrong;
}

Checkers::Edge Checkers::edge(NodeId node, NodeId peer) const {
  const Machine& machine = machines_[index_of(node)];
  const auto found = machine.edges.find(peer);
  if (found != machine.edges.end()) return found->second;
  return {.in_force = !machine.alone};
}

void Checkers::find(const Glimpse& glimpse, const std::string& what) {
  if (!finding_.empty()) return;
  char time[32];
  std::snprintf(time, sizeof(time), "%.6f s: ", seconds(glimpse.now));
  finding_ = time + node_text(glimpse.node) + " " + what;
}

}  // namespace kith::chaos
