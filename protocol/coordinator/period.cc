#include "protocol/coordinator/period.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "protocol/limits.h"
#include "protocol/theory/error.h"
#include "topology/assert.h"

namespace kith {

namespace {

uint32_t steps_of_passes(double passes, size_t rows, uint32_t batch) {
  const double steps = std::round(passes * static_cast<double>(rows) / batch);
  return static_cast<uint32_t>(std::clamp<double>(steps, 1, limits::kLocalSteps));
}

// Rounds that a stretch of the run takes in which a round has `steps` batches, as a multiple of its
// batches.
double rounds_per_batch(uint32_t steps) { return 1.0 / steps; }

}  // namespace

Period::Period(PeriodRule rule) : rule_(std::move(rule)) {
  KITH_ASSERT(!rule_.steps.empty());
  if (rule_.adapt_every > Duration::zero()) adapted_ = rule_.steps[0];
  next_review_ = Time(rule_.adapt_every);
}

void Period::observe(Time now, double loss, double rate) {
  if (adapted_ == 0) return;
  if (first_rate_ == 0) {
    first_loss_ = loss;
    first_rate_ = rate;
  }
  if (now < next_review_) return;
  adapted_ = adacomm_period(rule_.steps[0], adapted_, loss / first_loss_, first_rate_ / rate);
  while (next_review_ <= now) next_review_ += rule_.adapt_every;
}

void Period::persist(Archive& archive) {
  archive.number("adapted", adapted_);
  archive.number("first_loss", first_loss_);
  archive.number("first_rate", first_rate_);
  archive.number("next_review", next_review_);
}

uint32_t Period::steps(const NodeState& state, NodeId node, size_t rows, uint64_t batches) const {
  if (adapted_ > 0) return adapted_;
  if (rule_.passes > 0 && rows > 0) return steps_of_passes(rule_.passes, rows, state.batch);
  const double done = state.optimizer->schedule.fraction(batches, state.total_batches);
  if (done < rule_.single_until) return 1;
  if (!rule_.stages.empty()) {
    const double stage = done * static_cast<double>(rule_.stages.size());
    return rule_.stages[std::min(static_cast<size_t>(stage), rule_.stages.size() - 1)];
  }
  return rule_.steps.size() == 1 ? rule_.steps[0] : rule_.steps[index_of(node)];
}

double mean_period(const PeriodRule& rule) {
  if (!rule.stages.empty()) {
    double rounds = 0;
    for (const uint32_t steps : rule.stages) {
      rounds += rounds_per_batch(steps) / static_cast<double>(rule.stages.size());
    }
    return 1 / rounds;
  }
  const double mean = std::accumulate(rule.steps.begin(), rule.steps.end(), 0.0) /
                      static_cast<double>(rule.steps.size());
  return 1 / (rule.single_until + (1 - rule.single_until) / mean);
}

}  // namespace kith
