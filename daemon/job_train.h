// The section [train] of a job file.
#pragma once

#include "daemon/job.h"

namespace kith {

// `train` holds the fixed keys of the section, `optimizer` the kind of optimiser and its own keys.
TrainSpec read_train(const Options& train, const Choice& optimizer);

// Throws OperatorError with the key and the remedy.
void check_train(const Job& job);

}  // namespace kith
