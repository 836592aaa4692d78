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
    for (const Shard& shard : partition(training.train->labels(), training.train->classes(),
                                        job.data.partition, nodes, job.seed)) {
      training.rows_by_node.push_back(shard.size());
    }
  } else if (info.needs_data) {
    LocalData local = load_local_data(job.data, job.seed, NodeId{0}, nodes, true);
    shape = local.shard->shape();
    training.test = local.test;
    training.rows_by_node = std::move(local.rows_by_node);
  }
  if (training.test && training.test->rows() == 0) training.test = nullptr;
  training.model = info.make(shape, nodes, job.model.options);
  return training;
}

}  // namespace kith
