#include "topology/assert.h"

#include <cstdio>
#include <cstdlib>

namespace kith {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "kith: bug: %s at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace kith
