// The job file's keys as text, from the one table that also checks them.
#pragma once

#include <string>

namespace kith {

std::string keys_text();      // for `kith job --keys`
std::string keys_markdown();  // for client/README.md: a test keeps the two in step
std::string keys_json();

}  // namespace kith
