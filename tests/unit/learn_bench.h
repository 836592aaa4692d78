// A model, its data and one node's learner: what the tests of learners share.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/learn/dataset_builder.h"
#include "daemon/learn/trainer.h"

namespace kith {

// Random bytes and labels: no two classes can be told apart, so the optimum is finite.
inline std::shared_ptr<const Dataset> random_data(size_t rows, size_t width, size_t classes,
                                                  float scale, float shift) {
  DatasetBuilder builder(width, classes, true, rows);
  Rng rng(9, NodeId{0}, Purpose::kTest);
  std::vector<uint8_t> row(width);
  for (size_t r = 0; r < rows; ++r) {
    for (uint8_t& x : row) x = static_cast<uint8_t>(rng.below(256));
    builder.add(row, static_cast<int32_t>(rng.below(classes)));
  }
  builder.set_scale({scale}, {shift});
  return std::move(builder).finish();
}

struct LearnBench {
  explicit LearnBench(const std::string& kind, std::map<std::string, OptionValue> given = {},
                      std::shared_ptr<const Dataset> data = nullptr)
      : model(model_info(kind).make(data ? data->shape() : DataShape{}, 1,
                                    Options("model", model_info(kind).options, given))) {
    setup.model = model.get();
    setup.data = std::move(data);
    setup.seed = 3;
    setup.node = NodeId{0};
    setup.total_batches = 100;
  }

  SharedBuffer at(float value) {
    return copy_of(std::vector<float>(model->parameters(), value), pool);
  }

  std::unique_ptr<Model> model;
  TrainerSetup setup;
  Pool pool;
  Workspace workspace;
};

}  // namespace kith
