// What averaging with the neighbours comes down to: one pass over the result.
#pragma once

#include <span>

#include "protocol/codec.h"

namespace kith {

// One summand: plain values, or a payload that holds as many values in the codec's form.
struct Term {
  float scale = 1;
  std::span<const float> values = {};
  const Payload* payload = nullptr;  // used where there are no values; checked already
  NodeId from = {};                  // whose payload it is
};

// y = sum of scale * term, in the order of the terms (at least one). Where the codec works value by
// value the sum runs block by block, so that y is written to memory once however many terms there
// are; the bits are the same as term by term. A codec that
// decodes jointly gets all payloads at once, after the plain values.
void weighted_sum(const Codec& codec, std::span<const Term> terms, std::span<float> y, Pool& pool);

// y += sum of scale * (payload - own), in the order of the terms, all of them payloads. Each
// difference is rounded once, before it is scaled: what two nodes with equal weights for each other
// add of their difference is the same but for the sign, and where all are equal nothing is added.
// So sums of such sums over many rounds do not drift. As many passes over memory as weighted_sum.
void add_differences(const Codec& codec, std::span<const float> own, std::span<const Term> terms,
                     std::span<float> y, Pool& pool);

}  // namespace kith
