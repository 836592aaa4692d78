// All daemons of one run as one thing: start the job, ask how far it is, fetch the models.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "client/connection.h"
#include "protocol/control.h"

namespace kith {

// Asked while an answer is waited for; throws to give up.
using Watch = std::function<void()>;

class Cluster {
 public:
  // By NodeId. `identity`: null where the daemons ask for no keys.
  Cluster(const std::vector<std::string>& endpoints, Watch watch,
          std::shared_ptr<const Identity> identity = nullptr);

  size_t nodes() const { return members_.size(); }
  const std::string& endpoint(size_t node) const { return members_[node].connection.endpoint(); }

  // Waits until all answer, `patience` at the most. Throws OperatorError where one has a job
  // already.
  void greet(std::chrono::milliseconds patience);

  // `job` is the job file's text. Returns the token of the run once all have loaded it, however
  // long that takes, and whichever of them are killed and started again meanwhile. Throws
  // OperatorError where one refuses, or two have data of different kinds.
  uint64_t start(const std::string& job);

  // Rows that each trains on, by NodeId; 0 without data. After start().
  const std::vector<size_t>& rows() const { return rows_; }

  // It did not answer for a while and is idle now: killed before it had kept the job. One that has
  // answered all the while was told to stop.
  bool lost_job(size_t node) const;
  // The job, to such a node: not more often than it can answer.
  void start_again(size_t node);

  // One ProgressReply for each node, with the reports that are new since the last call. A node that
  // does not answer at once is stood for by what it said last, without reports. Throws RunFailed
  // where one has said nothing for kSilenceAllowed, unless it may come back.
  std::vector<control::ProgressReply> progress();
  static constexpr std::chrono::seconds kSilenceAllowed{30};

  // From now on daemons may crash and be started again.
  void expect_crashes() { crashes_ = true; }

  // Since the node last answered a progress().
  std::chrono::milliseconds silence(size_t node) const;

  // True when every node answered the last progress(): others are best left alone.
  bool attentive() const;

  // Of these nodes, in this order; nothing where one keeps no such snapshot, or where one that may
  // have crashed does not answer within `patience`. Empty round = the final parameters.
  std::optional<std::vector<std::vector<float>>> snapshots(
      std::optional<uint64_t> round, const std::vector<size_t>& nodes,
      std::chrono::seconds patience = std::chrono::seconds(10));

  // Makes all who were given it forget the job; does not wait long for those that are gone.
  void stop_job();

 private:
  // A node as progress() knows it.
  struct Member {
    Connection connection;
    bool given = false;  // the job of the last start(), and has not refused it
    bool asked = false;  // a ProgressRequest is unanswered
    Deadline asked_at;
    Deadline heard;         // when it last answered
    bool was_away = false;  // before it answered last, and idle since
    Deadline given_again;   // the job, when it had come back without
    control::ProgressReply last;
  };

  // The answer of a node to what was just sent; nothing by the deadline.
  std::optional<Answer> await(size_t node, Deadline deadline);
  // Of all, by NodeId. Throws RunFailed when one does not come in time; without patience it waits
  // for ever.
  std::vector<Answer> gather(std::optional<std::chrono::milliseconds> patience);
  void take_progress(size_t node, Answer answer);
  void give(size_t node);
  Answer insist(size_t node, const control::Request& request);
  std::optional<std::string> await_loaded(size_t node);
  [[noreturn]] void tell_silence(size_t node) const;
  void compare_data();
  control::StatusReply status_of(size_t node);

  Network network_;
  std::vector<Member> members_;
  Watch watch_;
  control::StartRequest request_;  // of the job, but for the node
  std::vector<size_t> rows_;
  bool crashes_ = false;
};

}  // namespace kith
