// Stable text of vectors for Algorithm::describe: goldens hold 6 digits, not bits.
#pragma once

#include <string>

#include "protocol/buffer.h"

namespace kith {

// Appends " name=|x|:x[0]", with the Euclidean norm and the first element; " name=-" when empty.
void describe_vector(const char* name, const SharedBuffer& x, std::string& out);

}  // namespace kith
