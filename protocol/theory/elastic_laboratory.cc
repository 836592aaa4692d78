#include "protocol/theory/elastic_laboratory.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "protocol/theory/affine.h"
#include "topology/assert.h"

namespace kith {

namespace {

void step_alone(const ScalarQuadratic& problem, double nodes, ElasticMoments& m) {
  const double a = problem.keep();
  const double added =
      problem.noise() + problem.slope_gain() * (m.average.second + m.consensus);  // to each worker
  m.average = {a * m.average.mean, a * a * m.average.second + added / nodes};
  m.product *= a;
  m.consensus = a * a * m.consensus + (1 - 1 / nodes) * added;
}

// xbar+ = own xbar + alpha z, z+ = gain xbar + (1 - N alpha) z; the distances times `own`.
void exchange(double own, double gain, const ElasticSpec& spec, ElasticMoments& m) {
  const double pull = spec.alpha;
  const double rest = 1 - spec.nodes * spec.alpha;
  const ElasticMoments old = m;
  const double x = old.average.second;
  const double z = old.centre.second;
  m.average = {own * old.average.mean + pull * old.centre.mean,
               own * own * x + 2 * own * pull * old.product + pull * pull * z};
  m.centre = {gain * old.average.mean + rest * old.centre.mean,
              gain * gain * x + 2 * gain * rest * old.product + rest * rest * z};
  m.product = own * gain * x + (own * rest + pull * gain) * old.product + pull * rest * z;
  m.consensus = own * own * old.consensus;
}

void elastic_round(const ScalarQuadratic& problem, const ElasticSpec& spec, ElasticMoments& m) {
  if (spec.order == ElasticOrder::kFirstStep) {
    elastic_round(problem, {spec.nodes, spec.alpha, 1, ElasticOrder::kTogether}, m);
    for (uint32_t i = 1; i < spec.period; ++i) step_alone(problem, spec.nodes, m);
    return;
  }
  const double gain = spec.nodes * spec.alpha;
  ElasticMoments stepped = m;
  for (uint32_t i = 0; i < spec.period; ++i) step_alone(problem, spec.nodes, stepped);
  if (spec.order == ElasticOrder::kStepFirst) {
    exchange(1 - spec.alpha, gain, spec, stepped);
    m = stepped;
    return;
  }
  // T(x) = b x + noise that is uncorrelated with x.
  const double b = std::pow(problem.keep(), spec.period);
  const double to_average = stepped.average.second - b * b * m.average.second;
  const double to_consensus = stepped.consensus - b * b * m.consensus;
  exchange(b - spec.alpha, gain, spec, m);
  m.average.second += to_average;
  m.consensus += to_consensus;
}

void check(const ElasticSpec& spec) { KITH_ASSERT(spec.nodes >= 1 && spec.period >= 1); }

}  // namespace

ElasticProcess::ElasticProcess(const ScalarQuadratic& problem, const ElasticSpec& spec)
    : problem_(problem), spec_(spec) {
  check(spec);
  const ScalarMoments start{problem.start, problem.start * problem.start};
  moments_ = {start, start, start.second, 0};
}

void ElasticProcess::step() { elastic_round(problem_, spec_, moments_); }

void ElasticProcess::local_step() { step_alone(problem_, spec_.nodes, moments_); }

ElasticMoments elastic_limit(const ScalarQuadratic& problem, const ElasticSpec& spec) {
  check(spec);
  const AffineLimit limit = affine_limit(4, [&](std::vector<double>& s) {
    ElasticMoments m{{0, s[0]}, {0, s[1]}, s[2], s[3]};
    elastic_round(problem, spec, m);
    s = {m.centre.second, m.average.second, m.product, m.consensus};
  });
  KITH_ASSERT(limit.spectral_radius < 1);
  const std::vector<double>& s = limit.fixed_point;
  return {{0, s[0]}, {0, s[1]}, s[2], s[3]};
}

// Of the map of (xbar, z), whose eigenvalues must lie inside the unit circle: 1 + trace +
// determinant > 0 and determinant < 1 (1 - trace + determinant = N alpha (1 - b) > 0 always); and
// of distances.
double elastic_alpha_limit(double pull, const ElasticSpec& spec) {
  check(spec);
  KITH_ASSERT(pull >= 0 && pull < 2);
  const double n = spec.nodes;
  const double a = 1 - pull;
  const double b = std::pow(a, spec.period);
  const auto positive = [](double limit) {
    return limit > 0 ? limit : std::numeric_limits<double>::infinity();
  };
  switch (spec.order) {
    case ElasticOrder::kTogether: return 2 * (1 + b) / (n + 2 + n * b);
    case ElasticOrder::kStepFirst:
      return std::min(positive(2 * (1 + b) / (n + (n + 2) * b)),
                      b < 0 ? (1 - 1 / b) / (n + 1) : std::numeric_limits<double>::infinity());
    case ElasticOrder::kFirstStep: break;
  }
  // [[d (a - alpha), d alpha], [N alpha, 1 - N alpha]]; distances times d (a - alpha).
  const double d = std::pow(a, spec.period - 1);
  const double limit =
      std::min(positive(2 * (1 + b) / (n + 2 * d + n * b)), positive((1 - b) / (-d * (1 + n * a))));
  return spec.nodes > 1 && d != 0 ? std::min(limit, a + 1 / std::abs(d)) : limit;
}

double elastic_coded_alpha_limit(uint32_t nodes, double variance) {
  const double n = nodes;
  const double w = variance;
  // Their difference, without its rounding where w is large.
  return 4 / (n + 2 + 2 * w + std::sqrt(n * n + 4 * w * (1 + w)));
}

double elastic_pair_alpha_limit(double variance) { return 1 / (1 + variance); }

double elastic_zeta(uint32_t nodes, double alpha) {
  return std::max(std::abs(1 - alpha), std::abs(1 - (nodes + 1.0) * alpha));
}

double elastic_best_alpha(uint32_t nodes) { return 2.0 / (nodes + 2.0); }

}  // namespace kith
