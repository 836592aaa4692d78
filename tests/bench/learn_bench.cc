// Samples per second of one full SGD step on Fashion-MNIST: batch from bytes, gradient, update.
// Arguments: batch size, threads (each trains its own model, as data-parallel nodes do).
//
//   learn_bench --benchmark_repetitions=9 --benchmark_enable_random_interleaving=true
#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <string>

#include "daemon/job.h"
#include "daemon/learn/trainer.h"

namespace kith {
namespace {

const DataSets& fashion() {
  static const DataSets data = [] {
    DataSpec spec;
    spec.source = "fashion-mnist";
    spec.scale = "unit";
    return load_data(spec, 1);
  }();
  return data;
}

void full_step(benchmark::State& state, const std::string& kind,
               const std::map<std::string, OptionValue>& given) {
  constexpr uint32_t kSteps = 16;  // of one Compute: its one block is spread over them
  const ModelInfo& info = model_info(kind);
  const auto model = info.make(fashion().train->shape(), 1, Options("model", info.options, given));
  TrainerSetup setup;
  setup.model = model.get();
  setup.data = fashion().train;
  setup.batch.size = static_cast<uint32_t>(state.range(0));
  setup.seed = 1;
  setup.node = NodeId{static_cast<uint32_t>(state.thread_index())};
  Trainer trainer(setup);
  Pool pool;
  Workspace workspace;
  Buffer start = pool.acquire_floats(model->parameters());
  Rng rng(1, NodeId{0}, Purpose::kInitialise);
  model->initialise(rng, start.floats());
  Compute work;
  work.steps = kSteps;
  work.rule.kind = LocalRule::Kind::kLocalSteps;
  work.at = std::move(start).freeze();
  for (auto _ : state) {
    Computed computed = trainer.run(work, pool, workspace);
    work.at = std::move(computed.result);
    work.first_batch += kSteps;
  }
  state.counters["samples/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kSteps * setup.batch.size,
                         benchmark::Counter::kIsRate);
}

const std::map<std::string, OptionValue> kDeep = {{"hidden", std::vector<double>{512, 256}}};

// One thread by its own processor time, which other programs on the machine move least.
BENCHMARK_CAPTURE(full_step, softmax, "softmax", {})->Arg(32)->Arg(128);
BENCHMARK_CAPTURE(full_step, mlp_128, "mlp", {})->Arg(32)->Arg(128);
BENCHMARK_CAPTURE(full_step, mlp_512_256, "mlp", kDeep)->Arg(32)->Arg(128);
BENCHMARK_CAPTURE(full_step, softmax, "softmax", {})->Arg(32)->Arg(128)->Threads(2)->UseRealTime();
BENCHMARK_CAPTURE(full_step, mlp_128, "mlp", {})->Arg(32)->Arg(128)->Threads(2)->UseRealTime();

void load_batch_rows(benchmark::State& state) {
  std::vector<float> row(fashion().train->width());
  size_t i = 0;
  for (auto _ : state) {
    fashion().train->copy_row(i++ % fashion().train->rows(), row);
    benchmark::DoNotOptimize(row.data());
  }
}
BENCHMARK(load_batch_rows);

}  // namespace
}  // namespace kith

BENCHMARK_MAIN();
