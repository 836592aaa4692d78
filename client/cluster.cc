#include "client/cluster.h"

#include "client/command/command.h"
#include "topology/error.h"

namespace kith {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kSlice{50};  // between two looks at Ctrl-C and at dead daemons

}  // namespace

Cluster::Cluster(const std::vector<std::string>& endpoints, milliseconds patience, Watch watch)
    : next_report_(endpoints.size()), patience_(patience), watch_(std::move(watch)) {
  for (const std::string& endpoint : endpoints) members_.emplace_back(network_, endpoint);
}

std::vector<Answer> Cluster::gather(std::optional<milliseconds> patience) {
  const auto deadline = steady_clock::now() + patience.value_or(std::chrono::hours(1));
  std::vector<Answer> answers;
  for (size_t i = 0; i < members_.size(); ++i) {
    std::optional<Answer> answer;
    while (!answer) {
      answer = members_[i].receive(std::min<Deadline>(deadline, steady_clock::now() + kSlice));
      watch_();
      if (answer || !patience || steady_clock::now() < deadline) continue;
      throw RunFailed("node " + std::to_string(i) + " at " + endpoint(i) +
                      " does not answer: is kithd running there, and is the port open?");
    }
    answers.push_back(std::move(*answer));
  }
  return answers;
}

void Cluster::greet() {
  for (Connection& member : members_) member.send(control::HelloRequest{});
  const std::vector<Answer> answers = gather(patience_);
  for (size_t i = 0; i < answers.size(); ++i) {
    const auto* hello = std::get_if<control::HelloReply>(&answers[i].reply);
    if (!hello) throw RunFailed("what listens at " + endpoint(i) + " is not a kithd of this kind");
    const bool busy =
        hello->phase != control::Phase::kIdle && hello->phase != control::Phase::kFailed;
    if (!busy) continue;
    throw OperatorError("the daemon at " + endpoint(i) + " has the job \"" + hello->job +
                        "\" already: free it with kith stop --to " + endpoint(i));
  }
}

void Cluster::start(const std::string& job, uint64_t run) {
  control::StartRequest request;
  request.job = job;
  request.nodes = static_cast<uint32_t>(members_.size());
  request.run = run;
  for (uint32_t i = 0; i < members_.size(); ++i) request.peers.push_back({NodeId{i}, endpoint(i)});
  for (uint32_t i = 0; i < members_.size(); ++i) {
    request.node = NodeId{i};
    members_[i].send(request);
  }
  const std::vector<Answer> answers = gather(std::nullopt);
  for (size_t i = 0; i < answers.size(); ++i) {
    if (const auto* error = std::get_if<control::ErrorReply>(&answers[i].reply)) {
      throw OperatorError("node " + std::to_string(i) + " cannot take the job: " + error->message);
    }
  }
}

std::vector<control::ProgressReply> Cluster::progress() {
  for (size_t i = 0; i < members_.size(); ++i) {
    members_[i].send(control::ProgressRequest{next_report_[i]});
  }
  std::vector<control::ProgressReply> replies;
  for (Answer& answer : gather(patience_)) {
    const size_t i = replies.size();
    auto* reply = std::get_if<control::ProgressReply>(&answer.reply);
    if (!reply) throw RunFailed("node " + std::to_string(i) + " answered something else");
    next_report_[i] = reply->next_report;
    replies.push_back(std::move(*reply));
  }
  return replies;
}

std::optional<std::vector<std::vector<float>>> Cluster::snapshots(std::optional<uint64_t> round) {
  for (Connection& member : members_) member.send(control::SnapshotRequest{round});
  std::vector<std::vector<float>> vectors;
  bool complete = true;
  for (Answer& answer : gather(std::nullopt)) {
    complete = complete && std::holds_alternative<control::SnapshotReply>(answer.reply);
    vectors.push_back(std::move(answer.parameters));
  }
  if (!complete) return std::nullopt;
  return vectors;
}

void Cluster::stop_job() {
  constexpr milliseconds kFarewell{500};
  for (Connection& member : members_) member.send(control::StopJobRequest{});
  const auto deadline = steady_clock::now() + kFarewell;
  for (Connection& member : members_) member.receive(deadline);
}

}  // namespace kith
