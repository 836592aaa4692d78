#include "daemon/node_config.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "daemon/job_text.h"
#include "topology/error.h"

namespace kith {

namespace {

constexpr const char* kMachineKeys[] = {"source", "labels", "label_column"};

// As they stand in the one table of keys.
OptionSpecs data_specs() {
  OptionSpecs specs;
  for (const JobKey& key : job_keys()) {
    const bool machine =
        std::ranges::find(kMachineKeys, std::string_view(key.spec.key)) != std::end(kMachineKeys);
    if (std::string_view(key.section) == "data" && machine) specs.push_back(key.spec);
  }
  return specs;
}

void check_readable(const std::string& path, const std::string& file) {
  if (file.empty() || file == "fashion-mnist" || std::ifstream(file).good()) return;
  throw OperatorError("'" + path + "' names the data '" + file +
                      "', which cannot be read: give the path of a file that the user of kithd "
                      "can read.");
}

OwnData read_data(const std::string& path, const JobSection& section) {
  for (const auto& [key, value] : section) {
    if (std::ranges::find(kMachineKeys, key) != std::end(kMachineKeys)) continue;
    throw OperatorError("'" + path + "' sets data." + key +
                        ", but a machine says only source, labels and label_column of its data: "
                        "the rest is the job's.");
  }
  const Options options("data", data_specs(), section);
  OwnData own{options.text("source"), options.text("labels"), options.text("label_column")};
  if (own.source.empty() || own.source == "none") {
    throw OperatorError("'" + path + "' has a section [data] without data.source.");
  }
  check_readable(path, own.source);
  check_readable(path, own.labels);
  return own;
}

}  // namespace

NodeConfig read_node_config(const std::string& path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw OperatorError("The configuration '" + path + "' cannot be read.");
  NodeConfig config;
  for (const auto& [name, section] : read_sections(text)) {
    if (name != "data") {
      throw OperatorError("'" + path + "' has a section [" + name +
                          "], but only [data] can stand there; the job has the others.");
    }
    config.data = read_data(path, section);
  }
  return config;
}

DataSpec own_spec(const Job& job, const OwnData& own) {
  if (job.epochs > 0) {
    throw OperatorError(
        "This node trains on data of its own, of which a pass takes another time on each node: "
        "set stop.rounds instead of stop.epochs.");
  }
  DataSpec spec = job.data;
  spec.source = own.source;
  spec.labels = own.labels;
  spec.label_column = own.label_column;
  spec.test.clear();
  spec.test_labels.clear();
  spec.test_fraction = 0;
  spec.partition = "iid";
  return spec;
}

}  // namespace kith
