// A vector of p floats in P contiguous fragments, as equal as whole numbers can be: the first
// p mod P of them are one longer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "topology/assert.h"

namespace kith {

class Fragments {
 public:
  // 1 <= count <= dimension, so that none is empty.
  Fragments(size_t dimension, uint32_t count)
      : count_(count), size_(dimension / count), longer_(dimension % count) {
    KITH_ASSERT(count >= 1 && count <= dimension);
  }

  uint32_t count() const { return count_; }
  size_t begin(uint32_t f) const { return f * size_ + std::min<size_t>(f, longer_); }
  size_t size(uint32_t f) const { return size_ + (f < longer_ ? 1 : 0); }

  // Fragment f of `values`, a span of p floats.
  template <class Span>
  Span of(uint32_t f, Span values) const {
    return values.subspan(begin(f), size(f));
  }

 private:
  uint32_t count_;
  size_t size_;
  size_t longer_;
};

}  // namespace kith
