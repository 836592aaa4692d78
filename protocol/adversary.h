// Bad peers for research and for tests: what a node that a job calls an adversary makes of each
// vector that it sends. It computes, listens and keeps its own state like the others; Node changes
// its messages on their way out, in both bodies alike. The section [adversary] of a job says who
// and what; runs with such nodes say so.
//
//   sign-flip:F   -F times its step
//   huge:F        F times its step
//   noise:S       what it has to say plus independent N(0, S^2) in each value
//   nan           NaN in every value
// A step is the gradient or the displacement that a hub is sent; where nodes send models, what the
// model sent differs by from the node's model at the beginning of the round. Vectors are those that
// honest peers would have decoded. All peers are told the same.
#pragma once

#include <string>

#include "protocol/algorithm.h"

namespace kith {

struct Adversary {
  enum class Kind : uint8_t { kNone, kSignFlip, kHuge, kNoise, kNan };
  Kind kind = Kind::kNone;
  float strength = 0;      // F or S
  bool of_models = false;  // nodes send models

  // Replaces the payload, where there is one, by what the adversary says. `x` is the node's model
  // at the beginning of the message's round. For algorithms whose coded messages are vectors of the
  // model's size. Costs a decoding and an encoding.
  void corrupt(const NodeState& state, const SharedBuffer& x, Message& message) const;
};

// "sign-flip:2", "none". Throws OperatorError with the known ones.
Adversary parse_adversary(const std::string& spec);

}  // namespace kith
