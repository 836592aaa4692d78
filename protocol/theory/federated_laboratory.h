// Exact error of the federated averaging family on quadratics that differ by node, in data, in
// curvature and in the number of local steps (ALGORITHMS 4.2 E4). All clients take part.
//
//   f_i(x) = h_i/2 (x - b_i)^2, weights p_i with sum 1, optimum of sum p_i f_i: sum p h b / sum p h
//
// From the coordinator's x, tau_i steps of client i lead to y_i = x + w_i (b_i - x) in the mean
// with
//   w_i = h_i (1 - (1 - eta (h_i + mu))^tau_i) / (h_i + mu)
// (mu is FedProx's pull towards x; 0 in FedAvg), so a round maps E x to contraction E x + shift.
#pragma once

#include <cstdint>
#include <vector>

namespace kith {

struct FederatedLaboratory {
  std::vector<double> curvature;      // h_i > 0, by client
  std::vector<double> offset;         // b_i
  std::vector<double> weight;         // p_i >= 0 with sum 1: share of the data
  std::vector<uint32_t> local_steps;  // tau_i >= 1
  double rate = 0.1;                  // eta
  double proximal = 0;                // mu >= 0
  double sigma = 0;                   // noise of every gradient
};

struct FederatedRound {
  double fixed_point = 0;  // where the mean comes to rest
  double contraction = 0;  // of the distance from it, in one round; stable inside (-1, 1)
  double noise = 0;        // variance that one round adds to x

  double mean(double start, uint64_t rounds) const;
  double variance(uint64_t rounds) const;  // from a start that is not random
  double variance_limit() const;           // noise / (1 - contraction^2); asserts stability
};

double federated_optimum(const FederatedLaboratory& laboratory);

// x+ = sum p_i y_i. FedAvg, and FedProx with proximal > 0.
//   fixed point: sum p w b / sum p w
FederatedRound fedavg_round(const FederatedLaboratory& laboratory);

// x+ = x - tau_eff sum p_i (x - y_i) / n_i, tau_eff = sum p_i n_i, n_i = ||a_i||_1: tau_i, or
// (1 - (1 - eta mu)^tau_i) / (eta mu) with the proximal pull.
//   fixed point: sum p (w/n) b / sum p (w/n)
FederatedRound fednova_round(const FederatedLaboratory& laboratory);

// SCAFFOLD comes to rest where sum_i p_i (x - y_i) = 0 and each control variate repeats itself. The
// latter makes x - y_i = eta tau_i c for every i, so with the former c = 0 and y_i = x: c_i is the
// gradient of f_i at x and x the optimum, whatever tau_i, for means weighted by p_i throughout.
double scaffold_fixed_point(const FederatedLaboratory& laboratory);

// Small-step form of FedAvg's bias with equal tau: -(eta (tau-1) / 2) sum p h^2 (b - x*) / sum p h.
// Needs equal local steps and no proximal pull.
double fedavg_small_step_bias(const FederatedLaboratory& laboratory);

}  // namespace kith
