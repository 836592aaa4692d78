// See wire_input.h.
#include "tests/fuzz/wire_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kith::fuzz::run_wire_input({data, size});
  return 0;
}
