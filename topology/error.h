// What the operator got wrong (job file, missing file, port in use): one clear sentence that names
// the key or file and what would work. Thrown at the start only, never from a running job.
#pragma once

#include <stdexcept>

namespace kith {

class OperatorError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace kith
