#include "topology/sides.h"

#include "topology/error.h"

namespace kith {

OptionSpecs sides_options() {
  using Type = OptionSpec::Type;
  return {{"rows", Type::kInteger, int64_t{0}, "nodes in a column; 0 = as square as can be", 0,
           UINT32_MAX},
          {"columns", Type::kInteger, int64_t{0}, "nodes in a row; 0 = as square as can be", 0,
           UINT32_MAX}};
}

uint64_t largest_divisor(uint64_t nodes, int power) {
  const auto fits = [&](uint64_t side) {
    uint64_t rest = nodes;
    for (int i = 0; i < power; ++i) rest /= side;
    return rest > 0;
  };
  uint64_t largest = 1;
  for (uint64_t side = 2; fits(side); ++side) {
    if (nodes % side == 0) largest = side;
  }
  return largest;
}

Sides sides_of(uint64_t nodes, const Options& options) {
  Sides sides{static_cast<uint64_t>(options.integer("rows")),
              static_cast<uint64_t>(options.integer("columns"))};
  if (sides.rows == 0 && sides.columns == 0) sides.rows = largest_divisor(nodes, 2);
  if (sides.rows == 0) sides.rows = nodes / sides.columns;
  if (sides.columns == 0) sides.columns = nodes / sides.rows;
  return sides;
}

void check_sides(const std::string& name, uint64_t nodes, const Options& options) {
  const Sides sides = sides_of(nodes, options);
  if (sides.rows * sides.columns == nodes) return;
  throw OperatorError(name + ": no grid with rows = " + std::to_string(options.integer("rows")) +
                      " and columns = " + std::to_string(options.integer("columns")) + " holds " +
                      std::to_string(nodes) +
                      " nodes; rows * columns must be the number of nodes, or leave both out");
}

}  // namespace kith
