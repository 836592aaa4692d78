// Counts what a program asks the heap for, in whatever library. For one file of an executable that
// includes nothing else of the kind: where no sanitizer stands in the place of malloc, this does.
#pragma once

#include <atomic>
#include <cstddef>

namespace kith::test {

inline std::atomic<size_t> bytes_asked_for{0};

// The thread sanitizer's runtime tells nobody of aligned_alloc, which pools call.
#ifdef __SANITIZE_THREAD__
inline constexpr bool kAlignedAreCounted = false;
#else
inline constexpr bool kAlignedAreCounted = true;
#endif

inline void note_allocation(size_t bytes) {
  bytes_asked_for.fetch_add(bytes, std::memory_order_relaxed);
}

}  // namespace kith::test

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

// Of the sanitizers' runtime, which g++ brings without the header.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*,
                                                                             size_t),
                                                         void (*free_hook)(const volatile void*));

namespace kith::test {

inline const int kHooks = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, size_t bytes) { note_allocation(bytes); },
    [](const volatile void*) {});

}  // namespace kith::test

#else

// Of glibc; operator new and aligned_alloc end in one of these.
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

[[gnu::noinline]] void* malloc(size_t bytes) {
  kith::test::note_allocation(bytes);
  return __libc_malloc(bytes);
}
[[gnu::noinline]] void* calloc(size_t count, size_t bytes) {
  kith::test::note_allocation(count * bytes);
  return __libc_calloc(count, bytes);
}
[[gnu::noinline]] void* realloc(void* old, size_t bytes) {
  kith::test::note_allocation(bytes);
  return __libc_realloc(old, bytes);
}
[[gnu::noinline]] void* aligned_alloc(size_t alignment, size_t bytes) {
  kith::test::note_allocation(bytes);
  return __libc_memalign(alignment, bytes);
}
}

#endif
