// A job text in, a finished simulation out: what the tests of the simulated body share.
#pragma once

#include <string>
#include <vector>

#include "daemon/learn/dataset.h"
#include "daemon/sim/simulator.h"

namespace kith {

// codec.kind of a job for this algorithm where nothing else matters.
inline std::string codec_key(const AlgorithmInfo& info) {
  return std::string("codec.kind=\"") + (info.codec != nullptr ? info.codec : "identity") + '"';
}

// topology.graph of a job for this algorithm where nothing else matters, for any number of nodes:
// on rings of an even number weights have an eigenvalue of -1/3.
inline std::string graph_of(const AlgorithmInfo& info) {
  if (info.needs.star) return "star";
  return info.needs.eigenvalues_above > -1 ? "complete" : "ring";
}

inline bool has_option(const AlgorithmInfo& info, const std::string& key) {
  return std::ranges::any_of(info.options, [&](const OptionSpec& spec) { return spec.key == key; });
}

// Any model; data is loaded when the model needs it.
inline SimulationResult simulate_text(const std::string& toml, uint32_t nodes,
                                      const std::vector<std::string>& overrides = {},
                                      const SimulationSettings& settings = SimulationSettings()) {
  const Job job = parse_job(toml, overrides);
  const ModelInfo& info = model_info(job.model.kind);
  DataSets data;
  if (info.needs_data) data = load_data(job.data, job.seed);
  const std::unique_ptr<Model> model =
      info.make(data.train ? data.train->shape() : DataShape{}, nodes, job.model.options);
  return simulate(job, nodes, *model, data.train, settings);
}

inline bool same_parameters(const SimulationResult& a, const SimulationResult& b) {
  if (a.parameters.size() != b.parameters.size()) return false;
  for (size_t i = 0; i < a.parameters.size(); ++i) {
    if (!std::ranges::equal(a.parameters[i].bytes(), b.parameters[i].bytes())) return false;
  }
  return true;
}

// The largest difference of two values that stand for each other.
inline double furthest(const SimulationResult& a, const SimulationResult& b) {
  double most = 0;
  for (size_t i = 0; i < a.parameters.size(); ++i) {
    for (size_t j = 0; j < a.parameters[i].floats().size(); ++j) {
      most = std::max(most, std::abs(double{a.parameters[i].floats()[j]} -
                                     double{b.parameters[i].floats()[j]}));
    }
  }
  return most;
}

// Mean over the nodes, in double precision.
inline std::vector<double> average_of(const SimulationResult& result) {
  std::vector<double> mean(result.parameters.front().size() / sizeof(float));
  for (const SharedBuffer& x : result.parameters) {
    for (size_t j = 0; j < mean.size(); ++j) mean[j] += static_cast<double>(x.floats()[j]);
  }
  for (double& value : mean) value /= static_cast<double>(result.parameters.size());
  return mean;
}

}  // namespace kith
