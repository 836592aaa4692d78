#include "protocol/theory/error.h"

#include <algorithm>
#include <cmath>

#include "topology/assert.h"

namespace kith {

namespace {

// Rounding error must not make 5 of 5.0000000001.
constexpr double kRoundingSlack = 1e-9;

double square(double x) { return x * x; }

double to_floor(double floor, double contraction, double updates, double gap) {
  return floor + std::pow(contraction, updates) * (gap - floor);
}

uint32_t clamped_up(double optimum, uint32_t nodes) {
  if (!(optimum < nodes)) return nodes;  // also where the loss has vanished
  return std::max(1U, static_cast<uint32_t>(std::ceil(optimum - kRoundingSlack)));
}

}  // namespace

bool synchronous_rate_allowed(const Objective& objective, double rate) {
  return rate > 0 && rate * objective.smoothness <= 1;
}

double synchronous_bound(const Objective& objective, double rate, double workers, double updates) {
  return 2 * objective.initial_gap / (rate * updates) +
         rate * objective.smoothness * square(objective.sigma) / workers;
}

double synchronous_floor(const Objective& objective, double rate, double workers) {
  return rate * objective.smoothness * square(objective.sigma) /
         (2 * objective.strong_convexity * workers);
}

double synchronous_gap_bound(const Objective& objective, double rate, double workers,
                             double updates) {
  return to_floor(synchronous_floor(objective, rate, workers),
                  1 - rate * objective.strong_convexity, updates, objective.initial_gap);
}

bool kasync_rate_allowed(const Objective& objective, double rate, double k, double batch,
                         double gradient_growth) {
  return rate > 0 &&
         rate <= 1 / (2 * objective.smoothness * (gradient_growth / (k * batch) + 1 / k));
}

double kasync_bound(const Objective& objective, double rate, double k, double batch,
                    const StalenessBound& staleness, double updates) {
  return synchronous_bound(objective, rate, k * batch, updates) / staleness.progress();
}

double kasync_floor(const Objective& objective, double rate, double k, double batch,
                    const StalenessBound& staleness) {
  return synchronous_floor(objective, rate, k * batch) / staleness.progress();
}

double kasync_gap_bound(const Objective& objective, double rate, double k, double batch,
                        const StalenessBound& staleness, double updates) {
  return to_floor(kasync_floor(objective, rate, k, batch, staleness),
                  1 - rate * objective.strong_convexity * staleness.progress(), updates,
                  objective.initial_gap);
}

bool local_rate_allowed(const Objective& objective, double rate, double period) {
  const double step = rate * objective.smoothness;
  return rate > 0 && step + step * step * period * (period - 1) <= 1;
}

double local_bound(const Objective& objective, double rate, double workers, double period,
                   double steps) {
  return synchronous_bound(objective, rate, workers, steps) +
         square(rate * objective.smoothness * objective.sigma) * (period - 1);
}

double stich_rate(const Objective& objective, double period, double step) {
  const double mu = objective.strong_convexity;
  return 4 / (mu * (std::max(16 * objective.smoothness / mu, period) + step));
}

double stich_order(const Objective& objective, double workers, double period, double gradient_bound,
                   double steps) {
  const double mu = objective.strong_convexity;
  return square(objective.sigma) / (mu * workers * steps) +
         objective.smoothness / mu * square(period * gradient_bound / steps) / mu;
}

bool cooperative_rate_allowed(const Objective& objective, double rate, const Cooperation& how) {
  const double step = how.effective_rate(rate) * objective.smoothness;
  return rate > 0 && how.zeta < 1 && step + 5 * square(step * how.period / (1 - how.zeta)) <= 1;
}

double cooperative_bound(const Objective& objective, double rate, const Cooperation& how,
                         double steps) {
  const double effective = how.effective_rate(rate);
  return synchronous_bound(objective, effective, how.workers, steps) +
         square(effective * objective.smoothness * objective.sigma) *
             cooperative_spread(how.zeta, how.period);
}

double cooperative_spread(double zeta, double period) {
  return (1 + zeta * zeta) / (1 - zeta * zeta) * period - 1;
}

double adasync_batch_optimum(double first, double loss_ratio) {
  return first / std::sqrt(loss_ratio);
}

// 2 N / (1 + sqrt(1 + 4 N / R)): the root in the form that keeps its digits for large R.
double adasync_harmonic_optimum(double first, double nodes, double loss_ratio) {
  const double spare = 4 * nodes * (nodes - first) / (first * first) * loss_ratio;  // 4 N / R
  return 2 * nodes / (1 + std::sqrt(1 + spare));
}

uint32_t adasync_batch(uint32_t first, uint32_t nodes, double loss_ratio) {
  KITH_ASSERT(first >= 1 && first <= nodes);
  return clamped_up(adasync_batch_optimum(first, loss_ratio), nodes);
}

uint32_t adasync_harmonic(uint32_t first, uint32_t nodes, double loss_ratio) {
  KITH_ASSERT(first >= 1 && first <= nodes);
  return clamped_up(adasync_harmonic_optimum(first, nodes, loss_ratio), nodes);
}

double adacomm_optimum(const Objective& objective, double rate, double exchange, double seconds) {
  return std::sqrt(2 * objective.initial_gap * exchange /
                   (rate * seconds * square(rate * objective.smoothness * objective.sigma)));
}

uint32_t adaquant_levels(uint32_t first, double loss_ratio, uint32_t most) {
  KITH_ASSERT(first >= 1 && most >= first && loss_ratio >= 0);
  const double wanted = first / std::sqrt(loss_ratio);  // infinite where the loss is 0
  if (!(wanted < most)) return most;
  return std::max(1u, static_cast<uint32_t>(std::lround(wanted)));
}

uint32_t adacomm_period(uint32_t first, uint32_t previous, double loss_ratio, double rate_ratio) {
  KITH_ASSERT(first >= 1 && previous >= 1);
  const double wanted = std::ceil(std::sqrt(loss_ratio * rate_ratio) * first - kRoundingSlack);
  if (wanted < previous) return std::max(1U, static_cast<uint32_t>(wanted));
  return previous - previous / 2;
}

}  // namespace kith
