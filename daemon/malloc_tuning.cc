#include "daemon/malloc_tuning.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdlib>

namespace kith {

namespace {

constexpr const char* kVariable = "GLIBC_TUNABLES";

// The arenas of other threads (ZeroMQ's receives) hand whole heaps back whatever the threshold: one
// arena. 32 MiB is the largest threshold that glibc takes.
constexpr const char* kForMessages =
    "glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=33554432:"
    "glibc.malloc.trim_threshold=1073741824:glibc.malloc.top_pad=1048576:glibc.malloc.hugetlb=1";

constexpr const char* kForManyNodes = "glibc.malloc.hugetlb=1";

void execute_with(const char* settings, char** argv) {
  if (std::getenv(kVariable) != nullptr) return;
  // The link itself would do, but would name the process "exe".
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
  if (size <= 0) return;
  path[size] = 0;
  setenv(kVariable, settings, 0);
  execv(path, argv);
}

}  // namespace

void tune_malloc_for_messages(char** argv) { execute_with(kForMessages, argv); }
void tune_malloc_for_many_nodes(char** argv) { execute_with(kForManyNodes, argv); }

void give_back_memory() { malloc_trim(0); }

}  // namespace kith
