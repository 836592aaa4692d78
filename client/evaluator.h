// Judges the average model while the daemons train, on a thread that takes only what they leave.
#pragma once

#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "client/training.h"
#include "daemon/learn/trainer.h"

namespace kith {

struct Judgement {
  Round round = 0;
  double consensus_distance = 0;  // mean over the nodes of |x_i - mean x|^2
  std::optional<double> accuracy;
};

class Evaluator {
 public:
  // Loads model and test set in the background. `job` outlives it.
  Evaluator(const Job& job, uint32_t nodes);

  // The model and the test set; waits for them. Throws OperatorError if they cannot be had.
  const Training& training();

  // True when judge() may be called: loaded, and nothing under way.
  bool idle();
  void judge(Round round, std::vector<std::vector<float>> parameters, bool accuracy);
  // Once for each judge().
  std::optional<Judgement> take();

 private:
  std::future<Training> loading_;
  std::optional<Training> training_;
  std::future<Judgement> judging_;
};

}  // namespace kith
