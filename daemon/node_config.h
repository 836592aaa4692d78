// The file of `kithd --config`: what belongs to a machine and not to a job. TOML:
//
//   [data]
//   source = "/srv/kith/mine.csv"     # labels and label_column as in a job file
//
// Then the node trains on all rows of that file, whatever the job says of its own: nothing is split
// off for testing, and no partition is made. How rows are scaled, and how many classes there are,
// remains the job's.
#pragma once

#include <optional>
#include <string>

#include "daemon/job.h"

namespace kith {

struct OwnData {
  std::string source;
  std::string labels;
  std::string label_column;
};

struct NodeConfig {
  std::optional<OwnData> data;  // absent: each job's
};

// Throws OperatorError, also where the data cannot be read.
NodeConfig read_node_config(const std::string& path);

// The data of a node of `job` that has its own. Throws OperatorError where the job cannot do with
// that: passes over the data would differ from node to node.
DataSpec own_spec(const Job& job, const OwnData& own);

}  // namespace kith
