// The sides of grids: what the options `rows` and `columns` ask for, and what fits N.
#pragma once

#include <cstdint>
#include <string>

#include "topology/options.h"

namespace kith {

struct Sides {
  uint64_t rows;
  uint64_t columns;
};

// The options `rows` and `columns`, both 0 by default.
OptionSpecs sides_options();

// A side that is not given (0) follows from the other; with neither, the rectangle is as square as
// can be: rows is the largest divisor of `nodes` that is no larger than its root. Their product is
// `nodes` unless the operator's sides forbid it.
Sides sides_of(uint64_t nodes, const Options& options);

// Throws OperatorError where rows * columns is not `nodes`. `name` is the graph's.
void check_sides(const std::string& name, uint64_t nodes, const Options& options);

// The largest divisor of `nodes` whose `power`-th power is no larger than `nodes`.
uint64_t largest_divisor(uint64_t nodes, int power);

}  // namespace kith
