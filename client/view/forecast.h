// What is found out of a job before it begins, in words.
#pragma once

#include <string>

#include "daemon/sim/gossip_stability.h"
#include "daemon/sim/rehearsal.h"

namespace kith {

// "A round: a node sends 4 messages, 1.63 MB; 12.1 ms by the delays of the job." `delayed`: these
// are in force, simulated or injected.
std::string forecast_text(const Rehearsal& rehearsal, bool delayed);

// Without a full stop.
std::string advice_text(const StepAdvice& advice);

}  // namespace kith
