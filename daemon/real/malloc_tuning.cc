#include "daemon/real/malloc_tuning.h"

#include <malloc.h>

namespace kith {

void keep_freed_memory() {
  // The arenas of other threads (ZeroMQ's receives) hand whole heaps back whatever the threshold.
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest that glibc takes
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 1 << 20);
}

void give_back_memory() { malloc_trim(0); }

}  // namespace kith
