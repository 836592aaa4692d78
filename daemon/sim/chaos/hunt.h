// One hunt: a job on a sound cluster, then the same with faults, every event of both checked, and
// what must have become of it in the end:
//
//   time   all who are alive are done by settle_by(): faults cost what they last, and no more than
//          a few runs on top
//   bits   of a synchronous algorithm, where no edge was left, whatever else went wrong: those of
//          the sound cluster (protocol/README, Determinism)
//   place  else: every node is as near to the optimum of those who are alive as on the sound
//          cluster, to kPlace of the way that was to go. Where results depend on time by design
//          (asynchronous algorithms), and where less than half of the rounds were left when all
//          was well again, it is only no further than where single nodes start from and tend to,
//          which is what a run that diverges leaves. Of models without a known optimum, the loss
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/plan.h"
#include "daemon/sim/simulator.h"

namespace kith::chaos {

struct Finding {
  enum class Kind : uint8_t { kNone, kNoProgress, kWrong };
  Kind kind = Kind::kNone;
  std::string what;  // a sentence; of kNone what was shown
};

class Hunt {
 public:
  // Runs it on a sound cluster. All outlive the hunt.
  Hunt(const Job& job, uint32_t nodes, const Model& model, std::shared_ptr<const Dataset> train);

  // What was found on the sound cluster.
  const Finding& sound() const { return sound_finding_; }

  // All nodes have come to one place there, so that there is something to compare with.
  bool fit() const;

  // Virtual time by which faults are to be over.
  Time half() const { return Time(sound_.end.time_since_epoch() / 2); }

  // `twice`: runs it again, and demands the same.
  Finding chase(const std::vector<Fault>& faults, bool twice);

  // By when all are to be done.
  Time settle_by(const std::vector<Fault>& faults) const;

  // Of all runs so far.
  uint64_t events() const { return events_; }

 private:
  struct Run {
    SimulationResult result;
    std::string found;       // by the checkers
    bool stuck = false;      // and it was about progress
    bool untouched = false;  // no edge was left
    Round round_at_end = 0;  // of faults; of the node that was furthest
  };

  Run run(const std::vector<Fault>& faults, Time until);
  Finding judge(const Run& run, const std::vector<Fault>& faults) const;
  Finding judge_bits(const Run& run) const;
  double tolerance(const Run& run, const std::vector<double>& place) const;
  double furthest_goal(const std::vector<double>& place) const;
  std::vector<double> place_for(const SimulationResult& result) const;
  Finding judge_place(const Run& run) const;
  Finding judge_loss(const Run& run) const;
  double spread() const;

  const Job& job_;
  const uint32_t nodes_;
  const Model& model_;
  const std::shared_ptr<const Dataset> train_;
  Plan plan_;
  SimulationResult sound_;
  Finding sound_finding_;
  uint64_t events_ = 0;
};

}  // namespace kith::chaos
