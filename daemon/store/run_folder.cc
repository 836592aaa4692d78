#include "daemon/store/run_folder.h"

#include "daemon/store/file.h"
#include "daemon/store/safetensors.h"
#include "topology/error.h"

namespace kith {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(const fs::path& path, const std::error_code& error) {
  throw OperatorError("cannot create the folder " + path.string() + ": " + error.message() +
                      "; name another with --out");
}

fs::path first_free(const Job& job, uint32_t nodes) {
  const std::string stem = job.name + "-" + std::to_string(nodes) + "nodes-";
  std::error_code error;
  fs::create_directories("runs", error);
  if (error) fail("runs", error);
  for (uint64_t k = 1;; ++k) {
    const fs::path path = fs::path("runs") / (stem + std::to_string(k));
    // False where it is there already: two clients never get the same one.
    if (fs::create_directory(path, error)) return path;
    if (error) fail(path, error);
  }
}

}  // namespace

fs::path new_or_empty(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(path, error);
  if (!fs::is_empty(path, error) || error) {
    throw OperatorError("--out " + path.string() +
                        " holds files already: name a new folder, or empty it");
  }
  return path;
}

void write_model(const fs::path& folder, const std::string& name, const Layout& tensors,
                 std::span<const float> parameters, const ModelCard& card) {
  const Metadata metadata = {{"format", "kith"},
                             {"job", card.job},
                             {"model", card.model},
                             {"algorithm", card.algorithm},
                             {"graph", card.graph},
                             {"nodes", std::to_string(card.nodes)},
                             {"rounds", std::to_string(card.rounds)},
                             {"parameters_hash", card.parameters_hash}};
  const fs::path path = folder / (name + ".safetensors");
  fs::create_directories(path.parent_path());
  write_safetensors(path, tensors, parameters, metadata);
}

RunFolder::RunFolder(const fs::path& wanted, const Job& job, uint32_t nodes)
    : path_(wanted.empty() ? first_free(job, nodes) : new_or_empty(wanted)),
      metrics_(path_ / "metrics.jsonl") {
  replace(job);
}

void RunFolder::replace(const Job& job) { write_atomically(path_ / "job.toml", job.text); }

void RunFolder::add(const MetricsPoint& point) { metrics_ << to_json(point) << '\n' << std::flush; }

void RunFolder::write(const RunResult& result) {
  write_atomically(path_ / "result.json", to_json(result) + "\n");
}

void RunFolder::write_model(const std::string& name, const Model& model,
                            std::span<const float> parameters, const RunResult& result) const {
  kith::write_model(path_, name, model.tensors(), parameters,
                    {result.job, result.model, result.algorithm, result.graph, result.nodes,
                     result.rounds, result.parameters_hash});
}

void RunFolder::drop_state() const {
  std::error_code ignored;
  fs::remove_all(state(), ignored);
}

fs::path RunFolder::logs() const {
  const fs::path folder = path_ / "logs";
  fs::create_directories(folder);
  return folder;
}

}  // namespace kith
