// A bug ends the process at once, in release builds too: a wrong state is never trained on.
#pragma once

namespace kith {

// Prints "kith: bug: <expression> at file:line" and aborts.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace kith

#define KITH_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::kith::assertion_failed(#condition, __FILE__, __LINE__))
