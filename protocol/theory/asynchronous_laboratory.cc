#include "protocol/theory/asynchronous_laboratory.h"

#include <cmath>

#include "protocol/theory/affine.h"
#include "topology/assert.h"

namespace kith {

namespace {

StaleMoments all_at(double start) {
  const double square = start * start;
  return {square, square, square, square, start, start};
}

// What the limit under K-async needs of N and K.
struct Draw {
  double q;       // a given worker is among the K
  double second;  // q2 / q: a given other one too, knowing that; 1 for a single worker
  double u;       // 2q - q2
  double w;       // 2 (1 - q2/q)
};

Draw draw_of(uint32_t nodes, uint32_t k) {
  KITH_ASSERT(k >= 1 && k <= nodes);
  const double q = static_cast<double>(k) / nodes;
  const double second = nodes == 1 ? 1.0 : (k - 1.0) / (nodes - 1.0);
  return {q, second, q * (2 - second), 2 * (1 - second)};
}

// The limit's B and D follow from its A, and C = A; what is left says that the noise s2 balances
// decay * A.
struct Ratios {
  double model_read;  // B / A
  double reads;       // D / A
  double decay;
};

Ratios ratios(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k) {
  const Draw draw = draw_of(nodes, k);
  const double c = problem.pull();
  Ratios out{};
  out.reads = draw.u / (draw.u + draw.w * c);
  out.model_read = 1 - (1 - draw.q) / draw.q * c * out.reads;
  out.decay =
      k * 2 * c * out.model_read - c * c * (1 + (k - 1.0) * out.reads) - problem.slope_gain();
  return out;
}

// Worker w, uniform, takes z for its y. Given E z^2, E z y_j for j != w, and E z.
void replace_read(double nodes, double square, double product, double mean, StaleMoments& s) {
  const double one = 1 / nodes;
  s.read += one * (square - s.read);
  s.read_mean += one * (mean - s.read_mean);
  s.reads = nodes == 1 ? s.read : s.reads + 2 * one * (product - s.reads);
}

void kbatch_update(const ScalarQuadratic& problem, double nodes, uint32_t k, StaleMoments& s) {
  // G: sum of the y that this update's gradients were computed at.
  double sum_model = 0;   // E G x
  double sum_read = 0;    // E G y_i
  double sum_square = 0;  // E G^2
  double sum_mean = 0;    // E G
  double squares = 0;     // sum of the E y^2
  const auto mixed = [&](double others, double own) { return others + (own - others) / nodes; };
  for (uint32_t arrival = 1;; ++arrival) {
    sum_square += 2 * sum_read + s.read;
    sum_model += s.model_read;
    sum_mean += s.read_mean;
    squares += s.read;
    const double sum_others = sum_read + s.reads;  // E G y_i for i != w
    if (arrival < k) {
      sum_read = mixed(sum_others, sum_model);
      replace_read(nodes, s.model, s.model_read, s.mean, s);
      s.model_read = mixed(s.model_read, s.model);
      continue;
    }
    const double share = problem.pull() / k;
    const double kept = s.model_read - share * sum_others;  // E x+ y_i for i != w
    s.model += -2 * share * sum_model + share * share * sum_square +
               (problem.noise() + problem.slope_gain() * squares / k) / k;
    s.mean -= share * sum_mean;
    replace_read(nodes, s.model, kept, s.mean, s);
    s.model_read = mixed(kept, s.model);
    return;
  }
}

}  // namespace

KAsyncProcess::KAsyncProcess(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k)
    : problem_(problem), nodes_(nodes), stale_(all_at(problem.start)) {
  wait_for(k);
}

void KAsyncProcess::wait_for(uint32_t k) {
  KITH_ASSERT(k >= 1 && k <= nodes_);
  k_ = k;
}

void KAsyncProcess::step() {
  const double c = problem_.pull();
  const double q = k_ / nodes_;                                                   // in S
  const double both = nodes_ == 1 ? 1 : k_ * (k_ - 1) / (nodes_ * (nodes_ - 1));  // two in S
  const StaleMoments old = stale_;
  const double added = (problem_.noise() + problem_.slope_gain() * old.read) / k_;
  stale_.model =
      old.model - 2 * c * old.model_read + c * c * (old.read + (k_ - 1) * old.reads) / k_ + added;
  const double kept = old.model_read - c * old.reads;  // E x+ y_i for i outside S
  stale_.model_read = q * stale_.model + (1 - q) * kept;
  stale_.read = q * stale_.model + (1 - q) * old.read;
  stale_.reads = both * stale_.model + 2 * (q - both) * kept + (1 - 2 * q + both) * old.reads;
  stale_.mean = old.mean - c * old.read_mean;
  stale_.read_mean = q * stale_.mean + (1 - q) * old.read_mean;
}

KBatchAsyncProcess::KBatchAsyncProcess(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k)
    : problem_(problem), nodes_(nodes), k_(k), stale_(all_at(problem.start)) {
  KITH_ASSERT(nodes >= 1 && k >= 1);
}

void KBatchAsyncProcess::step() { kbatch_update(problem_, nodes_, k_, stale_); }

double kasync_variance(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k) {
  KITH_ASSERT(kasync_stable(problem, nodes, k));
  return problem.noise() / ratios(problem, nodes, k).decay;
}

// As c grows from 0, what the noise is divided by changes its sign once: where the spectral radius
// of the moments' map, which maps moment matrices to moment matrices, passes 1.
bool kasync_stable(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k) {
  return problem.pull() > 0 && ratios(problem, nodes, k).decay > 0;
}

// The positive root of (w/K) c^2 - p c - 2u = 0, which is where `decay` vanishes.
double kasync_pull_limit(uint32_t nodes, uint32_t k) {
  const Draw draw = draw_of(nodes, k);
  const double p = 2 * draw.w - 2 * (1 - draw.q) / draw.q * draw.u - draw.u;
  return 4 * draw.u / (std::sqrt(p * p + 8 * draw.u * draw.w / k) - p);
}

double kasync_staleness(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k) {
  return 2 * (1 - ratios(problem, nodes, k).model_read);
}

double kbatch_async_variance(const ScalarQuadratic& problem, uint32_t nodes, uint32_t k) {
  KITH_ASSERT(nodes >= 1 && k >= 1);
  const AffineLimit limit = affine_limit(4, [&](std::vector<double>& m) {
    StaleMoments stale{m[0], m[1], m[2], m[3], 0, 0};
    kbatch_update(problem, nodes, k, stale);
    m = {stale.model, stale.model_read, stale.read, stale.reads};
  });
  KITH_ASSERT(limit.spectral_radius < 1);
  return limit.fixed_point[0];
}

}  // namespace kith
