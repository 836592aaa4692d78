// One run on real daemons, from its job file to its folder.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "client/cluster.h"
#include "client/evaluator.h"
#include "client/identity_options.h"
#include "client/interrupt.h"
#include "client/local_daemons.h"
#include "client/report_tracker.h"
#include "client/view/progress.h"
#include "daemon/job_codec.h"
#include "daemon/store/run_folder.h"

namespace kith {

struct RunOptions {
  std::string path;
  uint32_t nodes = 0;              // 0 with hosts: as many as there are
  unsigned threads = 1;            // workers of each local daemon
  std::vector<std::string> hosts;  // HOST:PORT of running daemons; empty = start our own
  IdentityOptions identity;        // towards hosts; our own daemons ask for no keys
  std::string out;
  std::vector<std::string> set;
  bool json = false;
  bool save_nodes = false;
  bool judge_all = false;  // accuracy at every report, after the training where not during it
};

class Run {
 public:
  explicit Run(const RunOptions& options);

  // Returns the exit code; throws RunFailed, OperatorError.
  int run();

 private:
  using Replies = std::vector<control::ProgressReply>;
  using Parameters = std::vector<std::vector<float>>;
  struct Interrupted {};
  struct Outcome {
    Replies replies;  // by NodeId, the last
    bool diverged = false;
    std::vector<NodeId> lost;  // who never came back, where the others have gone on
    Parameters parameters;     // by NodeId; of the lost none
  };

  void watch();
  void revive(const LocalDaemons::Death& death);
  void begin();
  void choose_codec();
  Outcome follow();
  std::vector<NodeId> lost(const Replies& replies) const;
  Outcome await_end();
  void record(const Replies& replies);
  void tell_what_a_round_takes();
  void take_judgement();
  void flush_points();
  void write_points();
  std::optional<Parameters> parameters_of(const TrackedRound& tracked);
  void judge_latest();
  void judge_rest();
  void await_judgement();
  void show(const Replies& replies);
  void warn_of_silence(const Replies& replies);
  int conclude(const Outcome& outcome);
  void save(const RunResult& result, const std::vector<std::span<const float>>& vectors);
  void stop();

  RunOptions options_;
  Job job_;
  std::optional<CodecChoice> choice_;  // where job_ asked for one
  bool goes_on_ = false;               // without daemons that are silent
  bool survives_ = false;              // daemons may die and come back
  ProgressView view_;
  std::optional<Interrupt> interrupt_;  // while daemons are at work
  std::optional<RunFolder> folder_;
  std::optional<LocalDaemons> daemons_;
  std::shared_ptr<const Identity> identity_;  // null where nobody asks for keys
  std::optional<Evaluator> evaluator_;
  std::optional<Cluster> cluster_;

  ReportTracker tracker_;
  std::deque<TrackedRound> points_;        // not yet in metrics.jsonl
  std::optional<Round> judging_;           // as TrackedRound::round
  Judgement judged_;                       // the latest
  std::optional<TrackedRound> judgeable_;  // the latest whose parameters are kept
  std::chrono::steady_clock::time_point next_judgement_;
  Progress shown_;
  std::set<uint32_t> silent_told_;
  bool training_ = false;  // what is killed now can go on
  bool round_told_ = false;
  uint32_t revived_ = 0;  // daemons, since the last report
};

}  // namespace kith
