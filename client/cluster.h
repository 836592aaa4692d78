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
  // By NodeId. `patience`: silence of a daemon after which it counts as gone.
  Cluster(const std::vector<std::string>& endpoints, std::chrono::milliseconds patience,
          Watch watch);

  size_t nodes() const { return members_.size(); }
  const std::string& endpoint(size_t node) const { return members_[node].endpoint(); }

  // Waits until all answer. Throws OperatorError where one has a job already.
  void greet();

  // `job` is the job file's text. Returns once all have loaded it, however long that takes.
  void start(const std::string& job, uint64_t run);

  // One ProgressReply for each node, with the reports that are new since the last call.
  std::vector<control::ProgressReply> progress();

  // By NodeId; nothing where a node keeps no such snapshot. Empty round = the final parameters.
  std::optional<std::vector<std::vector<float>>> snapshots(std::optional<uint64_t> round);

  // Makes all forget the job; does not wait long for those that are gone.
  void stop_job();

 private:
  // Answers of all to what was just sent, by NodeId. Without a deadline it waits for ever.
  std::vector<Answer> gather(std::optional<std::chrono::milliseconds> patience);

  Network network_;
  std::vector<Connection> members_;
  std::vector<uint64_t> next_report_;
  std::chrono::milliseconds patience_;
  Watch watch_;
};

}  // namespace kith
