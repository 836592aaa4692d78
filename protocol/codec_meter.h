// What coding messages costs. A codec has no clock; whoever codes with it (Compressor, Downlink,
// weighted_sum) tells the meter that its body has put there: the real one takes the time, the
// simulated one lets it cost virtual time. Once for a whole vector, however many pieces it has.
#pragma once

#include <span>

#include "protocol/codec.h"
#include "topology/types.h"

namespace kith {

class CodecMeter {
 public:
  virtual ~CodecMeter() = default;

  // A piece of work, and then what it was.
  virtual void begin() = 0;
  virtual void end() = 0;
  // A vector of so many floats, memory and all.
  virtual void encoded(size_t values) = 0;
  // A vector of so many floats from `from`: `share` of the piece.
  virtual void decoded(NodeId from, size_t values, double share) = 0;
};

// Tells the meter of `codec`, if there is one, that a vector is encoded while this lives.
class EncodingScope {
 public:
  EncodingScope(const Codec& codec, size_t values) : meter_(codec.meter()), values_(values) {
    if (meter_) meter_->begin();
  }
  ~EncodingScope() {
    if (!meter_) return;
    meter_->end();
    meter_->encoded(values_);
  }
  EncodingScope(const EncodingScope&) = delete;
  EncodingScope& operator=(const EncodingScope&) = delete;

 private:
  CodecMeter* meter_;
  size_t values_;
};

}  // namespace kith
