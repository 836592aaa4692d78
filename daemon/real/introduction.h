// What a daemon shows of its run to neighbours that may have another one, so that the operator
// reads in what the two differ, not only that they do.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "protocol/control.h"

namespace kith {

// Number of nodes and job file; empty where the job file is too long to travel along.
std::string introduction_of(const control::StartRequest& start);

// "train.learning_rate is 0.1 here and 0.05 there; ...", the first few; "it is another start of the
// same job" where there is nothing else. `theirs` is untrusted, and empty where nothing came: then
// nothing is known.
std::string difference(const control::StartRequest& ours, std::span<const std::byte> theirs);

}  // namespace kith
