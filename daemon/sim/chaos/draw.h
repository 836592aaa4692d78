// What the fault hunter draws from a seed: a job of any family on the laboratory model, and what
// goes wrong while it runs. Which faults a job has to stand follows from goes_on(), not from names.
#pragma once

#include <string>
#include <vector>

#include "daemon/job.h"
#include "daemon/sim/faults.h"

namespace kith::chaos {

struct DrawnJob {
  std::string toml;
  uint32_t nodes = 0;
};

// A job that validate() lets pass. `attempt`: another one of the same seed.
DrawnJob draw_job(uint64_t seed, uint32_t attempt);

// In order of time. All that ends does so by `until`; what does not are machines that die for good
// where the job goes on without them: never all, and none whose loss parts those who are left.
std::vector<Fault> draw_faults(uint64_t seed, const Job& job, uint32_t nodes, Time until);

}  // namespace kith::chaos
