// What a run came to, for a reader who has never seen one.
#pragma once

#include <string>

#include "daemon/store/result.h"

namespace kith {

// Several lines, each ended. `folder` is where the run's files are.
std::string render_summary(const RunResult& result, const std::string& folder);

}  // namespace kith
