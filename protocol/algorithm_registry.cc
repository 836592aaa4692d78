#include "protocol/algorithm.h"
#include "protocol/gossip/final_consensus.h"

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

std::unique_ptr<Algorithm> make_algorithm(const AlgorithmInfo& info, const NodeState& state,
                                          const Options& options) {
  std::unique_ptr<Algorithm> algorithm = info.make(state, options);
  if (state.final_consensus.rounds == 0) return algorithm;
  return std::make_unique<FinalConsensus>(std::move(algorithm), state.final_consensus);
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
