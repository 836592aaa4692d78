// Which settings of a job go together.
#pragma once

#include "daemon/job.h"

namespace kith {

// All that can be judged without the number of nodes. Throws OperatorError.
void check_job(const Job& job);

// Letters, digits, '-', '_' and '.': job.name is also the name of a folder.
bool is_name_letter(char c);

}  // namespace kith
