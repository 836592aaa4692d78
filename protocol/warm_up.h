// Rounds at the start in which more values are sent than the codec says (Deep Gradient Compression,
// Lin et al. 2018): 1/4, 1/16, 1/64, 1/256 of them, as far as that is more than its own share, for
// equally many rounds each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "protocol/codec.h"
#include "topology/types.h"

namespace kith {

class WarmUp {
 public:
  // `spec`: a chain that begins with "top-k:FRACTION". Throws OperatorError where it does not.
  WarmUp(const std::string& spec, Round rounds);

  // Of the messages of this round; null once it is over.
  const Codec* at(Round round) const;

  void measure_by(CodecMeter* meter);

 private:
  std::vector<std::unique_ptr<Codec>> stages_;
  Round rounds_;
};

}  // namespace kith
