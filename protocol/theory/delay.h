// Laws of how long one mini-batch takes. All times are seconds, all laws independent of the past.
//
// A job file names a law by a text, "pareto:0.01:2.5": the table in delay.cc has every law with its
// parameters, and help and error messages follow it. A law is immutable and may be shared by nodes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "topology/rng.h"

namespace kith {

// X = shift + Exp(mean): the laws for which theory has the most closed forms. mean 0: a constant.
struct ExponentialForm {
  double shift = 0;  // s
  double mean = 0;   // s
};

class Delay {
 public:
  virtual ~Delay() = default;

  virtual double sample(Rng& rng) const = 0;    // s
  virtual double mean() const = 0;              // s, finite
  virtual double cdf(double x) const = 0;       // P(X <= x)
  virtual double survival(double x) const = 0;  // P(X > x), precise where it is tiny
  virtual double quantile(double u) const = 0;  // least x with cdf(x) >= u, u in [0, 1]; 1: the end
  virtual std::string describe() const = 0;     // what make_delay() takes, where it made the law

  // What order_statistics.h and runtime.h build upon.

  // Appends where cdf is not smooth (ends of the support, atoms), in seconds, in any order.
  virtual void append_breakpoints(std::vector<double>& out) const = 0;
  virtual std::optional<ExponentialForm> exponential_form() const { return std::nullopt; }
  // P(X > s + t) <= P(X > s) P(X > t) for all s, t: waiting never makes what is left longer.
  virtual bool new_longer_than_used() const { return false; }
  // E X_{k:n}, the k-th smallest of n independent draws, in closed form where there is one
  // (ALGORITHMS 3). Needs 1 <= k <= n.
  virtual std::optional<double> order_statistic(uint32_t k, uint32_t n) const {
    static_cast<void>(k), static_cast<void>(n);
    return std::nullopt;
  }
};

// Throws OperatorError: unknown law (with all that exist), wrong number of parameters, value out of
// range, infinite mean. "trace:PATH" is refused: see trace_path().
std::unique_ptr<Delay> make_delay(const std::string& spec);

// PATH where spec is "trace:PATH". Nothing here reads a file: the caller reads it, one value a
// line, and hands the values to make_empirical_delay().
std::optional<std::string> trace_path(const std::string& spec);

// Draws from `values` (s) with replacement; `name` is what describe() says. Throws OperatorError
// naming `name` where there is no value or one lies outside 0 to 1e9.
std::unique_ptr<Delay> make_empirical_delay(std::vector<double> values, std::string name);

// factor * X: a machine `factor` times slower. Needs 0 < factor < infinity.
std::shared_ptr<const Delay> scaled(std::shared_ptr<const Delay> law, double factor);

// One law a line, for help: "pareto:XM:ALPHA  ...".
std::string delay_help();

}  // namespace kith
