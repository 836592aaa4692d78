// Hints that memory will be needed soon: never more than that, of any address.
#pragma once

#include <cstddef>

namespace kith {

inline void prefetch_bytes(const void* begin, size_t bytes) {
  constexpr size_t kLine = 64;
  for (size_t at = 0; at < bytes; at += kLine) {
    __builtin_prefetch(static_cast<const char*>(begin) + at);
  }
}

template <class Object>
void prefetch_object(const Object& object) {
  prefetch_bytes(&object, sizeof object);
}

}  // namespace kith
