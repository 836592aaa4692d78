#include "protocol/theory/compressed_laboratory.h"

#include "topology/assert.h"

namespace kith {

RandKProcess::RandKProcess(const ScalarQuadratic& problem, uint32_t workers, double share,
                           bool error_feedback)
    : problem_(problem),
      workers_(workers),
      share_(share),
      error_feedback_(error_feedback),
      x_{problem.start, problem.start * problem.start} {
  KITH_ASSERT(workers >= 1 && share > 0 && share <= 1);
}

RandKProcess::Coded RandKProcess::coded() const {
  const double h = problem_.curvature;
  const double shared = memories_ + 2 * h * with_memory_ + h * h * x_.second;
  return {memory_ - memories_ + shared + problem_.slope_noise * x_.second +
              problem_.sigma * problem_.sigma,
          shared};
}

void RandKProcess::step() {
  if (error_feedback_) return step_with_memory();
  const double eta = problem_.rate;
  const Coded g = coded();
  x_.second += -2 * problem_.pull() * x_.second +
               eta * eta * (g.own / share_ + (workers_ - 1) * g.other) / workers_;
  x_.mean *= problem_.keep();
}

void RandKProcess::step_with_memory() {
  const double eta = problem_.rate;
  const double stays = 1 - share_;
  const Coded u = coded();
  const double x_u = with_memory_ + problem_.curvature * x_.second;
  const double mean_u = mean_memory_ + problem_.curvature * x_.mean;
  x_.second += -2 * eta * share_ * x_u +
               eta * eta * share_ * (u.own + (workers_ - 1) * share_ * u.other) / workers_;
  with_memory_ = stays * (x_u - eta * share_ * u.other * (workers_ - 1) / workers_);
  memory_ = stays * u.own;
  memories_ = stays * stays * u.other;
  x_.mean -= eta * share_ * mean_u;
  mean_memory_ = stays * mean_u;
}

double rand_k_variance(const ScalarQuadratic& problem, uint32_t workers, double share) {
  const double w = (1 - share) / share;
  const double h = problem.curvature;
  const double n = workers;
  const double a = problem.keep();
  const double rate = problem.rate;
  const double growth = a * a + rate * rate * (w * h * h + (1 + w) * problem.slope_noise) / n;
  KITH_ASSERT(growth < 1);
  return problem.noise() * (1 + w) / (n * (1 - growth));
}

double rand_k_memory_variance(const ScalarQuadratic& problem, double share) {
  const double c = problem.pull();
  KITH_ASSERT(c < 2 * share / (2 - share));
  return problem.noise() / (c * (2 + c - 2 * c / share));
}

}  // namespace kith
