#include "client/cluster.h"

#include <algorithm>
#include <random>
#include <thread>

#include "client/command/command.h"
#include "topology/error.h"

namespace kith {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kSlice{50};   // between two looks at Ctrl-C and at dead daemons
constexpr milliseconds kLost{2000};  // without an answer: the question went down with a daemon

// Only tells the runs of one set of daemons apart; no result depends on it.
uint64_t fresh_token() {
  std::random_device source;
  return (uint64_t{source()} << 32 | source()) | 1;
}

}  // namespace

Cluster::Cluster(const std::vector<std::string>& endpoints, Watch watch,
                 std::shared_ptr<const Identity> identity)
    : network_(std::move(identity)), watch_(std::move(watch)) {
  for (const std::string& endpoint : endpoints) {
    Member& member = members_.emplace_back(
        Member{Connection(network_, endpoint), false, false, {}, {}, false, {}, {}});
    member.last.phase = control::Phase::kLoading;
  }
}

std::optional<Answer> Cluster::await(size_t node, Deadline deadline) {
  for (;;) {
    const Deadline slice = std::min<Deadline>(deadline, steady_clock::now() + kSlice);
    std::optional<Answer> answer = members_[node].connection.receive(slice);
    watch_();
    if (answer || steady_clock::now() >= deadline) return answer;
  }
}

std::vector<Answer> Cluster::gather(std::optional<milliseconds> patience) {
  const Deadline deadline = patience ? steady_clock::now() + *patience : Deadline::max();
  std::vector<Answer> answers;
  for (size_t i = 0; i < members_.size(); ++i) {
    std::optional<Answer> answer = await(i, deadline);
    if (!answer) {
      throw RunFailed("node " + std::to_string(i) + " at " + endpoint(i) +
                      " does not answer: is kithd running there, and is the port open?");
    }
    answers.push_back(std::move(*answer));
  }
  return answers;
}

void Cluster::greet(milliseconds patience) {
  for (Member& member : members_) member.connection.send(control::HelloRequest{});
  const std::vector<Answer> answers = gather(patience);
  for (size_t i = 0; i < answers.size(); ++i) {
    if (const auto* error = std::get_if<control::ErrorReply>(&answers[i].reply)) {
      throw OperatorError("the daemon at " + endpoint(i) + " refused: " + error->message);
    }
    const auto* hello = std::get_if<control::HelloReply>(&answers[i].reply);
    if (!hello) throw RunFailed("what listens at " + endpoint(i) + " is not a kithd of this kind");
    const bool busy =
        hello->phase != control::Phase::kIdle && hello->phase != control::Phase::kFailed;
    if (!busy) continue;
    throw OperatorError("the daemon at " + endpoint(i) + " has the job \"" + hello->job +
                        "\" already: free it with kith stop --to " + endpoint(i));
  }
}

uint64_t Cluster::start(const std::string& job) {
  request_ = {};
  request_.job = job;
  request_.nodes = static_cast<uint32_t>(members_.size());
  request_.run = fresh_token();
  for (uint32_t i = 0; i < members_.size(); ++i) request_.peers.push_back({NodeId{i}, endpoint(i)});
  for (uint32_t i = 0; i < members_.size(); ++i) {
    give(i);
    members_[i].given = true;
    members_[i].last = {};  // of the job before
    members_[i].last.phase = control::Phase::kLoading;
    members_[i].heard = {};
  }
  std::string refusal;  // the first; all are heard, so that no job of another is stopped
  for (size_t i = 0; i < members_.size(); ++i) {
    const std::optional<std::string> why = await_loaded(i);
    members_[i].given = !why;
    if (!why || !refusal.empty()) continue;
    refusal = "node " + std::to_string(i) + " at " + endpoint(i) + " cannot take the job: " + *why;
  }
  if (!refusal.empty()) throw OperatorError(refusal);
  compare_data();
  return request_.run;
}

void Cluster::give(size_t node) {
  request_.node = NodeId{static_cast<uint32_t>(node)};
  members_[node].connection.send(request_);
}

// The answer, however often it takes to ask: a question goes down with a daemon.
Answer Cluster::insist(size_t node, const control::Request& request) {
  const Deadline deadline = steady_clock::now() + kSilenceAllowed;
  while (steady_clock::now() < deadline) {
    members_[node].connection.send(request);
    if (auto answer = await(node, steady_clock::now() + kLost)) return std::move(*answer);
  }
  tell_silence(node);
}

// Why it refuses. A daemon answers when it has loaded the job; one that was killed before it had,
// never. So it is asked what it does where that takes long.
std::optional<std::string> Cluster::await_loaded(size_t node) {
  std::optional<Answer> answer = await(node, steady_clock::now() + kLost);
  for (;;) {
    if (!answer) answer = insist(node, control::ProgressRequest{0});
    if (const auto* error = std::get_if<control::ErrorReply>(&answer->reply)) return error->message;
    const auto* progress = std::get_if<control::ProgressReply>(&answer->reply);
    if (progress == nullptr) return std::nullopt;
    if (progress->phase == control::Phase::kFailed) return progress->error;
    const bool killed = progress->phase == control::Phase::kIdle;
    if (!killed && progress->phase != control::Phase::kLoading) return std::nullopt;
    if (killed) give(node);
    answer = await(node, steady_clock::now() + (killed ? kLost : kSlice));
  }
}

// The daemons see it as well, and do not begin; but not all of them see all others.
void Cluster::compare_data() {
  rows_.clear();
  std::string first;
  for (size_t i = 0; i < members_.size(); ++i) {
    const control::StatusReply status = status_of(i);
    if (i == 0) first = status.data;
    if (status.data != first) {
      throw OperatorError("node 0 at " + endpoint(0) + " has data of " + first + " and node " +
                          std::to_string(i) + " at " + endpoint(i) + " of " + status.data +
                          ": one model cannot be trained on both");
    }
    rows_.push_back(status.shard_rows);
  }
}

// Of a node that has the job.
control::StatusReply Cluster::status_of(size_t node) {
  for (;;) {
    Answer answer = insist(node, control::StatusRequest{});
    auto* status = std::get_if<control::StatusReply>(&answer.reply);
    if (status == nullptr) {
      throw RunFailed("node " + std::to_string(node) + " answered something else");
    }
    const control::Phase phase = status->progress.phase;
    if (phase == control::Phase::kIdle) {  // it was killed
      give(node);
      await_loaded(node);
    } else if (phase == control::Phase::kLoading) {  // and has found the run by itself
      std::this_thread::sleep_for(kSlice);
    } else {
      return std::move(*status);
    }
  }
}

bool Cluster::lost_job(size_t node) const {
  return members_[node].was_away && members_[node].last.phase == control::Phase::kIdle;
}

void Cluster::start_again(size_t node) {
  Member& member = members_[node];
  const auto now = steady_clock::now();
  if (now - member.given_again < kLost) return;
  member.given_again = now;
  give(node);
  member.asked = false;
}

void Cluster::tell_silence(size_t node) const {
  throw RunFailed("node " + std::to_string(node) + " at " + endpoint(node) +
                  " has not answered for " + std::to_string(kSilenceAllowed.count()) + " s");
}

void Cluster::take_progress(size_t node, Answer answer) {
  auto* reply = std::get_if<control::ProgressReply>(&answer.reply);
  if (!reply) throw RunFailed("node " + std::to_string(node) + " answered something else");
  Member& member = members_[node];
  const auto now = steady_clock::now();
  const bool idle = reply->phase == control::Phase::kIdle;
  member.was_away = idle && (member.was_away || now - member.heard > kLost);
  member.asked = false;
  member.heard = now;
  // One that has begun anew counts its reports anew.
  if (reply->next_report < member.last.next_report) reply->next_report = 0;
  member.last = std::move(*reply);
}

milliseconds Cluster::silence(size_t node) const {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - members_[node].heard);
}

std::vector<control::ProgressReply> Cluster::progress() {
  const auto start = steady_clock::now();
  for (Member& member : members_) {
    if (member.asked && !(crashes_ && start - member.asked_at > kLost)) continue;
    if (member.heard == Deadline{}) member.heard = start;
    member.asked_at = start;
    member.connection.send(control::ProgressRequest{member.last.next_report});
    member.asked = true;
  }
  constexpr milliseconds kAtOnce{500};
  std::vector<control::ProgressReply> replies;
  for (size_t i = 0; i < members_.size(); ++i) {
    Member& member = members_[i];
    member.last.reports.clear();
    while (member.asked) {
      const Deadline slice = std::min<Deadline>(start + kAtOnce, steady_clock::now() + kSlice);
      if (auto answer = member.connection.receive(slice)) take_progress(i, std::move(*answer));
      watch_();
      if (steady_clock::now() >= start + kAtOnce) break;
    }
    if (!crashes_ && steady_clock::now() - member.heard > kSilenceAllowed) tell_silence(i);
    replies.push_back(member.last);
  }
  return replies;
}

bool Cluster::attentive() const { return std::ranges::none_of(members_, &Member::asked); }

std::optional<std::vector<std::vector<float>>> Cluster::snapshots(std::optional<uint64_t> round,
                                                                  const std::vector<size_t>& nodes,
                                                                  std::chrono::seconds patience) {
  for (const size_t node : nodes) members_[node].connection.send(control::SnapshotRequest{round});
  // A question that goes down with a daemon is answered by nobody.
  const Deadline deadline = crashes_ ? steady_clock::now() + patience : Deadline::max();
  std::vector<std::vector<float>> vectors;
  bool complete = true;
  for (const size_t node : nodes) {
    std::optional<Answer> answer = await(node, deadline);
    if (!answer) return std::nullopt;
    complete = complete && std::holds_alternative<control::SnapshotReply>(answer->reply);
    vectors.push_back(std::move(answer->parameters));
  }
  if (!complete) return std::nullopt;
  return vectors;
}

void Cluster::stop_job() {
  constexpr milliseconds kFarewell{500};
  for (Member& member : members_) {
    if (member.given) member.connection.send(control::StopJobRequest{});
  }
  const auto deadline = steady_clock::now() + kFarewell;
  for (Member& member : members_) {
    if (member.given) member.connection.receive(deadline);
    member.given = false;
  }
}

}  // namespace kith
