// Speed of the simulator: events a second with small models, and one large exchange.
#include <benchmark/benchmark.h>

#include "tests/support/simulate.h"

namespace kith {
namespace {

std::string job(size_t parameters, uint32_t degree, Round rounds) {
  return "[model]\nkind = \"quadratic\"\nreplicas = " + std::to_string(parameters) +
         "\n[train]\nlearning_rate = 0.1\n[algorithm]\nkind = \"dpsgd\"\n"
         "[topology]\ngraph = \"random-regular\"\ndegree = " +
         std::to_string(degree) +
         "\n[delays]\ncompute = \"exponential:0.01\"\nlatency_ms = 1\n[stop]\nrounds = " +
         std::to_string(rounds) + "\n";
}

// Arguments: nodes, parameters, degree, rounds.
void Exchange(benchmark::State& state) {
  const auto nodes = static_cast<uint32_t>(state.range(0));
  const std::string text =
      job(static_cast<size_t>(state.range(1)), static_cast<uint32_t>(state.range(2)),
          static_cast<Round>(state.range(3)));
  uint64_t events = 0;
  for (auto _ : state) events += simulate_text(text, nodes).events;
  state.counters["events/s"] =
      benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
}
BENCHMARK(Exchange)
    ->Args({100, 100, 14, 4000})
    ->Args({10000, 100, 14, 40})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(Exchange)->Args({10000, 7850, 14, 10})->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace kith

BENCHMARK_MAIN();
