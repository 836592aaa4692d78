#include "protocol/theory/local_laboratory.h"

#include <cmath>

#include "protocol/theory/series.h"
#include "topology/assert.h"

namespace kith {

namespace {

double growth(const ScalarQuadratic& q) { return q.keep() * q.keep() + q.slope_gain(); }  // m

}  // namespace

LocalSgdProcess::LocalSgdProcess(const ScalarQuadratic& problem, uint32_t nodes, uint32_t period)
    : problem_(problem),
      nodes_(nodes),
      mean_(problem.start),
      own_(problem.start * problem.start),
      pair_(own_) {
  KITH_ASSERT(nodes >= 1);
  set_period(period);
}

void LocalSgdProcess::set_period(uint32_t period) {
  KITH_ASSERT(period >= 1);
  period_ = period;
}

void LocalSgdProcess::step() {
  for (uint32_t i = 0; i < period_; ++i) local_step();
  average();
}

void LocalSgdProcess::local_step() {
  const double a = problem_.keep();
  mean_ *= a;
  own_ = growth(problem_) * own_ + problem_.noise();
  pair_ *= a * a;
}

void LocalSgdProcess::average() {
  own_ = average_second();
  pair_ = own_;
}

double LocalSgdProcess::average_second() const { return own_ / nodes_ + (1 - 1 / nodes_) * pair_; }

LaboratoryMoments LocalSgdProcess::moments() const {
  return {.mean_of_average = mean_,
          .variance_of_average = average_second() - mean_ * mean_,
          .consensus = (1 - 1 / nodes_) * (own_ - pair_)};
}

double LocalSgdProcess::loss() const { return problem_.loss(average_second()); }

double local_variance(const ScalarQuadratic& problem, uint32_t nodes, uint32_t period) {
  const double n = nodes;
  const double m = growth(problem);
  const double kept =
      std::pow(m, period) / n + (1 - 1 / n) * std::pow(problem.keep(), 2.0 * period);
  KITH_ASSERT(nodes >= 1 && period >= 1 && kept < 1);
  return problem.noise() * geometric_sum(m, period) / n / (1 - kept);
}

double local_consensus(const ScalarQuadratic& problem, uint32_t nodes, uint32_t period,
                       uint32_t steps) {
  KITH_ASSERT(steps < period);
  const double m = growth(problem);
  const double spread = std::pow(m, steps) - std::pow(problem.keep(), 2.0 * steps);  // of P and Q
  return (1 - 1.0 / nodes) * (problem.noise() * geometric_sum(m, steps) +
                              spread * local_variance(problem, nodes, period));
}

double mean_local_consensus(const ScalarQuadratic& problem, uint32_t nodes, uint32_t period) {
  double own = local_variance(problem, nodes, period);
  double pair = own;
  double sum = 0;
  for (uint32_t j = 0; j < period; ++j) {
    sum += own - pair;
    own = growth(problem) * own + problem.noise();
    pair *= problem.keep() * problem.keep();
  }
  return (1 - 1.0 / nodes) * sum / period;
}

}  // namespace kith
