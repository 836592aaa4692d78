#include "client/run.h"

#include <fmt/format.h>

#include <cstdlib>
#include <numeric>
#include <thread>

#include "client/codec_trials.h"
#include "client/command/command.h"
#include "client/forecast.h"
#include "client/view/summary.h"
#include "client/view/units.h"
#include "daemon/job_timing.h"
#include "topology/error.h"

namespace kith {

namespace {

using control::Phase;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPoll{100};

// A local daemon's death is known at once by its process; on a crowded machine it may be slow.
constexpr milliseconds kLocalPatience{15000};  // for its first answer

constexpr double kSilenceTold = 3;     // s
constexpr uint32_t kMostRevived = 10;  // times each daemon without any progress in between

uint32_t nodes_of(const RunOptions& options) {
  const auto hosts = static_cast<uint32_t>(options.hosts.size());
  if (hosts == 0) return options.nodes;
  if (options.nodes == 0 || options.nodes == hosts) return hosts;
  throw OperatorError(
      fmt::format("-n is {}, but --hosts names {} daemons: leave -n out", options.nodes, hosts));
}

EdgeCounters counters_of(const control::EdgeTraffic& edge) {
  return {.peer = NodeId{edge.peer},
          .messages_sent = edge.messages_sent,
          .messages_received = edge.messages_received,
          .bytes_sent = edge.bytes_sent,
          .bytes_received = edge.bytes_received,
          .payload_bytes_sent = edge.payload_bytes_sent,
          .uncompressed_bytes_sent = edge.uncompressed_bytes_sent,
          .decoding = from_seconds(edge.decode_seconds)};
}

NodeOutcome outcome_of(const control::ProgressReply& reply, std::span<const float> parameters) {
  const control::Counters& counters = reply.counters;
  NodeOutcome outcome;
  outcome.parameters = parameters;
  outcome.rounds = reply.round;
  outcome.loss = reply.loss;
  outcome.batches = counters.batches;
  outcome.messages_sent = counters.messages_sent;
  outcome.messages_received = counters.messages_received;
  outcome.bytes_sent = counters.bytes_sent;
  outcome.bytes_received = counters.bytes_received;
  outcome.uncompressed_bytes_sent = counters.uncompressed_bytes_sent;
  outcome.messages_resent = counters.messages_resent;
  outcome.encode_seconds = counters.encode_seconds;
  outcome.decode_seconds = counters.decode_seconds;
  for (const control::EdgeTraffic& edge : reply.edges) outcome.edges.push_back(counters_of(edge));
  for (const auto& [reason, count] : counters.refused) outcome.refused += count;
  return outcome;
}

}  // namespace

Run::Run(const RunOptions& options)
    : options_(options),
      job_(load_job(options.path, options.set)),
      view_(options.json),
      tracker_(algorithm_info(job_.algorithm.kind).central, nodes_of(options)) {
  options_.nodes = nodes_of(options);
  if (options_.nodes == 0) throw OperatorError("kith run needs -n, the number of nodes");
  validate(job_, options_.nodes);
  goes_on_ = goes_on(job_, *make_graph(job_, options_.nodes));
  survives_ = goes_on_ || job_.keeps_checkpoints();
  if (!options_.hosts.empty()) identity_ = load_client_identity(options_.identity);
  // The traces of other machines are theirs to read.
  if (job_.delays.inject && options_.hosts.empty()) make_timing(job_.delays);
  tell_notes(job_, options_.nodes, view_);
  folder_.emplace(options_.out, job_, options_.nodes);
}

void Run::watch() {
  if (interrupt_ && interrupt_->requested()) throw Interrupted{};
  if (!daemons_) return;
  const auto death = daemons_->dead();
  if (!death) return;
  if (survives_) return revive(*death);
  throw RunFailed(death->what + "; all others have been stopped");
}

// All nodes go back to their last checkpoints in common and on from there; or the others have gone
// on, and it takes up their round.
void Run::revive(const LocalDaemons::Death& death) {
  if (!training_ || ++revived_ > kMostRevived * options_.nodes) {
    throw RunFailed(death.what + "; all others have been stopped");
  }
  daemons_->revive(death.node);
  std::string how = "all go on from the last checkpoint.";
  if (goes_on_) how = "takes up the round that the others are in.";
  if (goes_on_ && job_.keeps_checkpoints()) {
    how = "takes up the round that the others are in, or their last checkpoint with them.";
  }
  view_.say(death.what + "; it has been started again, and " + how);
}

void Run::begin() {
  interrupt_.emplace();
  std::vector<std::string> endpoints = options_.hosts;
  if (endpoints.empty()) {
    view_.say(fmt::format("Starting {} daemon{} on this machine.", options_.nodes,
                          options_.nodes == 1 ? "" : "s"));
    daemons_.emplace(LocalDaemonsSetup{options_.nodes, options_.threads, folder_->logs(),
                                       interrupt_->outer_mask(),
                                       survives_ ? folder_->state() : std::filesystem::path()});
    endpoints = daemons_->endpoints();
  }
  cluster_.emplace(
      endpoints, [this] { watch(); }, identity_);
  cluster_->greet(daemons_ ? kLocalPatience : kPatience);
  if (job_.choose_codec) choose_codec();
  evaluator_.emplace(job_, options_.nodes);  // loads while the daemons do
  view_.say(fmt::format("Each loads its own part of the data for job {}.", job_.name));
  if (job_.delays.inject) view_.say("Delays are injected: " + describe(job_.delays) + ".");
  cluster_->start(job_.text);
  if (job_.privacy) tell_privacy(job_, cluster_->rows(), view_);
  if (survives_) cluster_->expect_crashes();
}

// The folder then holds the job that runs.
void Run::choose_codec() {
  choice_ = choose_on_daemons(job_, *cluster_, view_);
  job_ = choice_->job;
  folder_->replace(job_);
}

void Run::record(const Replies& replies) {
  for (TrackedRound& tracked : tracker_.add(replies)) {
    revived_ = 0;
    shown_.bytes_sent_per_node = tracked.point.bytes_sent_per_node;
    if (tracked.point.consensus_distance) {
      shown_.consensus_distance = tracked.point.consensus_distance;
    }
    if (tracked.snapshots) judgeable_ = tracked;
    points_.push_back(std::move(tracked));
  }
  take_judgement();
}

// Once the model is known, which loads beside the daemons.
void Run::tell_what_a_round_takes() {
  if (round_told_ || !evaluator_->idle()) return;
  round_told_ = true;
  tell_forecast(job_, options_.nodes, *evaluator_->training().model, job_.delays.inject, view_);
}

void Run::take_judgement() {
  const auto judgement = evaluator_->take();
  if (!judgement) return;
  judging_.reset();
  shown_.accuracy = judgement->accuracy;
  if (tracker_.reporters() > 1) shown_.consensus_distance = judgement->consensus_distance;
  for (TrackedRound& tracked : points_) {
    if (tracked.round != judgement->round) continue;
    tracked.judged = true;
    tracked.point.accuracy = judgement->accuracy;
    // A hub has said how far its workers were apart; of one model alone nothing can be told.
    if (tracked.point.consensus_distance) continue;
    tracked.point.consensus_distance = judgement->consensus_distance;
  }
}

// Of all who have reported it.
std::optional<Run::Parameters> Run::parameters_of(const TrackedRound& tracked) {
  std::vector<size_t> nodes = {tracked.reporter};
  if (tracker_.reporters() > 1) {
    nodes.resize(tracker_.reporters());
    std::iota(nodes.begin(), nodes.end(), size_t{0});
  }
  return cluster_->snapshots(tracked.round, nodes);
}

// Fetching the models costs the daemons time: a tenth of it at the most goes to that.
void Run::judge_latest() {
  if (!judgeable_ || judging_ || !cluster_->attentive() || !evaluator_->idle()) return;
  const auto now = steady_clock::now();
  if (now < next_judgement_) return;
  const TrackedRound latest = *std::exchange(judgeable_, std::nullopt);
  std::optional<Parameters> parameters = parameters_of(latest);
  const auto spent = steady_clock::now() - now;
  next_judgement_ = steady_clock::now() + 10 * spent;
  if (!parameters) return;
  evaluator_->judge(latest.round, std::move(*parameters), job_.report.evaluate);
  judging_ = latest.round;
}

// The reports that there was no time for, before the daemons forget them.
void Run::judge_rest() {
  await_judgement();
  for (size_t i = 0; i < points_.size(); ++i) {
    if (points_[i].judged || !points_[i].snapshots) continue;
    const Round round = points_[i].round;
    std::optional<Parameters> parameters = parameters_of(points_[i]);
    if (!parameters) continue;
    evaluator_->training();  // waits until it can judge
    evaluator_->judge(round, std::move(*parameters), job_.report.evaluate);
    judging_ = round;
    await_judgement();
  }
}

void Run::await_judgement() {
  for (; judging_; take_judgement()) {
    watch();
    std::this_thread::sleep_for(milliseconds(1));
  }
}

// In order; those from the one that is being judged on wait for the judgement.
void Run::flush_points() {
  if (options_.judge_all) return;
  write_points();
}

void Run::write_points() {
  while (!points_.empty() && !(judging_ && points_.front().round >= *judging_)) {
    folder_->add(points_.front().point);
    points_.pop_front();
  }
}

void Run::warn_of_silence(const Replies& replies) {
  shown_.warning.clear();
  for (uint32_t i = 0; i < replies.size(); ++i) {
    const double silence = std::chrono::duration<double>(cluster_->silence(i)).count();
    if (silence < kSilenceTold) continue;
    shown_.warning = fmt::format("node {} does not answer", i);
    if (!survives_ || !silent_told_.insert(i).second) continue;
    view_.say(fmt::format("Node {} at {} does not answer; {} when kithd runs there again.", i,
                          cluster_->endpoint(i),
                          goes_on_ ? "the others go on, and it takes part again"
                                   : "the run goes on from its checkpoints"));
  }
  for (const control::ProgressReply& reply : replies) {
    for (const control::SilentPeer& peer : reply.silent) {
      if (peer.seconds < kSilenceTold) continue;
      shown_.warning = fmt::format("node {} silent for {}", peer.node, duration_text(peer.seconds));
      if (!silent_told_.insert(peer.node).second) continue;
      if (goes_on_) continue;  // nobody waits long
      view_.say(fmt::format("Node {} at {} has been silent for {}; its neighbours wait for it.",
                            peer.node, peer.endpoint, duration_text(peer.seconds)));
    }
  }
}

void Run::show(const Replies& replies) {
  double loss = 0;
  const size_t first = tracker_.reporters() > 1 ? 0 : tracker_.hub();
  shown_.round = replies[first].round;
  shown_.seconds = 0;
  for (size_t i = first; i < first + tracker_.reporters(); ++i) {
    const control::ProgressReply& reply = replies[i];
    shown_.round = std::min(shown_.round, reply.round);
    shown_.rounds = std::max(shown_.rounds, reply.rounds);
    shown_.seconds = std::max(shown_.seconds, reply.seconds);
    loss += reply.loss / static_cast<double>(tracker_.reporters());
  }
  if (shown_.round > 0) shown_.loss = loss;
  warn_of_silence(replies);
  view_.update(shown_);
}

// Those who have not answered for so long that nobody counts on them, and are not done.
std::vector<NodeId> Run::lost(const Replies& replies) const {
  std::vector<NodeId> lost;
  if (!goes_on_) return lost;
  for (uint32_t i = 0; i < replies.size(); ++i) {
    const bool done = replies[i].phase == Phase::kFinished;
    if (!done && cluster_->silence(i) > Cluster::kSilenceAllowed) lost.push_back(NodeId{i});
  }
  return lost;
}

// Until all are done, but for those who are lost, or one has diverged; without the parameters.
Run::Outcome Run::follow() {
  for (;;) {
    Replies replies = cluster_->progress();
    size_t over = 0;
    bool diverged = false;
    for (size_t i = 0; i < replies.size(); ++i) {
      const control::ProgressReply& reply = replies[i];
      if (goes_on_ && cluster_->lost_job(i)) {
        cluster_->start_again(i);
        continue;
      }
      if (reply.phase == Phase::kFailed || reply.phase == Phase::kIdle) {
        throw RunFailed(fmt::format("node {} at {} gave up the job{}{}", i, cluster_->endpoint(i),
                                    reply.error.empty() ? "" : ": ", reply.error));
      }
      over += reply.phase == Phase::kFinished || reply.phase == Phase::kDiverged;
      diverged = diverged || reply.phase == Phase::kDiverged;
    }
    const std::vector<NodeId> without = lost(replies);
    if (diverged || (over > 0 && over + without.size() == replies.size())) {
      return {replies, diverged, without, {}};
    }
    record(replies);
    tell_what_a_round_takes();
    judge_latest();
    flush_points();
    show(replies);
    std::this_thread::sleep_for(kPoll);
  }
}

// A daemon may die between its last round and the handing over of its model: it goes on from its
// checkpoint like any other, and the end is waited for once more.
Run::Outcome Run::await_end() {
  training_ = true;
  for (std::chrono::seconds patience{10};; patience *= 2) {
    Outcome outcome = follow();
    std::vector<size_t> there;
    for (size_t i = 0; i < outcome.replies.size(); ++i) {
      const NodeId node{static_cast<uint32_t>(i)};
      if (std::ranges::find(outcome.lost, node) == outcome.lost.end()) there.push_back(i);
    }
    auto parameters = cluster_->snapshots(std::nullopt, there, patience);
    if (parameters) {
      training_ = false;
      outcome.parameters.resize(outcome.replies.size());
      for (size_t k = 0; k < there.size(); ++k) {
        outcome.parameters[there[k]] = std::move((*parameters)[k]);
      }
      return outcome;
    }
    if (outcome.diverged) {
      throw RunFailed(
          "training diverged, the numbers grew beyond all bounds: try a smaller "
          "train.learning_rate");
    }
    if (!survives_) throw RunFailed("not all nodes handed over their final model");
  }
}

int Run::conclude(const Outcome& outcome) {
  const Replies& replies = outcome.replies;
  view_.clear();
  record(replies);
  if (options_.judge_all) judge_rest();
  stop();  // what is at hand needs no daemon any more
  await_judgement();
  folder_->drop_state();
  interrupt_.reset();  // from here on Ctrl-C may end us as it is

  const bool central = algorithm_info(job_.algorithm.kind).central;
  std::vector<NodeOutcome> outcomes;
  size_t hub = 0;
  std::vector<std::span<const float>> vectors;
  for (size_t i = 0; i < replies.size(); ++i) {
    if (outcome.parameters[i].empty()) continue;  // lost
    if (i == tracker_.hub()) hub = outcomes.size();
    vectors.push_back(outcome.parameters[i]);
    outcomes.push_back(outcome_of(replies[i], vectors.back()));
    outcomes.back().rows = cluster_->rows()[i];
  }
  Measures measures = replies[central ? tracker_.hub() : 0].measures;
  for (size_t i = 1; !central && i < replies.size(); ++i) measures.add(replies[i].measures);
  const Training& training = evaluator_->training();
  RunResult result = summarise(
      job_, *training.model, training.test.get(), outcomes,
      {training_seconds(replies), std::nullopt, outcome.diverged, measures, outcome.lost, hub},
      std::thread::hardware_concurrency());
  if (choice_) result.codec_choice = *choice_;
  save(result, vectors);
  const std::string text =
      options_.json ? to_json(result) + "\n" : render_summary(result, folder_->path().string());
  std::fputs(text.c_str(), stdout);
  return outcome.diverged ? kRunFailed : kDone;
}

void Run::save(const RunResult& result, const std::vector<std::span<const float>>& vectors) {
  const Model& model = *evaluator_->training().model;
  if (!points_.empty()) {  // the last one is the end of the run, which is judged already
    MetricsPoint& last = points_.back().point;
    if (!last.consensus_distance) last.consensus_distance = result.consensus_distance;
    if (result.accuracy) last.accuracy = result.accuracy->average_model;
  }
  write_points();
  folder_->write(result);
  folder_->write_model("model", model, average_of(vectors), result);
  for (size_t i = 0; options_.save_nodes && i < vectors.size(); ++i) {
    folder_->write_model("nodes/" + std::to_string(index_of(node_of(result, i))), model, vectors[i],
                         result);
  }
}

void Run::stop() {
  if (daemons_) {
    daemons_->stop();
  } else if (cluster_) {
    cluster_->stop_job();
  }
}

int Run::run() {
  try {
    begin();
    return conclude(await_end());
  } catch (const Interrupted&) {
    view_.clear();
    stop();
    const std::string what = daemons_ ? "all daemons are stopped" : "the daemons dropped the job";
    std::fprintf(stderr, "kith: interrupted: %s; what there is lies in %s\n", what.c_str(),
                 folder_->path().c_str());
    // The thread that loads or judges may take long to come to an end, and nobody waits for it.
    std::fflush(nullptr);
    std::_Exit(kInterrupted);
  } catch (...) {
    view_.clear();
    stop();
    throw;
  }
}

}  // namespace kith
