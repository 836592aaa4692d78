// Gradients computed ahead of virtual time: what is cancelled leaves no trace, however far it got.
#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/sim/simulated_learner.h"

namespace kith {
namespace {

std::vector<Trainer> one_trainer(const Model& model) {
  TrainerSetup setup;
  setup.model = &model;
  setup.optimizer.momentum = 0.9f;
  setup.revocable = true;
  setup.total_batches = 100;
  std::vector<Trainer> trainers;
  trainers.emplace_back(setup);
  return trainers;
}

TEST(SimulatedLearner, CancelledWorkLeavesNoTrace) {
  const ModelInfo& info = model_info("quadratic");
  const auto model = info.make(
      {}, 1, Options("model", info.options, {{"noise", 1.0}, {"replicas", int64_t{200}}}));
  Pool pool;
  const auto work = [&](uint64_t first, uint32_t steps, float at) {
    return Compute{.ticket = first + 1,
                   .first_batch = first,
                   .steps = steps,
                   .at = copy_of(std::vector<float>(200, at), pool),
                   .rule = LocalRule::local_steps()};
  };
  for (const unsigned threads : {1u, 3u}) {  // never begun, and begun or done
    SimulatedLearner turned(one_trainer(*model), threads, pool);
    SimulatedLearner reference(one_trainer(*model), 1, pool);
    for (uint64_t round = 0; round < 30; ++round) {
      SCOPED_TRACE(testing::Message() << threads << " threads, round " << round);
      const auto dropped = static_cast<uint32_t>(1 + 40 * (round % 3));
      turned.start(NodeId{0}, work(1000 + round, dropped, 9));
      turned.cancel(NodeId{0});
      turned.start(NodeId{0}, work(2 * round, 2, 1));
      reference.start(NodeId{0}, work(2 * round, 2, 1));
      const Computed expected = reference.take(NodeId{0});
      const Computed got = turned.take(NodeId{0});
      ASSERT_EQ(got.ticket, expected.ticket);
      ASSERT_TRUE(std::ranges::equal(got.result.floats(), expected.result.floats()));
    }
  }
}

}  // namespace
}  // namespace kith
