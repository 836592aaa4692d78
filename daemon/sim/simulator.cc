#include "daemon/sim/simulator.h"

#include <algorithm>
#include <deque>
#include <thread>

#include "daemon/job_timing.h"
#include "daemon/plan.h"
#include "daemon/sim/collector.h"
#include "daemon/sim/event_queue.h"
#include "daemon/sim/simulated_learner.h"
#include "daemon/sim/virtual_coding.h"
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
    while (something_comes() && working_ > 0 && !diverged_ && !cancelled_) {
      EventQueue::Item item = queue_.pop();
      now_ = item.at;
      go_wrong();
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
    const NodeId to = message.to;
    if (at && !faults_.cut(message.from, to)) queue_.push(*at, to, Received{std::move(message)});
  }

  void compute(NodeId node, Compute&& work) override {
    const Duration takes = delays_[index_of(node)].next(work.steps);
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
    std::vector<Timer>& timers = timers_[index_of(node)];
    const auto pending = std::ranges::find(timers, id, &Timer::id);
    const Time due = acts_at() + after;
    if (pending == timers.end()) {
      timers.push_back({id, due});
    } else {
      pending->due = due;
    }
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
    if (!settings_.on_checkpoint) return;
    learner_.persist(node, *checkpoint.state);
    settings_.on_checkpoint(node, std::move(checkpoint));
  }

  void edge_changed(NodeId, NodeId, bool, Round) override {}
  void peer_silent(NodeId, NodeId, Duration) override {}

 private:
  static constexpr uint64_t kNoTicket = 0;

  struct Timer {
    TimerId id;
    Time due;
  };

  void begin() {
    for (uint32_t i = 0; i < settings_.resume.size(); ++i) {
      Archive& archive = *settings_.resume[i];
      const Status status = nodes_[i].restore(archive);
      KITH_ASSERT(status.ok());
      learner_.persist(NodeId{i}, archive);
      KITH_ASSERT(archive.ok());
      now_ = std::max(now_, nodes_[i].state().now);
    }
    const bool resumes = !settings_.resume.empty();
    for (uint32_t i = 0; i < plan_.nodes; ++i) {
      queue_.push(now_, NodeId{i}, resumes ? Event(Resume{}) : Event(Start{}));
    }
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

  // Where nothing is under way a machine may still wake or start again.
  bool something_comes() {
    while (queue_.empty() && next_fault_ < settings_.faults.size()) {
      now_ = std::max(now_, settings_.faults[next_fault_].at);
      go_wrong();
    }
    return !queue_.empty();
  }

  void go_wrong() {
    for (; next_fault_ < settings_.faults.size(); ++next_fault_) {
      const Fault& fault = settings_.faults[next_fault_];
      if (fault.at > now_) return;
      const bool was_down = faults_.down(fault.node);
      faults_.apply(fault);
      if (fault.kind == Fault::Kind::kCrash && !was_down) die(fault.node);
      if (fault.kind == Fault::Kind::kRestart && was_down) start_again(fault.node);
      if (fault.kind == Fault::Kind::kWake) wake(fault.node);
    }
  }

  void die(NodeId id) {
    const uint32_t i = index_of(id);
    ++lives_[i];
    tickets_[i] = kNoTicket;
    timers_[i].clear();
    sleepers_[i].clear();
    learner_.replace(id, Trainer(plan_.trainer(id, model_, train_, shards_[i])));
    if (!finished_[i]) --working_;
  }

  void start_again(NodeId id) {
    Node& node = nodes_[index_of(id)];
    std::destroy_at(&node);
    std::construct_at(&node, state_of(id), *plan_.algorithm, plan_.job.algorithm.options, repair_,
                      *this);
    if (plan_.nodes <= kLedgers) node.keep_ledger();
    finished_[index_of(id)] = false;
    ++working_;
    queue_.push(now_, id, repair_.leaves ? Event(Return{}) : Event(Start{}));
  }

  void wake(NodeId id) {
    std::vector<Event> events = std::move(sleepers_[index_of(id)]);
    sleepers_[index_of(id)].clear();
    for (Event& event : events) {
      if (const auto* timer = std::get_if<TimerFired>(&event)) {
        timers_[index_of(id)].push_back({timer->id, now_});
      }
      queue_.push(now_, id, std::move(event));
    }
  }

  // True where the machine does not take it.
  bool out_of_order(NodeId id, Event& event) {
    if (faults_.down(id)) return true;
    if (!faults_.asleep(id)) return false;
    const auto* timer = std::get_if<TimerFired>(&event);
    if (timer == nullptr || due(id, timer->id)) sleepers_[index_of(id)].push_back(std::move(event));
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
      const auto pending = std::ranges::find(timers_[index_of(id)], timer->id, &Timer::id);
      if (pending == timers_[index_of(id)].end() || pending->due != now_) return true;  // moved
      pending->due = free_at;
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
    if (const auto* timer = std::get_if<TimerFired>(&event); timer && !due(id, timer->id)) return;
    Node& node = nodes_[index_of(id)];
    coding_.begin_step(node);
    node.handle(std::move(event), now_);
    if (coding_.costs()) free_at_[index_of(id)] = acts_at();
  }

  // False when the timer was moved after this event had been queued.
  bool due(NodeId node, TimerId id) {
    std::vector<Timer>& timers = timers_[index_of(node)];
    const auto pending = std::ranges::find(timers, id, &Timer::id);
    if (pending == timers.end() || pending->due != now_) return false;
    timers.erase(pending);
    return true;
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
  std::deque<Node> nodes_;                  // stable addresses
  std::vector<uint64_t> tickets_;           // of the work under way, by node
  std::vector<uint32_t> lives_;             // ended, by node
  std::vector<std::vector<Timer>> timers_;  // pending, by node
  std::vector<double> loss_;
  std::vector<bool> finished_;  // by node
  uint32_t working_;            // nodes that are neither finished nor down
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
