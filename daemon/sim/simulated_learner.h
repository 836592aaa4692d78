// Gradients of simulated nodes, computed ahead of virtual time by a pool of threads.
//
// A Compute is a function of its arguments, so it may run at any moment between its effect and the
// virtual time of its completion; the simulator's loop waits only there, or does the work itself
// when no thread has begun it. One piece of work at a time for one node.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "daemon/learn/trainer.h"
#include "daemon/learn/workers.h"
#include "protocol/buffer.h"

namespace kith {

class SimulatedLearner {
 public:
  // `threads` above one start workers beside the calling thread.
  SimulatedLearner(std::vector<Trainer> trainers, unsigned threads, Pool& pool);
  ~SimulatedLearner();

  void start(NodeId node, Compute&& work);

  // Brings its slot towards the cache: a hint.
  void prefetch(NodeId node) const;

  // The result of what was started for `node`, waiting for it if need be.
  Computed take(NodeId node);

  // The state of the node's trainer after what was started for it, if anything.
  void persist(NodeId node, Archive& archive);

  // The node's learner is another one from now on, and nothing has been started.
  void replace(NodeId node, Trainer&& trainer);

  // Gives up what was started for `node`: at once if nobody has begun it, else at its next step.
  // Then it is as if it had never been started.
  void cancel(NodeId node);

 private:
  struct Slot;

  void run(Slot& slot, Workspace& workspace);
  static void await(Slot& slot);  // until its work is done
  static void clear(Slot& slot);  // for the next piece of work

  Pool& pool_;
  std::vector<std::unique_ptr<Slot>> slots_;
  Workspace own_workspace_;
  std::unique_ptr<Workers> workers_;  // null when the calling thread does it all
};

}  // namespace kith
