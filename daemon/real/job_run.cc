#include "daemon/real/job_run.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "daemon/real/introduction.h"
#include "protocol/coordinator/hub.h"
#include "protocol/limits.h"

namespace kith {

namespace {

double unix_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

control::EdgeTraffic traffic_of(const EdgeCounters& edge) {
  return {.peer = index_of(edge.peer),
          .messages_sent = edge.messages_sent,
          .messages_received = edge.messages_received,
          .bytes_sent = edge.bytes_sent,
          .bytes_received = edge.bytes_received,
          .payload_bytes_sent = edge.payload_bytes_sent,
          .uncompressed_bytes_sent = edge.uncompressed_bytes_sent,
          .decode_seconds = seconds(edge.decoding),
          .repairs_requested = edge.repairs_requested};
}

RepairPolicy repair_policy(const Plan& plan) {
  RepairPolicy policy;
  policy.depth = plan.repair_depth();
  policy.floor = std::chrono::milliseconds(100);  // a busy machine is late, not lossy
  policy.ceiling = std::chrono::seconds(1);       // so that a silent peer is named within seconds
  policy.leaves = plan.goes_on;
  // Then a round in which a peer dies takes 1.3 s where one takes some hundredths else; one in
  // which two die one after the other less than 3 s.
  if (policy.leaves) {
    policy.silence = std::chrono::seconds(1);
    policy.floor = policy.silence / 16;
  }
  return policy;
}

std::optional<ComputeDelays> injected_delays(const LoadedJob& loaded) {
  if (!loaded.injected) return std::nullopt;
  return loaded.injected->delays_of(loaded.membership.self, loaded.plan.job.seed);
}

SharedBuffer block_of(const std::string& text, Pool& pool) {
  if (text.empty()) return {};
  Buffer block = pool.acquire(text.size());
  std::memcpy(block.data(), text.data(), text.size());
  return std::move(block).freeze();
}

std::unique_ptr<Meeting> meeting_of(LoadedJob& loaded) {
  const NodeId self = loaded.membership.self;
  const Plan& plan = loaded.plan;
  const auto unix_ns = std::chrono::system_clock::now().time_since_epoch().count();
  const uint64_t life = life_of(loaded.start.generation, static_cast<uint64_t>(unix_ns));
  if (loaded.start.generation == 0) {
    return std::make_unique<FirstMeeting>(
        self, loaded.neighbors, life, plan.goes_on,
        block_of(introduction_of(loaded.start.request, loaded.data), loaded.pool));
  }
  ResumeMeeting::Run run{plan.nodes, plan.goes_on, loaded.kept};
  // Where the result depends on time each goes on from what it has; but a hub leads its workers.
  const bool leads = plan.algorithm->central && self == kHub;
  for (Restart& entry : run.entries) entry.last = leads ? entry.round : entry.last;
  return std::make_unique<ResumeMeeting>(self, loaded.neighbors, life, run, loaded.pool);
}

std::string listed(const std::vector<NodeId>& nodes) {
  std::string text;
  for (const NodeId node : nodes) {
    if (!text.empty()) text += ' ';
    text += std::to_string(index_of(node));
  }
  return text;
}

}  // namespace

JobRun::JobRun(Loop& loop, Workers& workers, ZmqTransport& transport, Log& log,
               Checkpoints* checkpoints, std::shared_ptr<LoadedJob> loaded, GoOn go_on)
    : loop_(loop),
      transport_(transport),
      log_(log),
      loaded_(std::move(loaded)),
      go_on_(std::move(go_on)),
      checkpoints_(checkpoints),
      batch_count_(checkpoints, plan()),
      meeting_(meeting_of(*loaded_)),
      meeting_timer_(loop.timer([this] { on_meeting_timer(); })),
      joined_(loop.now()),
      reports_(limits::kSnapshotBytes, limits::kReports),
      timers_(loop, [this](TimerId id) { handle(TimerFired{id}); }),
      compute_(loop, workers, loaded_, injected_delays(*loaded_),
               [this](Computed&& done) { handle(std::move(done)); }),
      stopwatch_(node_),
      node_(plan().node_state(self(), loaded_->shard ? loaded_->shard->rows() : 0, loaded_->initial,
                              loaded_->pool),
            *plan().algorithm, plan().job.algorithm.options, repair_policy(plan()), *this) {
  if (loaded_->injected && !loaded_->injected->link.ideal()) {
    link_ = std::make_unique<EmulatedLink>(loop, loaded_->injected->link, plan().job.seed, self(),
                                           [this](Message&& message) {
                                             hand_to_transport(message);
                                             watch_blocked();
                                           });
  }
  loaded_->plan.measure_coding(stopwatch_);
  node_.keep_ledger();
  transport_.join(loaded_->membership);
  // From the loop: a single node begins at once, and nothing may begin inside a constructor.
  meeting_timer_->arm(Duration::zero());
}

JobRun::~JobRun() {
  peers_.clear();  // watches the transport's descriptors
  transport_.leave();
}

void JobRun::handle(Event&& event) {
  node_.handle(std::move(event), now());
  watch_blocked();
}

// ---- the meeting ----

void JobRun::on_meeting_timer() {
  if (phase_ != control::Phase::kMeeting) return meet_again();
  std::vector<Message> questions;
  meeting_->ask(loop_.now() - joined_, questions);
  transmit(questions);
  begin_if_complete();
  if (phase_ == control::Phase::kMeeting) meeting_timer_->arm(meeting_->pause());
}

void JobRun::meet(const Message& message) {
  std::vector<Message> answers;
  if (meeting_->heard(message, node_.round(), answers)) {
    meeting_timer_->arm(meeting_->pause());
  }
  transmit(answers);
  if (meeting_->in_vain()) return start_again();
  begin_if_complete();
}

void JobRun::begin_if_complete() {
  if (phase_ != control::Phase::kMeeting || !meeting_->complete()) return;
  meeting_timer_->disarm();
  phase_ = control::Phase::kRunning;
  begun_ = loop_.now();
  unix_start_ = unix_now();
  begin();
  for (Message& message : std::exchange(early_, {})) {
    if (phase_ != control::Phase::kFailed) handle(Received{std::move(message)});
  }
}

void JobRun::begin() {
  const Round round = meeting_->round();
  const auto from = meeting_->late() ? std::nullopt : serving(loaded_->kept, round);
  const bool resumes = from && from->round > 0;
  node_.begin_contracts(meeting_->contract());
  if (!meeting_->late() && round > 0 && (!from || (resumes && !restore(*from)))) {
    return give_up("The checkpoint of round " + std::to_string(round) +
                   " cannot be read any more.");
  }
  node_.count_batches(batch_count_.begin(node_.counters().batches));
  log_.info("started", {{"job", plan().job.name},
                        {"round", std::to_string(node_.round())},
                        {"rounds", std::to_string(plan().rounds)},
                        {"neighbors", std::to_string(loaded_->neighbors.size())}});
  if (loaded_->injected) {
    log_.info("delays_injected", {{"delays", kith::describe(plan().job.delays)}});
  }
  if (plan().lies(self())) {
    log_.info("adversary", {{"sends", plan().job.adversary.kind}});
  }
  if (meeting_->late()) {
    handle(Return{});
    meeting_timer_->arm(ResumeMeeting::kPatience);
    return;
  }
  leave_absent();
  resumes ? handle(Resume{}) : handle(Start{});
}

void JobRun::leave_absent() {
  const std::vector<NodeId> absent = meeting_->absent();
  if (absent.empty()) return;
  log_.warning("goes_on_without", {{"peers", listed(absent)}});
  for (const NodeId peer : absent) {
    if (std::ranges::binary_search(loaded_->neighbors, peer)) handle(PeerLeft{peer});
  }
}

// Those who were in the run when this node came back have all left it before they told x.
void JobRun::meet_again() {
  if (phase_ == control::Phase::kRunning && node_.away()) start_again();
}

void JobRun::start_again() {
  RunStart again = loaded_->start;
  ++again.generation;
  loop_.post([go_on = go_on_, again = std::move(again)]() mutable { go_on(std::move(again)); });
}

// Time goes on as if the run had never stood still: what a crash costs counts.
bool JobRun::restore(const Restart& entry) {
  const std::unique_ptr<Archive> archive =
      checkpoints_->read(entry, plan().dimension, loaded_->pool);
  if (!archive || !node_.restore(*archive).ok()) return false;
  archive->number("unix_start", unix_start_);
  archive->number("last_loss", last_loss_);
  archive->part("reports", reports_);
  compute_.when_done([&archive](Trainer& trainer) { archive->part("learner", trainer); });
  if (!archive->ok()) return false;
  const Duration since = from_seconds(std::max(0.0, unix_now() - unix_start_));
  begun_ -= std::max(since, node_.state().now.time_since_epoch());
  return true;
}

void JobRun::give_up(const std::string& why) {
  phase_ = control::Phase::kFailed;
  error_ = why;
  log_.warning("cannot_go_on", {{"why", why}});
}

// The other refuses as well, and so must hear what data this node has.
void JobRun::refuse_data(NodeId peer, const std::string& theirs) {
  std::vector<Message> questions;
  meeting_->question(peer, questions);
  transmit(questions);
  if (phase_ != control::Phase::kMeeting) return;
  meeting_timer_->disarm();
  give_up("node " + std::to_string(index_of(self())) + " has data of " + loaded_->data +
          " and node " + std::to_string(index_of(peer)) + " at " + endpoint_of(peer) + " of " +
          theirs + ": one model cannot be trained on both.");
}

std::optional<uint32_t> JobRun::generation_of(const WireHeader& header) const {
  const uint64_t ahead = header.job - loaded_->membership.job;
  const uint64_t generation = loaded_->start.generation + ahead;
  if (checkpoints_ == nullptr || !plan().job.keeps_checkpoints() || plan().goes_on ||
      header.kind != kReady || header.to != self() || ahead == 0 ||
      generation >= limits::kGenerations ||
      !std::ranges::binary_search(loaded_->neighbors, header.from)) {
    return std::nullopt;
  }
  return static_cast<uint32_t>(generation);
}

Status JobRun::stranger(const WireHeader& header, std::span<const std::byte> body) {
  if (header.kind != kReady || header.to != self() ||
      !std::ranges::binary_search(loaded_->neighbors, header.from)) {
    return Reason::kWrongJob;
  }
  Peer& peer = peers_[header.from];
  if (peer.mismatch) return {};
  peer.mismatch = true;
  const std::string theirs = other_data(loaded_->start.request, loaded_->data, body);
  if (!theirs.empty()) {
    refuse_data(header.from, theirs);
    return {};
  }
  peer.difference = difference(loaded_->start.request, body);
  log_.warning("another_job", {{"peer", std::to_string(index_of(header.from))},
                               {"endpoint", endpoint_of(header.from)},
                               {"difference", peer.difference}});
  return {};
}

// ---- from the transport ----

void JobRun::message(Message&& message) {
  Peer& peer = peers_[message.from];
  peer.last_heard = loop_.now();
  peer.ever_heard = true;
  if (message.kind < kFirstNodeKind) peer.round = std::max(peer.round.value_or(0), message.round);
  if (peer.silent) {
    peer.silent = false;
    log_.info("peer_back", {{"peer", std::to_string(index_of(message.from))}});
  }
  if (message.kind == kReady) {
    meet(message);
  } else if (phase_ == control::Phase::kMeeting) {
    if (early_.size() < limits::kQueuedMessages * (1 + loaded_->neighbors.size())) {
      early_.push_back(std::move(message));
    } else {
      node_.refuse(Reason::kBackPressure);
    }
  } else {
    handle(Received{std::move(message)});
  }
}

// Of the meeting: no part of the training, so never on an emulated link.
void JobRun::transmit(std::vector<Message>& messages) {
  for (const Message& message : messages) hand_to_transport(message);
  messages.clear();
  watch_blocked();
}

void JobRun::hand_to_transport(const Message& message) {
  if (const Status status = transport_.send(message); !status.ok()) node_.refuse(status);
}

void JobRun::watch_blocked() {
  while (const auto blocked = transport_.take_blocked()) {
    peers_[blocked->peer].blocked = loop_.watch(blocked->fd, [this, peer = blocked->peer] {
      if (!transport_.flush(peer)) peers_[peer].blocked.reset();
    });
  }
}

// ---- Body ----

void JobRun::send(Message&& message) {
  if (!link_) return hand_to_transport(message);
  if (const Status status = link_->send(std::move(message)); !status.ok()) node_.refuse(status);
}

void JobRun::compute(NodeId, Compute&& work) {
  batch_count_.compute(work.steps);
  compute_.push(std::move(work));
}

void JobRun::cancel(NodeId, uint64_t ticket) { compute_.cancel(ticket); }
void JobRun::set_timer(NodeId, TimerId id, Duration after) { timers_.set(id, after); }

void JobRun::report(NodeId, Report&& report) {
  last_loss_ = report.loss;
  if (!plan().reports(report.round)) return;
  control::ReportEntry entry;
  entry.round = report.round;
  entry.loss = report.loss;
  entry.seconds = seconds(now());
  entry.unix_time = unix_now();
  entry.bytes_sent = node_.counters().bytes_sent;
  entry.bytes_received = node_.counters().bytes_received;
  entry.disagreement = report.disagreement;
  reports_.add(entry, std::move(report.parameters));
  if (log_.wants(Log::Level::kInfo)) {
    log_.info("report", {{"round", std::to_string(entry.round)},
                         {"loss", number(entry.loss)},
                         {"seconds", number(entry.seconds)}});
  }
}

void JobRun::finish(NodeId, Finish finish) {
  training_ = now().time_since_epoch();
  const bool done = finish.why == Finish::Why::kDone;
  phase_ = done ? control::Phase::kFinished : control::Phase::kDiverged;
  for (auto& [id, peer] : peers_) peer.silent = false;
  log_.info(done ? "finished" : "diverged",
            {{"round", std::to_string(finish.round)}, {"seconds", number(training_seconds())}});
}

void JobRun::checkpoint(NodeId, Checkpoint&& checkpoint) {
  checkpoint.state->number("unix_start", unix_start_);
  checkpoint.state->number("last_loss", last_loss_);
  checkpoint.state->part("reports", reports_);
  compute_.when_done([this, kept = std::move(checkpoint)](Trainer& trainer) mutable {
    kept.state->part("learner", trainer);
    checkpoints_->keep(std::move(kept));
  });
}

void JobRun::edge_changed(NodeId, NodeId peer, bool in_force, Round round) {
  log_.warning(in_force ? "peer_joined" : "peer_left", {{"peer", std::to_string(index_of(peer))},
                                                        {"endpoint", endpoint_of(peer)},
                                                        {"round", std::to_string(round)}});
}

void JobRun::peer_silent(NodeId, NodeId peer, Duration silence) {
  Peer& state = peers_[peer];
  if (state.silent) return;
  state.silent = true;
  if (!state.ever_heard) state.last_heard = loop_.now() - silence;
  log_.warning("peer_silent", {{"peer", std::to_string(index_of(peer))},
                               {"endpoint", endpoint_of(peer)},
                               {"seconds", number(seconds(silence))}});
}

// ---- for the client ----

std::string JobRun::endpoint_of(NodeId peer) const {
  const std::vector<PeerEndpoint>& peers = loaded_->membership.peers;
  const auto found = std::ranges::lower_bound(peers, peer, {}, &PeerEndpoint::node);
  return found != peers.end() && found->node == peer ? found->text : std::string();
}

double JobRun::training_seconds() const {
  if (phase_ == control::Phase::kMeeting) return 0;
  return phase_ == control::Phase::kRunning ? seconds(now()) : seconds(training_);
}

std::optional<ReportStore::Snapshot> JobRun::snapshot(std::optional<Round> round) const {
  if (round) return reports_.snapshot(round);
  return ReportStore::Snapshot{node_.round(), node_.state().parameters};
}

control::ProgressReply JobRun::progress() const {
  control::ProgressReply reply;
  reply.phase = phase_;
  reply.error = error_;
  reply.run = loaded_->start.request.run;
  reply.round = node_.round();
  reply.rounds = plan().rounds;
  reply.loss = last_loss_;
  reply.seconds = training_seconds();
  reply.unix_start = unix_start_;
  const NodeCounters& counters = node_.counters();
  reply.counters.messages_sent = counters.messages_sent;
  reply.counters.messages_received = counters.messages_received;
  reply.counters.bytes_sent = counters.bytes_sent;
  reply.counters.bytes_received = counters.bytes_received;
  reply.counters.payload_bytes_sent = counters.payload_bytes_sent;
  reply.counters.uncompressed_bytes_sent = counters.uncompressed_bytes_sent;
  reply.counters.repairs_requested = counters.repairs_requested;
  reply.counters.messages_resent = counters.messages_resent;
  reply.counters.batches = counters.batches;
  reply.counters.encode_seconds = seconds(counters.encoding);
  reply.counters.decode_seconds = seconds(counters.decoding);
  for (const EdgeCounters& edge : node_.edges()) reply.edges.push_back(traffic_of(edge));
  if (link_) reply.counters.messages_lost = link_->lost();
  reply.measures = node_.measures();
  for (size_t i = 1; i < counters.refused.size(); ++i) {
    if (counters.refused[i] == 0) continue;
    reply.counters.refused.emplace_back(reason_name(static_cast<Reason>(i)), counters.refused[i]);
  }
  for (const auto& [id, peer] : peers_) {
    if (!peer.silent) continue;
    reply.silent.push_back({index_of(id), endpoint_of(id), seconds(loop_.now() - peer.last_heard)});
  }
  if (phase_ == control::Phase::kMeeting) {
    for (const NodeId absent : meeting_->absent()) {
      reply.silent.push_back(
          {index_of(absent), endpoint_of(absent), seconds(loop_.now() - joined_)});
      const auto found = peers_.find(absent);
      if (found != peers_.end() && found->second.mismatch) {
        const std::string& difference = found->second.difference;
        reply.error = "Node " + std::to_string(index_of(absent)) + " (" + endpoint_of(absent) +
                      ") has another job or another run" +
                      (difference.empty() ? "" : " (" + difference + ")") +
                      "; stop it there first.";
      }
    }
  }
  reply.next_report = reports_.next();
  return reply;
}

void JobRun::describe(control::StatusReply& status) const {
  const Job& job = plan().job;
  status.pool_bytes = loaded_->pool.live_bytes() + loaded_->pool.cached_bytes();
  status.shard_bytes = loaded_->shard ? loaded_->shard->resident_bytes() : 0;
  status.shard_rows = loaded_->shard ? loaded_->shard->rows() : 0;
  status.data = loaded_->data;
  status.snapshot_bytes = reports_.bytes();
  status.job = job.name;
  status.model = job.model.kind;
  status.algorithm = job.algorithm.kind;
  status.graph = job.graph.kind;
  status.codec = codec_text(job);
  if (loaded_->injected) status.injected = kith::describe(job.delays);
  status.aggregate = job.aggregate.kind;
  if (plan().lies(self())) status.adversary = job.adversary.kind;
  if (plan().job.keeps_checkpoints()) status.checkpoint = checkpoints_->newest();
  status.node = index_of(self());
  status.nodes = plan().nodes;
  status.parameters = plan().dimension;
  for (const LinkState& link : transport_.links()) {
    control::PeerStatus peer;
    peer.node = index_of(link.peer);
    peer.endpoint = endpoint_of(link.peer);
    if (link.connected) peer.transport = link.ipc ? "ipc" : "tcp";
    peer.queued_bytes = link.queued_bytes;
    peer.left = node_.has_left(link.peer);
    const auto found = peers_.find(link.peer);
    const bool heard = found != peers_.end() && found->second.ever_heard;
    if (heard) peer.round = found->second.round;
    peer.silence = heard ? seconds(loop_.now() - found->second.last_heard) : -1;
    if (heard || link.connected) status.peers.push_back(std::move(peer));
  }
}

}  // namespace kith
