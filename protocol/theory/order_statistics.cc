#include "protocol/theory/order_statistics.h"

#include <algorithm>
#include <cmath>

#include "protocol/theory/counting.h"
#include "protocol/theory/quadrature.h"
#include "topology/assert.h"

namespace kith {

namespace {

struct Group {
  DelayTerm term;
  uint32_t count = 0;
  std::vector<double> log_choose;  // log C(count, j), for j < k
};

std::vector<Group> with_coefficients(const std::vector<DelayGroup>& terms, uint32_t k) {
  std::vector<Group> groups;
  for (const DelayGroup& equal : terms) {
    Group& group = groups.emplace_back(Group{equal.term, equal.count, {}});
    for (uint32_t j = 0; j < std::min(k, group.count + 1); ++j) {
      group.log_choose.push_back(std::lgamma(group.count + 1.0) - std::lgamma(j + 1.0) -
                                 std::lgamma(group.count - j + 1.0));
    }
  }
  return groups;
}

// P(j of the group are done by x) for j < k, into `out`. Each is a product, so that no tail is a
// difference of large numbers.
void binomial(const Group& group, double x, std::vector<double>& out) {
  const double done = group.term.law->cdf(x - group.term.plus);
  const double open = group.term.law->survival(x - group.term.plus);
  out.assign(group.log_choose.size(), 0);
  for (uint32_t j = 0; j < out.size(); ++j) {
    const uint32_t rest = group.count - j;
    if ((j > 0 && done == 0) || (rest > 0 && open == 0)) continue;
    out[j] = std::exp(group.log_choose[j] + (j > 0 ? j * std::log(done) : 0) +
                      (rest > 0 ? rest * std::log(open) : 0));
  }
}

// P(fewer than k done by x), a sum of positive terms.
class FewerThan {
 public:
  FewerThan(std::vector<Group> groups, uint32_t k, uint32_t n)
      : groups_(std::move(groups)), k_(k), n_(n) {}

  double operator()(double x) {
    if (k_ == n_) return not_all(x);
    total_.assign(1, 1);
    for (const Group& group : groups_) {
      binomial(group, x, part_);
      add_counts(k_, total_, part_, next_);
      total_.swap(next_);
    }
    double sum = 0;
    for (const double p : total_) sum += p;
    return std::min(sum, 1.0);
  }

 private:
  // 1 - prod F_i.
  double not_all(double x) const {
    double log_all = 0;
    for (const Group& group : groups_) {
      log_all += group.count * std::log1p(-group.term.law->survival(x - group.term.plus));
    }
    return -std::expm1(log_all);
  }

  std::vector<Group> groups_;
  uint32_t k_;
  uint32_t n_;
  std::vector<double> total_, part_, next_;  // scratch
};

double by_quadrature(std::vector<Group> groups, uint32_t k, uint32_t n) {
  // The quantiles show the adaptive rule where a sharp law has its body; the last is where its tail
  // begins.
  std::vector<double> points;
  for (const Group& group : groups) {
    const size_t first = points.size();
    group.term.law->append_breakpoints(points);
    for (const double u : {1e-4, 0.1, 0.5, 0.9, 1 - 1e-3, 1 - 1e-6}) {
      points.push_back(group.term.law->quantile(u));
    }
    for (size_t i = first; i < points.size(); ++i) points[i] += group.term.plus;
  }
  if (*std::ranges::max_element(points) == 0) return 0;
  return integrate_from(0, FewerThan(std::move(groups), k, n), std::move(points));
}

// Sorts the constants, where nothing is random.
std::optional<double> of_constants(std::span<const DelayTerm> terms, uint32_t k) {
  std::vector<double> values;
  for (const DelayTerm& term : terms) {
    const std::optional<ExponentialForm> form = term.law->exponential_form();
    if (!form || form->mean > 0) return std::nullopt;
    values.push_back(form->shift + term.plus);
  }
  std::ranges::sort(values);
  return values[k - 1];
}

// The least of exponential times that begin together: shift + 1 / sum of the rates.
std::optional<double> least_of_exponentials(std::span<const DelayTerm> terms) {
  double rate = 0;
  double shift = 0;
  for (const DelayTerm& term : terms) {
    const std::optional<ExponentialForm> form = term.law->exponential_form();
    if (!form || form->mean == 0) return std::nullopt;
    const double begins = form->shift + term.plus;
    if (rate > 0 && begins != shift) return std::nullopt;
    shift = begins;
    rate += 1 / form->mean;
  }
  return shift + 1 / rate;
}

}  // namespace

std::vector<DelayGroup> grouped(std::span<const DelayTerm> terms) {
  std::vector<DelayGroup> groups;
  for (const DelayTerm& term : terms) {
    const auto same = std::ranges::find_if(groups, [&](const DelayGroup& group) {
      return group.term.law == term.law && group.term.plus == term.plus;
    });
    if (same == groups.end()) {
      groups.push_back({term, 1});
    } else {
      ++same->count;
    }
  }
  return groups;
}

Expectation expected_order_statistic(const Delay& law, uint32_t k, uint32_t n) {
  return expected_order_statistic(std::vector<DelayTerm>(n, DelayTerm{&law, 0}), k);
}

Expectation expected_order_statistic(std::span<const DelayTerm> terms, uint32_t k) {
  const auto n = static_cast<uint32_t>(terms.size());
  KITH_ASSERT(1 <= k && k <= n);
  const std::vector<DelayGroup> groups = grouped(terms);
  if (groups.size() == 1) {
    const DelayTerm& term = groups.front().term;
    if (n == 1) return {term.law->mean() + term.plus, true};
    if (const std::optional<double> value = term.law->order_statistic(k, n)) {
      return {*value + term.plus, true};
    }
  }
  if (const std::optional<double> value = of_constants(terms, k)) return {*value, true};
  if (k == 1) {
    if (const std::optional<double> value = least_of_exponentials(terms)) return {*value, true};
  }
  return {by_quadrature(with_coefficients(groups, k), k, n), false};
}

}  // namespace kith
