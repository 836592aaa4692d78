// The worker's queue of a daemon: cancelled work is not answered and leaves no trace, whether it
// waits, is under way or is done already when it is cancelled.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "daemon/real/compute_queue.h"

namespace kith {
namespace {

constexpr size_t kReplicas = 50;

std::shared_ptr<LoadedJob> load_laboratory(const AlgorithmInfo& algorithm) {
  const Job job = parse_job(
      "[model]\nkind = \"quadratic\"\nnoise = 1.0\nreplicas = 50\n"
      "[train]\nmomentum = 0.9\n[topology]\ngraph = \"complete\"\n[stop]\nrounds = 50\n");
  auto loaded = std::make_shared<LoadedJob>();
  loaded->model = model_info("quadratic").make({}, 1, job.model.options);
  loaded->plan = make_plan(job, 1, *loaded->model, 0);
  loaded->plan.algorithm = &algorithm;
  return loaded;
}

TEST(ComputeQueue, CancelledWorkIsNotAnsweredAndLeavesNoTrace) {
  AlgorithmInfo cancelling = algorithm_info("dpsgd");
  cancelling.cancels = true;
  const auto loaded = load_laboratory(cancelling);
  const auto work = [&](uint64_t ticket, uint32_t steps) {
    return Compute{.ticket = ticket,
                   .first_batch = 10 * ticket,
                   .steps = steps,
                   .at = copy_of(std::vector<float>(kReplicas, 1), loaded->pool),
                   .rule = LocalRule::local_steps()};
  };
  Loop loop;
  std::vector<Computed> answers;
  std::unique_ptr<ComputeQueue> queue;
  const auto done = [&](Computed&& computed) {
    const uint64_t ticket = computed.ticket;
    answers.push_back(std::move(computed));
    if (ticket == 1) {  // 2 is under way, and done before it is cancelled
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      queue->cancel(2);
    }
    if (ticket == 3) {
      queue->push(work(4, limits::kLocalSteps));  // under way when it is cancelled
      queue->push(work(5, 2));                    // waits when it is cancelled
      queue->push(work(6, 2));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      queue->cancel(4);
      queue->cancel(5);
    }
    if (ticket == 6) loop.stop();
  };
  Workers workers(1);
  queue = std::make_unique<ComputeQueue>(loop, workers, loaded, std::nullopt, done);
  for (const uint64_t ticket : {1, 2, 3}) queue->push(work(ticket, 3));
  loop.run();

  Trainer reference(loaded->plan.trainer(NodeId{0}, *loaded->model, nullptr, {}));
  Workspace workspace;
  ASSERT_EQ(answers.size(), 3u);
  const std::vector<Compute> wanted = {work(1, 3), work(3, 3), work(6, 2)};
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(answers[i].ticket, wanted[i].ticket);
    const SharedBuffer expected = reference.run(wanted[i], loaded->pool, workspace).result;
    EXPECT_TRUE(std::ranges::equal(answers[i].result.floats(), expected.floats())) << i;
  }
}

}  // namespace
}  // namespace kith
