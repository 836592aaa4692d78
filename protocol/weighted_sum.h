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

}  // namespace kith
