#include "client/evaluator.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/store/result.h"
#include "topology/assert.h"

namespace kith {

namespace {

using namespace std::chrono_literals;

// Of this thread alone: on Linux a niceness belongs to a thread. At 5 a fully busy machine leaves
// it a twelfth of a core, enough for a fresh figure every second or so; at 15 it starved.
void step_back() {
  constexpr int kNice = 5;
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNice);
}

template <typename T>
bool ready(const std::future<T>& future) {
  return future.valid() && future.wait_for(0s) == std::future_status::ready;
}

}  // namespace

Evaluator::Evaluator(const Job& job, uint32_t nodes)
    : loading_(std::async(std::launch::async,
                          [&job, nodes] { return load_training(job, nodes, false); })) {}

const Training& Evaluator::training() {
  if (!training_) training_ = loading_.get();
  return *training_;
}

bool Evaluator::idle() {
  if (!training_ && !ready(loading_)) return false;
  training();
  return !judging_.valid();
}

void Evaluator::judge(Round round, std::vector<std::vector<float>> parameters, bool accuracy) {
  KITH_ASSERT(idle());
  const Dataset* test = accuracy ? training_->test.get() : nullptr;
  const Model* model = training_->model.get();
  judging_ = std::async(std::launch::async, [=, parameters = std::move(parameters)] {
    step_back();
    const std::vector<std::span<const float>> vectors(parameters.begin(), parameters.end());
    const std::vector<float> average = average_of(vectors);
    Judgement judgement{round, consensus_distance_of(vectors, average), std::nullopt};
    Workspace workspace;
    if (test) judgement.accuracy = evaluate(*model, *test, average, workspace).accuracy;
    return judgement;
  });
}

std::optional<Judgement> Evaluator::take() {
  if (!ready(judging_)) return std::nullopt;
  return judging_.get();
}

}  // namespace kith
