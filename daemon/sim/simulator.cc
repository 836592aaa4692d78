#include "daemon/sim/simulator.h"

#include <algorithm>
#include <deque>
#include <thread>

#include "daemon/job_timing.h"
#include "daemon/plan.h"
#include "daemon/sim/collector.h"
#include "daemon/sim/damage.h"
#include "daemon/sim/disks.h"
#include "daemon/sim/event_queue.h"
#include "daemon/sim/faulty_lines.h"
#include "daemon/sim/observer.h"
#include "daemon/sim/simulated_learner.h"
#include "daemon/sim/virtual_coding.h"
#include "daemon/sim/virtual_timers.h"
#include "protocol/wire.h"
#include "topology/assert.h"
#include "topology/prefetch.h"

namespace kith {

namespace {

// Floats of parameters times samples below which handing work to another thread costs more than it
// saves.
constexpr size_t kWorthAThread = 100'000;
constexpr uint64_t kEventsBetweenCancelChecks = 1024;

unsigned thread_count(const SimulationSettings& settings, const Job& job, const Model& model) {
  if (model.parameters() * job.train.batch.size < kWorthAThread) return 1;
  if (settings.threads > 0) return settings.threads;
  return std::max(1u, std::thread::hardware_concurrency());
}

// Rows of `train` by node; none in the laboratory.
std::vector<Shard> make_shards(const Plan& plan, const std::shared_ptr<const Dataset>& train) {
  if (!train) return std::vector<Shard>(plan.nodes);
  return partition(train->labels(), train->classes(), plan.job.data.partition, plan.nodes,
                   plan.job.seed);
}

std::vector<Trainer> make_trainers(const Plan& plan, const Model& model,
                                   const std::shared_ptr<const Dataset>& train,
                                   const std::vector<Shard>& shards) {
  std::vector<Trainer> trainers;
  trainers.reserve(plan.nodes);
  for (uint32_t i = 0; i < plan.nodes; ++i) {
    trainers.emplace_back(plan.trainer(NodeId{i}, model, train, shards[i]));
  }
  return trainers;
}

class Simulator final : public Body {
 public:
  Simulator(Plan& plan, const Model& model, const std::shared_ptr<const Dataset>& train,
            const std::vector<Shard>& shards, const SimulationSettings& settings)
      : plan_(plan),
        settings_(settings),
        timing_(make_timing(plan.job.delays)),
        coding_(plan.job.delays.encode, plan.job.delays.decode),
        faults_(plan.nodes),
        lines_(faults_, settings.faults.empty() ? 0 : plan.nodes, plan.job.seed),
        disks_(plan.nodes, settings.faults.empty() ? 0 : plan.rounds_apart()),
        sleepers_(settings.faults.empty() ? 0 : plan.nodes),
        free_at_(plan.nodes),
        learner_(make_trainers(plan, model, train, shards), thread_count(settings, plan.job, model),
                 pool_),
        collector_(plan.reporters(), plan.dimension, settings.average_in_reports),
        initial_(initial_parameters(plan.job, model, pool_)),
        model_(model),
        train_(train),
        shards_(shards),
        tickets_(plan.nodes),
        lives_(plan.nodes),
        timers_(plan.nodes),
        loss_(plan.nodes),
        finished_(plan.nodes),
        working_(plan.nodes) {
    if (coding_.costs()) plan.measure_coding(coding_);
    const bool repairs = plan.job.delays.loss > 0 || !settings.faults.empty();
    repair_.depth = repairs ? plan.repair_depth() : 0;
    repair_.leaves = repairs && plan.goes_on;
    if (repair_.leaves && plan.algorithm->needs.star) repair_.silence = std::chrono::seconds(1);
    for (uint32_t i = 0; i < plan.nodes; ++i) {
      const NodeId id{i};
      delays_.push_back(timing_.delays_of(id, plan.job.seed));
      links_.emplace_back(timing_.link, plan.job.seed, id);
      nodes_.emplace_back(state_of(id), *plan.algorithm, plan.job.algorithm.options, repair_,
                          *this);
      if (plan.nodes <= kLedgers) nodes_.back().keep_ledger();
    }
  }

  SimulationResult run() {
    begin();
    while (!over()) {
      if (goes_wrong_next()) {
        go_wrong(settings_.faults[next_fault_++]);
        continue;
      }
      EventQueue::Item item = queue_.pop();
      now_ = item.at;
      look_ahead();
      deliver(item.node, std::move(item.event));
      if (++events_ % kEventsBetweenCancelChecks == 0 && settings_.cancelled) {
        cancelled_ = settings_.cancelled();
      }
    }
    return result();
  }

  void send(Message&& message) override {
    OutgoingLink& link = links_[index_of(message.from)];
    const std::optional<Time> at = link.arrival(wire_size(message), acts_at());
    if (!at) return;
    if (!settings_.faults.empty()) return pass(std::move(message), *at);
    const NodeId to = message.to;
    queue_.push(*at, to, Received{std::move(message)});
  }

  void compute(NodeId node, Compute&& work) override {
    Duration takes = delays_[index_of(node)].next(work.steps);
    if (!settings_.faults.empty()) takes = times(takes, faults_.of(node).slow);
    KITH_ASSERT(tickets_[index_of(node)] == kNoTicket);
    const uint64_t ticket = ticket_of(node, work.ticket);
    tickets_[index_of(node)] = ticket;
    queue_.push(acts_at() + takes, node, Computed{.ticket = ticket, .result = {}});
    learner_.start(node, std::move(work));
  }

  void cancel(NodeId node, uint64_t ticket) override {
    if (tickets_[index_of(node)] != ticket_of(node, ticket)) return;
    learner_.cancel(node);
    tickets_[index_of(node)] = kNoTicket;
  }

  void set_timer(NodeId node, TimerId id, Duration after) override {
    if (!settings_.faults.empty()) after = times(after, faults_.of(node).skew);
    const Time due = acts_at() + after;
    timers_.set(node, id, due);
    queue_.push(due, node, TimerFired{id});
  }

  void report(NodeId node, Report&& report) override {
    loss_[index_of(node)] = report.loss;
    SimulationReport gathered;
    if (!settings_.on_report || !plan_.reports(report.round)) return;
    if (!collector_.add(report, acts_at(), nodes_[index_of(node)].counters().bytes_sent, gathered))
      return;
    uint64_t bytes = 0;
    for (const Node& each : nodes_) bytes += each.counters().bytes_sent;
    gathered.bytes_sent_per_node = static_cast<double>(bytes) / plan_.nodes;
    settings_.on_report(gathered);
  }

  void finish(NodeId node, Finish finish) override {
    finished_[index_of(node)] = true;
    --working_;
    end_ = std::max(end_, acts_at());
    if (finish.why == Finish::Why::kDiverged) diverged_ = true;
  }

  void checkpoint(NodeId node, Checkpoint&& checkpoint) override {
    if (settings_.observer != nullptr) settings_.observer->checkpoint(node, checkpoint);
    if ((!settings_.on_checkpoint && settings_.faults.empty()) || faults_.of(node).full_disk) {
      return;
    }
    learner_.persist(node, *checkpoint.state);
    if (!settings_.faults.empty()) disks_.keep(node, checkpoint);
    if (settings_.on_checkpoint) settings_.on_checkpoint(node, std::move(checkpoint));
  }

  void edge_changed(NodeId node, NodeId peer, bool in_force, Round round) override {
    if (settings_.observer != nullptr) {
      settings_.observer->edge_changed(node, peer, in_force, round);
    }
  }
  void peer_silent(NodeId, NodeId, Duration) override {}

 private:
  static constexpr uint64_t kNoTicket = 0;

  void begin() {
    for (uint32_t i = 0; i < settings_.resume.size(); ++i) {
      restore(NodeId{i}, *settings_.resume[i]);
      now_ = std::max(now_, nodes_[i].state().now);
    }
    const bool resumes = !settings_.resume.empty();
    for (uint32_t i = 0; i < plan_.nodes; ++i) {
      queue_.push(now_, NodeId{i}, resumes ? Event(Resume{}) : Event(Start{}));
    }
  }

  void restore(NodeId id, Archive& archive) {
    const Status status = nodes_[index_of(id)].restore(archive);
    KITH_ASSERT(status.ok());
    learner_.persist(id, archive);
    KITH_ASSERT(archive.ok());
  }

  // Nobody works, and nobody will again.
  bool over() const {
    if (diverged_ || cancelled_) return true;
    const auto comes_back = [&](const Fault& fault) {
      return fault.kind == Fault::Kind::kGoBack
                 ? faults_.any_down()
                 : fault.kind == Fault::Kind::kRestart && faults_.down(fault.node);
    };
    const std::span<const Fault> faults(settings_.faults);
    if (working_ == 0) return std::ranges::none_of(faults.subspan(next_fault_), comes_back);
    return queue_.empty() && next_fault_ == faults.size();
  }

  NodeState state_of(NodeId id) {
    return plan_.node_state(id, shards_[index_of(id)].size(), initial_, pool_);
  }

  // Of a machine that has died `lives_` times: what it was computing is of no use to it now.
  uint64_t ticket_of(NodeId node, uint64_t ticket) const {
    constexpr int kTicketBits = 48;
    return ticket + (uint64_t{lives_[index_of(node)]} << kTicketBits);
  }

  // ---- faults ----

  static Duration times(Duration duration, double factor) {
    return factor == 1 ? duration : bounded_seconds(seconds(duration) * factor);
  }

  bool goes_wrong_next() const {
    if (next_fault_ == settings_.faults.size()) return false;
    return queue_.empty() || settings_.faults[next_fault_].at <= queue_.next_at();
  }

  void go_wrong(const Fault& fault) {
    now_ = std::max(now_, fault.at);
    const bool was_down = faults_.down(fault.node);
    if (fault.kind == Fault::Kind::kGoBack) go_back();
    faults_.apply(fault);
    if (fault.kind == Fault::Kind::kCrash && !was_down) die(fault.node);
    if (fault.kind == Fault::Kind::kRestart && was_down) {
      start_again(fault.node);
      // Before anything that was on its way to the life before, and is here at this very moment.
      deliver(fault.node, repair_.leaves ? Event(Return{}) : Event(Start{}));
    }
    if (fault.kind == Fault::Kind::kWake) wake(fault.node);
  }

  void pass(Message&& message, Time at) {
    const NodeId to = message.to;
    const FaultyLines::Passage passage =
        lines_.pass(message.from, to, at, [&](Rng& rng) { return damage(message, rng, pool_); });
    if (!passage.refused.ok() && !faults_.down(to)) nodes_[index_of(to)].refuse(passage.refused);
    if (passage.again) queue_.push(*passage.again, to, Received{message});
    if (passage.arrives) queue_.push(*passage.arrives, to, Received{std::move(message)});
  }

  void die(NodeId id) {
    const uint32_t i = index_of(id);
    ++lives_[i];
    tickets_[i] = kNoTicket;
    timers_.clear(id);
    sleepers_[i].clear();
    learner_.replace(id, Trainer(plan_.trainer(id, model_, train_, shards_[i])));
    if (!finished_[i]) --working_;
    if (settings_.observer != nullptr) settings_.observer->crashed(id);
  }

  // With `kept`, from that.
  void start_again(NodeId id, Archive* kept = nullptr) {
    Node& node = nodes_[index_of(id)];
    std::destroy_at(&node);
    std::construct_at(&node, state_of(id), *plan_.algorithm, plan_.job.algorithm.options, repair_,
                      *this);
    if (plan_.nodes <= kLedgers) node.keep_ledger();
    if (kept != nullptr) restore(id, *kept);
    finished_[index_of(id)] = false;
    free_at_[index_of(id)] = {};
    ++working_;
    if (settings_.observer != nullptr) tell_of_new_life(id);
  }

  void tell_of_new_life(NodeId id) {
    std::vector<NodeId> left;
    for (uint32_t i = 0; i < plan_.nodes; ++i) {
      if (nodes_[index_of(id)].has_left(NodeId{i})) left.push_back(NodeId{i});
    }
    Glimpse glimpse = glimpse_of(id);
    glimpse.left = left;
    settings_.observer->began_again(glimpse);
  }

  // What is on its way belongs to the run that is over, and would be refused.
  void go_back() {
    queue_ = EventQueue();
    const std::vector<std::shared_ptr<Archive>> kept = disks_.fitting(plan_.dimension, pool_);
    for (uint32_t i = 0; i < plan_.nodes; ++i) {
      const NodeId id{i};
      if (!faults_.down(id)) die(id);
      start_again(id, kept.empty() ? nullptr : kept[i].get());
      queue_.push(now_, id, kept.empty() ? Event(Start{}) : Event(Resume{}));
    }
    if (settings_.observer != nullptr) settings_.observer->all_went_back();
  }

  void wake(NodeId id) {
    std::vector<Event> events = std::move(sleepers_[index_of(id)]);
    sleepers_[index_of(id)].clear();
    for (Event& event : events) {
      if (const auto* timer = std::get_if<TimerFired>(&event)) timers_.set(id, timer->id, now_);
      queue_.push(now_, id, std::move(event));
    }
  }

  // True where the machine does not take it.
  bool out_of_order(NodeId id, Event& event) {
    if (faults_.down(id)) return true;
    if (!faults_.asleep(id)) return false;
    const auto* timer = std::get_if<TimerFired>(&event);
    if (timer == nullptr || timers_.take(id, timer->id, now_))
      sleepers_[index_of(id)].push_back(std::move(event));
    return true;
  }

  // Each step finds its way by what the one before it has brought nearer.
  void look_ahead() const {
    constexpr size_t kNode = 12;
    constexpr size_t kWithin = 8;
    constexpr size_t kBelow = 4;
    static_assert(kNode < EventQueue::kAhead);
    if (const auto coming = queue_.coming(kNode)) {
      prefetch_object(*coming.event);
      nodes_[index_of(coming.node)].prefetch();
    }
    if (const auto coming = queue_.coming(kWithin)) {
      nodes_[index_of(coming.node)].prefetch_algorithm();
      if (std::holds_alternative<Computed>(*coming.event)) learner_.prefetch(coming.node);
    }
    if (const auto coming = queue_.coming(kBelow)) nodes_[index_of(coming.node)].prefetch_below();
  }

  // What a node does it does when it has coded what there was to code.
  Time acts_at() const { return now_ + coding_.spent(); }

  // True where the node is still coding: the event comes to it again when it has done so.
  bool put_off(NodeId id, Event& event) {
    const Time free_at = free_at_[index_of(id)];
    if (now_ >= free_at) return false;
    if (const auto* timer = std::get_if<TimerFired>(&event)) {
      if (!timers_.due(id, timer->id, now_)) return true;  // moved
      timers_.set(id, timer->id, free_at);
    }
    queue_.push(free_at, id, std::move(event));
    return true;
  }

  void deliver(NodeId id, Event&& event) {
    if (!settings_.faults.empty() && out_of_order(id, event)) return;
    if (coding_.costs() && put_off(id, event)) return;
    if (auto* computed = std::get_if<Computed>(&event)) {
      if (tickets_[index_of(id)] != computed->ticket) return;  // cancelled
      tickets_[index_of(id)] = kNoTicket;
      *computed = learner_.take(id);
    }
    if (const auto* timer = std::get_if<TimerFired>(&event)) {
      if (!timers_.take(id, timer->id, now_)) return;  // moved
    }
    Node& node = nodes_[index_of(id)];
    coding_.begin_step(node);
    node.handle(std::move(event), now_);
    if (coding_.costs()) free_at_[index_of(id)] = acts_at();
    if (settings_.observer != nullptr) settings_.observer->stepped(glimpse_of(id));
  }

  // Until the next one.
  Glimpse glimpse_of(NodeId id) {
    const Node& node = nodes_[index_of(id)];
    waits_for_.clear();
    node.waiting_for(waits_for_);
    return {.node = id,
            .now = now_,
            .round = node.round(),
            .finished = node.finished(),
            .computing = tickets_[index_of(id)] != kNoTicket,
            .timers = timers_.pending(id),
            .waits_for = waits_for_,
            .left = {},
            .parameters = node.state().parameters.floats(),
            .messages_sent = node.counters().messages_sent,
            .messages_received = node.counters().messages_received,
            .messages_doubled = lines_.doubled(),
            .live_bytes = pool_.live_bytes()};
  }

  // Of a star the one that ended the run; node 0 where there is none.
  const Node& hub() const {
    const auto ended = [](const Node& node) { return node.leads() && node.finished(); };
    const auto found = std::ranges::find_if(nodes_, ended);
    return found != nodes_.end() ? *found : nodes_.front();
  }

  SimulationResult result() {
    SimulationResult result{.parameters = {},
                            .loss = std::move(loss_),
                            .counters = {},
                            .edges = {},
                            .finished = finished_,
                            .measures = hub().measures(),
                            .end = std::max(now_, end_),
                            .events = events_,
                            .rounds = plan_.rounds,
                            .diverged = diverged_,
                            .cancelled = cancelled_};
    for (size_t i = 1; !plan_.algorithm->central && i < nodes_.size(); ++i) {
      result.measures.add(nodes_[i].measures());
    }
    for (const Node& node : nodes_) {
      result.parameters.push_back(node.state().parameters);
      result.counters.push_back(node.counters());
      if (plan_.nodes <= kLedgers)
        result.edges.emplace_back(node.edges().begin(), node.edges().end());
      result.rounds = std::min(result.rounds, node.round());
    }
    KITH_ASSERT(diverged_ || cancelled_ || working_ == 0);  // no deadlock
    return result;
  }

  const Plan& plan_;
  const SimulationSettings& settings_;
  Pool pool_;
  Time now_{};
  Time end_{};  // when the last node so far was done
  EventQueue queue_;
  const JobTiming timing_;
  VirtualCoding coding_;
  RepairPolicy repair_;
  FaultState faults_;
  FaultyLines lines_;
  Disks disks_;
  size_t next_fault_ = 0;
  std::vector<std::vector<Event>> sleepers_;  // by node: what came while it slept
  std::vector<Time> free_at_;                 // by node: has coded what there was
  std::vector<ComputeDelays> delays_;         // by node
  std::vector<OutgoingLink> links_;           // by node
  SimulatedLearner learner_;
  Collector collector_;
  const SharedBuffer initial_;  // x_0
  const Model& model_;
  const std::shared_ptr<const Dataset> train_;
  const std::vector<Shard>& shards_;
  std::deque<Node> nodes_;         // stable addresses
  std::vector<uint64_t> tickets_;  // of the work under way, by node
  std::vector<uint32_t> lives_;    // ended, by node
  VirtualTimers timers_;
  std::vector<double> loss_;
  std::vector<NodeId> waits_for_;  // scratch, kept for its capacity
  std::vector<bool> finished_;     // by node
  uint32_t working_;               // nodes that are neither finished nor down
  uint64_t events_ = 0;
  bool diverged_ = false;
  bool cancelled_ = false;
};

}  // namespace

SimulationResult simulate(const Job& job, uint32_t nodes, const Model& model,
                          std::shared_ptr<const Dataset> train,
                          const SimulationSettings& settings) {
  const double rows_per_node = train ? static_cast<double>(train->rows()) / nodes : 0;
  Plan plan = make_plan(job, nodes, model, rows_per_node);
  return Simulator(plan, model, train, make_shards(plan, train), settings).run();
}

}  // namespace kith
