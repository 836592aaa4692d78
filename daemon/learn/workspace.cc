#include <cstdlib>
#include <new>

#include "daemon/learn/model.h"

namespace kith {

struct Workspace::Aligned {
  static constexpr size_t kAlignment = 64;

  explicit Aligned(size_t floats)
      : data(static_cast<float*>(
            ::operator new (floats * sizeof(float), std::align_val_t{kAlignment}))),
        size(floats) {}
  ~Aligned() { ::operator delete (data, std::align_val_t{kAlignment}); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;

  float* data;
  size_t size;
};

std::span<float> Workspace::take(size_t slot, size_t floats) {
  if (slot >= slots_.size()) slots_.resize(slot + 1);
  if (!slots_[slot] || slots_[slot]->size < floats) {
    slots_[slot].reset();  // before the larger one, not beside it
    slots_[slot] = std::make_shared<Aligned>(floats);
  }
  return {slots_[slot]->data, floats};
}

}  // namespace kith
