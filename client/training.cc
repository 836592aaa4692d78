#include "client/training.h"

namespace kith {

Training load_training(const Job& job, uint32_t nodes, bool with_train) {
  const ModelInfo& info = model_info(job.model.kind);
  Training training;
  DataShape shape;
  if (info.needs_data && with_train) {
    DataSets sets = load_data(job.data, job.seed);
    shape = sets.train->shape();
    training.train = std::move(sets.train);
    training.test = std::move(sets.test);
  } else if (info.needs_data) {
    const LocalData local = load_local_data(job.data, job.seed, NodeId{0}, nodes, true);
    shape = local.shard->shape();
    training.test = local.test;
  }
  if (training.test && training.test->rows() == 0) training.test = nullptr;
  training.model = info.make(shape, nodes, job.model.options);
  return training;
}

}  // namespace kith
