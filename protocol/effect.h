// What a node wants done. Values: an algorithm appends them, Node carries them out in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <variant>

#include "protocol/archive.h"
#include "protocol/buffer.h"
#include "protocol/event.h"
#include "protocol/time.h"
#include "topology/types.h"

namespace kith {

struct Send {
  NodeId to{};
  uint16_t kind = 0;
  Round round = 0;
  double scalar = 0;
  Payload payload;
  // Floats that the payload stands for, or that are spared where it is empty; 0 = a whole vector,
  // p, where there is a payload.
  size_t values = 0;
};

// What the learner does with the gradient of each step:
//   kGradient    returns grad f(x) of one batch at x = `at`; the optimiser is not touched
//   kLocalSteps  x <- x - lr * opt(grad f(x) + correction + mu (x - anchor)), `steps` times from
//                `at`, and returns the x that it reached; opt is the node's own local optimiser,
//                whose state (momentum) stays in the learner; `fresh` makes it begin anew
struct LocalRule {
  enum class Kind : uint8_t { kGradient, kLocalSteps };
  Kind kind = Kind::kGradient;
  float mu = 0;             // weight of the pull to `anchor`
  SharedBuffer correction;  // empty = none
  SharedBuffer anchor;      // empty = none
  bool fresh = false;

  // The gradient is changed on its way to the optimiser.
  bool bends() const { return correction || (mu != 0 && anchor); }

  static LocalRule local_steps() {
    LocalRule rule;
    rule.kind = Kind::kLocalSteps;
    return rule;
  }
};

// Step k uses the batch `first_batch + k`, a function of (seed, node, batch index) alone, and the
// learning rate of that index. Answered by one Computed with the same ticket.
struct Compute {
  uint64_t ticket = 0;
  uint64_t first_batch = 0;
  uint32_t steps = 1;
  SharedBuffer at;
  LocalRule rule;
};

// No Computed follows for this ticket, if none is under way to the node already, and the learner is
// left as if the work had never begun. Only for algorithms that declare `cancels`.
struct Cancel {
  uint64_t ticket = 0;
};

// TimerFired(id) after `after`; setting a pending id again moves it.
struct SetTimer {
  TimerId id = 0;
  Duration after{};
};

// A round is complete on this node: what progress, metrics and snapshots are made of.
struct Report {
  Round round = 0;          // the round just completed
  double loss = 0;          // mean training loss of this node's batches in the round
  SharedBuffer parameters;  // after the round
  // Mean over the nodes of |x_i - mean x|^2 before they were brought together, as a hub saw it;
  // below 0 = not known to this node.
  double disagreement = -1;
};

// The node's work is over, and its x moves no more. It goes on serving its neighbours until its
// body stops it.
struct Finish {
  enum class Why : uint8_t { kDone, kDiverged };
  Why why = Why::kDone;
  Round round = 0;
};

// The rounds from whose beginning a node can go on with one state: `round`, or any up to `last`.
struct Restart {
  Round round = 0;
  Round last = 0;

  // Where the result depends on time: the others may have got further.
  static constexpr Round kAnyLater = ~Round{0};

  constexpr Restart(Round only = 0) : round(only), last(only) {}
  constexpr Restart(Round round, Round last) : round(round), last(last) {}

  constexpr bool serves(Round at) const { return round <= at && at <= last; }
};

// All that this node needs for that, whenever it may be; see protocol/checkpoint.h. The learner's
// own state is taken when all work asked for before is done.
struct Checkpoint : Restart {
  std::shared_ptr<Archive> state;
  Round every = 1;  // rounds between two, as things are
};

using Effect = std::variant<Send, Compute, Cancel, SetTimer, Report, Finish, Checkpoint>;

}  // namespace kith
