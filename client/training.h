// What the client itself needs of a job: the model and the data to judge it by.
#pragma once

#include <memory>
#include <vector>

#include "daemon/job.h"
#include "daemon/learn/dataset.h"
#include "daemon/learn/model.h"

namespace kith {

struct Training {
  std::unique_ptr<Model> model;
  std::shared_ptr<const Dataset> train;  // null for the laboratory, or where not asked for
  std::shared_ptr<const Dataset> test;   // null for the laboratory, or where there is none
  std::vector<size_t> rows_by_node;      // of each node's shard; empty for the laboratory
};

// Throws OperatorError. Without `with_train` only the test set stays in memory.
Training load_training(const Job& job, uint32_t nodes, bool with_train);

}  // namespace kith
