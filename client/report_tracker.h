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
  bool snapshots = false;  // every node keeps its parameters of this round
  bool judged = false;     // `point` has the accuracy
  MetricsPoint point;      // without accuracy; with consensus distance where a hub told it
};

class ReportTracker {
 public:
  // `reporters`: nodes whose reports make up a round, the first ones: all, or the hub, over which
  // all goes, so that what it receives is what the others have sent.
  ReportTracker(size_t reporters, size_t nodes)
      : reporters_(reporters), nodes_(nodes), reached_(reporters) {}

  size_t reporters() const { return reporters_; }

  // One reply for each node. Returns the rounds that this completes, in rising order and each once:
  // after a crash nodes report again what they do again.
  std::vector<TrackedRound> add(const std::vector<control::ProgressReply>& replies);

 private:
  struct Gathering {
    std::vector<bool> reported;  // by node
    size_t count = 0;            // of these
    size_t snapshots = 0;
    double loss = 0;
    double bytes = 0;
    double disagreement = -1;
    double last_time = 0;  // s since 1970, when the last node completed it
  };

  size_t reporters_;
  size_t nodes_;
  std::optional<Round> last_;  // completed
  double start_ = 0;           // s since 1970, when the first node began
  std::map<Round, Gathering> rounds_;
  std::vector<Round> reached_;  // by node: one beyond the last round that it has reported
};

// Of the whole run: from when the first node began until the last one ended, s.
double training_seconds(const std::vector<control::ProgressReply>& replies);

}  // namespace kith
