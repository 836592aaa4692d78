// The folder of one run: what went in, what came out.
//
//   job.toml            the job as it ran, overrides applied
//   metrics.jsonl       one line per report, while it runs
//   result.json         the summary
//   model.safetensors   the average of all nodes' models
//   nodes/<i>.safetensors, logs/<i>.log   where asked for
//   state/<i>/          checkpoints of local daemons, while the run lasts
#pragma once

#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include "daemon/job.h"
#include "daemon/learn/model.h"
#include "daemon/store/result.h"

namespace kith {

// What stands beside the tensors of a model that is kept.
struct ModelCard {
  std::string job;
  std::string model;
  std::string algorithm;
  std::string graph;
  uint32_t nodes = 0;
  Round rounds = 0;
  std::string parameters_hash;  // of all nodes' models
};

// FOLDER/NAME.safetensors; `name` is "model", or "nodes/3". Throws OperatorError.
void write_model(const std::filesystem::path& folder, const std::string& name,
                 const Layout& tensors, std::span<const float> parameters, const ModelCard& card);

// Makes the folder `path`, which must be new or empty. Throws OperatorError.
std::filesystem::path new_or_empty(const std::filesystem::path& path);

class RunFolder {
 public:
  // `wanted` empty: runs/<job name>-<n>nodes-<k>, k the first number that is free. Otherwise that
  // folder, which must be new or empty. Throws OperatorError. Writes job.toml.
  RunFolder(const std::filesystem::path& wanted, const Job& job, uint32_t nodes);

  // Writes job.toml again.
  void replace(const Job& job);

  const std::filesystem::path& path() const { return path_; }

  void add(const MetricsPoint& point);  // appended and flushed: can be followed while it runs
  void write(const RunResult& result);
  // As above.
  void write_model(const std::string& name, const Model& model, std::span<const float> parameters,
                   const RunResult& result) const;

  // The folder of the daemons' checkpoints; not created.
  std::filesystem::path state() const { return path_ / "state"; }
  void drop_state() const;

  // The folder of the daemons' logs, created.
  std::filesystem::path logs() const;

 private:
  std::filesystem::path path_;
  std::ofstream metrics_;
};

}  // namespace kith
