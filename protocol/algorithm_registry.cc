#include "protocol/algorithm.h"

namespace kith {

#define ALGORITHM(symbol) extern const AlgorithmInfo symbol##_algorithm;
#include "protocol/algorithms.def"
#undef ALGORITHM

std::vector<const AlgorithmInfo*> all_algorithms() {
  return {
#define ALGORITHM(symbol) &symbol##_algorithm,
#include "protocol/algorithms.def"
#undef ALGORITHM
  };
}

const AlgorithmInfo& algorithm_info(const std::string& name) {
  std::string known;
  for (const AlgorithmInfo* info : all_algorithms()) {
    if (name == info->name) return *info;
    known += (known.empty() ? "" : ", ") + std::string(info->name);
  }
  throw OperatorError("algorithm.kind is \"" + name + "\", but the known ones are " + known);
}

}  // namespace kith
