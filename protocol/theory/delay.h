// Laws of how long one mini-batch takes.
#pragma once

#include <memory>
#include <string>

#include "protocol/time.h"
#include "topology/rng.h"

namespace kith {

class Delay {
 public:
  virtual ~Delay() = default;
  virtual double sample(Rng& rng) const = 0;  // s
  virtual double mean() const = 0;            // s
  virtual std::string describe() const = 0;
};

// "constant:0.01", "exponential:0.01" (mean), "shifted-exponential:0.01:0.005" (shift, mean of the
// exponential part), "uniform:0.01:0.02" (from, to); all in seconds. Throws OperatorError.
std::unique_ptr<Delay> make_delay(const std::string& spec);

}  // namespace kith
