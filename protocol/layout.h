// What the floats of a parameter vector are, in their order.
#pragma once

#include <cstddef>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

namespace kith {

struct TensorSpec {
  std::string name;           // "layers.0.weight"
  std::vector<size_t> shape;  // row-major

  size_t values() const {
    return std::accumulate(shape.begin(), shape.end(), size_t{1}, std::multiplies<>());
  }
};

// Of a whole vector; empty = not known, the vector is one tensor.
using Layout = std::vector<TensorSpec>;

inline size_t values_of(const Layout& layout) {
  size_t sum = 0;
  for (const TensorSpec& tensor : layout) sum += tensor.values();
  return sum;
}

}  // namespace kith
