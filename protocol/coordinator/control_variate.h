// SCAFFOLD's control variate of one node (Karimireddy et al. 2020): c_i, its guess of the gradient
// of its own data, beside c, the hub's mean of all of these.
#pragma once

#include "protocol/algorithm.h"

namespace kith {

class ControlVariate {
 public:
  // c of the round that begins; empty = 0.
  void begin(const NodeState& state, SharedBuffer global);

  // c - c_i, for every local step of the round; empty = 0.
  const SharedBuffer& correction() const { return correction_; }

  // c_i+ = c_i - c + q / rates, with q = C(x - y_i) as it was coded and `rates` the sum of the
  // learning rates of the round's local steps.
  void end(const NodeState& state, const SharedBuffer& coded, double rates);

  // c_i, between two rounds.
  void persist(Archive& archive) { archive.vector("own", own_); }

  const SharedBuffer& own() const { return own_; }

 private:
  SharedBuffer own_;  // c_i; empty = 0
  SharedBuffer correction_;
};

}  // namespace kith
