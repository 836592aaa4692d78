// What a daemon shows of its run to neighbours that may have another one, so that the operator
// reads in what the two differ, not only that they do.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "protocol/control.h"

namespace kith {

// Number of nodes, token of the run, `data` (data_text) and job file; without the latter where it
// is too long to travel along.
std::string introduction_of(const control::StartRequest& start, const std::string& data);

// "train.learning_rate is 0.1 here and 0.05 there; ...", the first few; "it is another start of the
// same job" where there is nothing else. `theirs` is untrusted, and empty where nothing came: then
// nothing is known.
std::string difference(const control::StartRequest& ours, std::span<const std::byte> theirs);

// The data of a node that has been given the very run `ours`, where it is of another kind than
// `data`; else empty. Such nodes must not train together, and no new start would change that.
std::string other_data(const control::StartRequest& ours, const std::string& data,
                       std::span<const std::byte> theirs);

}  // namespace kith
