// Puts the reports of all nodes together: a round counts once every node has completed it, or a
// later one: who was away makes no report of the rounds between.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/store/result.h"
#include "protocol/control.h"

namespace kith {

struct TrackedRound {
  Round round = 0;         // as the daemons count, from 0: what SnapshotRequest takes
  size_t reporter = 0;     // over a hub: who was it then
  bool snapshots = false;  // every node that reports keeps its parameters of this round
  bool judged = false;     // `point` has the accuracy
  MetricsPoint point;      // without accuracy; with consensus distance where a hub told it
};

class ReportTracker {
 public:
  // `central`: there is a hub, which reports alone, whichever node it is. All goes over it, so that
  // what it receives is what the others have sent. Else all nodes' reports make up a round.
  ReportTracker(bool central, size_t nodes)
      : central_(central), reporters_(central ? 1 : nodes), nodes_(nodes), reached_(reporters_) {}

  size_t reporters() const { return reporters_; }
  // Where there is one: who reported last.
  size_t hub() const { return hub_; }

  // One reply for each node. Returns the rounds that this completes, in rising order and each once:
  // after a crash nodes report again what they do again.
  std::vector<TrackedRound> add(const std::vector<control::ProgressReply>& replies);

 private:
  struct Gathering {
    size_t reporter = 0;
    std::vector<bool> reported;  // by node
    size_t count = 0;            // of these
    size_t snapshots = 0;
    double loss = 0;
    double bytes = 0;
    double disagreement = -1;
    double last_time = 0;  // s since 1970, when the last node completed it
  };

  void take(size_t node, const control::ReportEntry& entry);
  double bytes_over_hub(size_t node, const control::ReportEntry& entry);

  bool central_;
  size_t reporters_;
  size_t nodes_;
  size_t hub_ = 0;
  double bytes_before_ = 0;    // what this hub has not counted: of those before it
  double last_bytes_ = 0;      // over all hubs
  std::optional<Round> last_;  // completed
  double start_ = 0;           // s since 1970, when the first node began
  std::map<Round, Gathering> rounds_;
  std::vector<Round> reached_;  // by node: one beyond the last round that it has reported
};

// Of the whole run: from when the first node began until the last one ended, s.
double training_seconds(const std::vector<control::ProgressReply>& replies);

}  // namespace kith
