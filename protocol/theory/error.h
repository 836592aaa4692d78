// Published convergence bounds for the coordinator's algorithms (ALGORITHMS 4.1, B1 to B4), and the
// two adaptive rules that come out of them (ALGORITHMS 5).
//
// Non-convex bounds are on the average over the updates of E ||grad F||^2; the strongly convex ones
// on E F - F*. A step-size condition is a predicate of its own: a bound says nothing where it does
// not hold. Error against time t: put t / E T for the number of updates, and for B3 t / (Y + D/tau)
// with Y a local step's time and D an exchange's.
//
// Constants that ALGORITHMS tags [M] were written down from memory and are not verified against the
// papers; the comments below say which. For exact errors on quadratics: `*_laboratory.h`.
#pragma once

#include <cstdint>

namespace kith {

struct Objective {
  double initial_gap = 1;       // F(x_0) - inf F
  double smoothness = 1;        // L
  double strong_convexity = 0;  // mu, 0 if F is not strongly convex
  double sigma = 1;             // a worker's gradient has variance sigma^2, over all coordinates
};

// B1, SYNC with N workers; K-SYNC and K-BATCH-SYNC with K for `workers`.
//   2 gap / (eta T) + eta L sigma^2 / N,  eta <= 1/L
bool synchronous_rate_allowed(const Objective& objective, double rate);
double synchronous_bound(const Objective& objective, double rate, double workers, double updates);
// Strongly convex: floor eta L sigma^2 / (2 mu N), then floor + (1 - eta mu)^T (gap - floor).
double synchronous_floor(const Objective& objective, double rate, double workers);
double synchronous_gap_bound(const Objective& objective, double rate, double workers,
                             double updates);

// B2, K-ASYNC (Dutta et al. 2018) [M].
struct StalenessBound {
  // E ||grad F(w) - grad F(w_stale)||^2 <= gamma E ||grad F(w)||^2, 0 <= gamma <= 1.
  double gamma = 0;
  double fresh = 1;  // p0, the least probability that an applied gradient is not stale

  double progress() const { return 1 - gamma + fresh / 2; }  // gamma'
};

// eta <= 1 / (2 L (M_G / (K m) + 1/K)): gradient_growth is M_G, of the part of a gradient's
// variance that grows with ||grad F||^2; m is the mini-batch, with sigma^2 the variance of one
// sample.
bool kasync_rate_allowed(const Objective& objective, double rate, double k, double batch,
                         double gradient_growth);
//   2 gap / (J eta gamma') + L eta sigma^2 / (K m gamma')
double kasync_bound(const Objective& objective, double rate, double k, double batch,
                    const StalenessBound& staleness, double updates);
//   floor = eta L sigma^2 / (2 mu gamma' K m), then floor + (1 - eta mu gamma')^J (gap - floor)
double kasync_floor(const Objective& objective, double rate, double k, double batch,
                    const StalenessBound& staleness);
double kasync_gap_bound(const Objective& objective, double rate, double k, double batch,
                        const StalenessBound& staleness, double updates);

// B3, local SGD (Wang & Joshi 2019); T counts local steps [M; structure verified].
//   2 gap / (eta T) + eta L sigma^2 / N + eta^2 L^2 sigma^2 (tau - 1)
//   eta L + eta^2 L^2 tau (tau - 1) <= 1
bool local_rate_allowed(const Objective& objective, double rate, double period);
double local_bound(const Objective& objective, double rate, double workers, double period,
                   double steps);
// Strongly convex (Stich 2019) [M]: eta_t = 4 / (mu (a + t)), a = max(16 kappa, tau), kappa = L/mu,
// and the terms sigma^2 / (mu N T) + kappa tau^2 G^2 / (mu T^2) inside an O(.), whose constant is
// not stated here: for how it scales, not for its value. G^2 bounds E ||g||^2.
double stich_rate(const Objective& objective, double period, double step);
double stich_order(const Objective& objective, double workers, double period, double gradient_bound,
                   double steps);

// B4, Cooperative SGD A(tau, W, v) (Wang & Joshi 2018) with v auxiliary columns (EASGD: 1) and
// eta' = eta N / (N + v):
//   2 gap / (eta' T) + eta' L sigma^2 / N + eta'^2 L^2 sigma^2 [(1 + zeta^2)/(1 - zeta^2) tau - 1]
//   eta' L + 5 eta'^2 L^2 (tau / (1 - zeta))^2 <= 1 [M]
struct Cooperation {
  double workers = 1;
  double auxiliary = 0;  // v
  double zeta = 0;       // second largest |eigenvalue| of W, < 1
  double period = 1;     // tau

  double effective_rate(double rate) const { return rate * workers / (workers + auxiliary); }
};
bool cooperative_rate_allowed(const Objective& objective, double rate, const Cooperation& how);
double cooperative_bound(const Objective& objective, double rate, const Cooperation& how,
                         double steps);
// The bracket. Verified: a mode of W with eigenvalue l has, for small steps, the mean square
// (s2/2) cooperative_spread(l, tau) over a period exactly, half of what the bound takes.
double cooperative_spread(double zeta, double period);

// In both rules loss_ratio is the smoothed loss now over the loss at the start, F / F_0 >= 0. They
// are a few floating-point operations and allocate nothing.

// AdaSync: how many of N gradients to wait for, given K_0 at the start. Minimises B2 in time, so
// the constants drop out.
//   E T = K EX / N (K-batch-sync and -async):  K_0 sqrt(F_0 / F)
//   E T ~ log(N / (N - K)) (K-sync and K-async, exponential; a shift drops out as well):
//     (-R + sqrt(R^2 + 4 R N)) / 2,  R = K_0^2 / (N - K_0) F_0 / F,  the root of K^2 + R K = R N
double adasync_batch_optimum(double first, double loss_ratio);
double adasync_harmonic_optimum(double first, double nodes, double loss_ratio);
// The same rounded up and clamped to [1, N]. The caller keeps K from falling.
uint32_t adasync_batch(uint32_t first, uint32_t nodes, double loss_ratio);
uint32_t adasync_harmonic(uint32_t first, uint32_t nodes, double loss_ratio);

// AdaQuantFL: levels of QSGD, s_0 sqrt(F_0 / F), rounded, in [1, most].
uint32_t adaquant_levels(uint32_t first, double loss_ratio, uint32_t most);

// AdaComm: local steps between two averages.
// The period that minimises B3 after `seconds`, with D = `exchange` in seconds:
//   tau* = sqrt(2 gap D / (eta^3 L^2 sigma^2 t))
double adacomm_optimum(const Objective& objective, double rate, double exchange, double seconds);
// The rule, applied every T_0 seconds: ceil(sqrt(F/F_0 eta_0/eta) tau_0), or half of `previous`,
// rounded up, if that is not smaller than `previous`; so the period falls each time until it is 1.
// rate_ratio is eta_0 over the rate now, 1 if it is constant. (The exact law has eta^3, which jumps
// too much.)
uint32_t adacomm_period(uint32_t first, uint32_t previous, double loss_ratio,
                        double rate_ratio = 1);

}  // namespace kith
