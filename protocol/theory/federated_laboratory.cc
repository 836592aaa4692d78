#include "protocol/theory/federated_laboratory.h"

#include <cmath>

#include "protocol/theory/series.h"
#include "topology/assert.h"

namespace kith {

namespace {

void check(const FederatedLaboratory& lab) {
  const size_t n = lab.curvature.size();
  KITH_ASSERT(n > 0 && lab.offset.size() == n && lab.weight.size() == n);
  KITH_ASSERT(lab.local_steps.size() == n && lab.proximal >= 0);
}

// w_i = eta h_i (1 + r + .. + r^(tau-1)), r = 1 - eta (h_i + mu).
double displacement(const FederatedLaboratory& lab, size_t i) {
  return lab.rate * lab.curvature[i] *
         geometric_sum(1 - lab.rate * (lab.curvature[i] + lab.proximal), lab.local_steps[i]);
}

// The round x+ = x + sum gain_i (y_i - x).
FederatedRound round_of(const FederatedLaboratory& lab, const std::vector<double>& gain) {
  double pull = 0;
  double pulled = 0;
  FederatedRound round;
  for (size_t i = 0; i < gain.size(); ++i) {
    const double w = gain[i] * displacement(lab, i);
    pull += w;
    pulled += w * lab.offset[i];
    const double keep = 1 - lab.rate * (lab.curvature[i] + lab.proximal);
    const double of_client =
        std::pow(lab.rate * lab.sigma, 2) * geometric_sum(keep * keep, lab.local_steps[i]);
    round.noise += gain[i] * gain[i] * of_client;
  }
  round.fixed_point = pulled / pull;
  round.contraction = 1 - pull;
  return round;
}

}  // namespace

double FederatedRound::mean(double start, uint64_t rounds) const {
  return fixed_point + std::pow(contraction, static_cast<double>(rounds)) * (start - fixed_point);
}

double FederatedRound::variance(uint64_t rounds) const {
  const double square = contraction * contraction;
  if (square == 1) return noise * static_cast<double>(rounds);
  return noise * (1 - std::pow(square, static_cast<double>(rounds))) / (1 - square);
}

double FederatedRound::variance_limit() const {
  KITH_ASSERT(std::abs(contraction) < 1);
  return noise / (1 - contraction * contraction);
}

double federated_optimum(const FederatedLaboratory& laboratory) {
  check(laboratory);
  double sum = 0;
  double weighted = 0;
  for (size_t i = 0; i < laboratory.curvature.size(); ++i) {
    const double ph = laboratory.weight[i] * laboratory.curvature[i];
    sum += ph;
    weighted += ph * laboratory.offset[i];
  }
  return weighted / sum;
}

FederatedRound fedavg_round(const FederatedLaboratory& laboratory) {
  check(laboratory);
  return round_of(laboratory, laboratory.weight);
}

FederatedRound fednova_round(const FederatedLaboratory& laboratory) {
  check(laboratory);
  std::vector<double> gain = laboratory.weight;
  double effective = 0;  // tau_eff
  for (size_t i = 0; i < gain.size(); ++i) {
    const double norm =
        geometric_sum(1 - laboratory.rate * laboratory.proximal, laboratory.local_steps[i]);
    effective += gain[i] * norm;
    gain[i] /= norm;
  }
  for (double& g : gain) g *= effective;
  return round_of(laboratory, gain);
}

double scaffold_fixed_point(const FederatedLaboratory& laboratory) {
  return federated_optimum(laboratory);
}

double fedavg_small_step_bias(const FederatedLaboratory& laboratory) {
  const double optimum = federated_optimum(laboratory);
  KITH_ASSERT(laboratory.proximal == 0);
  double sum = 0;
  double weighted = 0;
  for (size_t i = 0; i < laboratory.curvature.size(); ++i) {
    KITH_ASSERT(laboratory.local_steps[i] == laboratory.local_steps[0]);
    const double ph = laboratory.weight[i] * laboratory.curvature[i];
    sum += ph;
    weighted += ph * laboratory.curvature[i] * (laboratory.offset[i] - optimum);
  }
  return -laboratory.rate * (laboratory.local_steps[0] - 1.0) / 2 * weighted / sum;
}

}  // namespace kith
