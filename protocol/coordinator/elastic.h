// Elastic averaging (Zhang, Choromanska, LeCun 2015; ALGORITHMS 2B): nodes that explore on their
// own, tied to a centre z at the hub by springs of strength alpha.
//
//   synchronous, on `rounds.h`: all exchange at once, while the next steps are under way
//     x_i+ = T(x_i) - alpha (x_i - z)            z+ = z + alpha sum_i (x_i - z)
//   asynchronous, here: each node exchanges with the hub alone, as it comes
//     x_i+ = y_i - alpha (y_i - z)               z+ = z + alpha (y_i - z)
// T and y_i: tau local steps; of the synchronous form the first is taken together with the spring,
// at the old x_i, the others after it. An exchange keeps x_i + z, or sum_i x_i + z, whatever the
// codec loses: both ends use y_i as it was coded, against the z that the node had last.
#pragma once

#include <memory>

#include "protocol/coordinator/hub.h"

namespace kith {

struct ElasticRule {
  const char* name;
  double alpha = 0;
  uint32_t local_steps = 1;
};

// Keeps: x_i and the last z; the hub z, and the last z of each node (one block where it is the
// same). Sends: for each exchange one displacement up, coded, and one model down, as it is.
std::unique_ptr<Algorithm> make_elastic(const NodeState& state, const ElasticRule& rule);

// alpha as asked for: 0 stands for 0.9 / N, the rule of the paper, over 1 + w where an unbiased
// codec's messages vary (Codec::variance_bound): what is left out stays in x_i, so that the spring
// feels the same contraction that error feedback would send.
OptionSpec option_alpha();
double alpha_of(const Options& options, uint32_t nodes, double codec_variance);

// Throws OperatorError, with the reason, unless alpha is below `limit`.
void check_alpha(const Setting& setting, double limit);

}  // namespace kith
