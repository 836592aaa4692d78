// The rules of [aggregate] against brute force in doubles, and what they promise of bad vectors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "protocol/aggregate.h"
#include "protocol/kernels.h"
#include "tests/allocations.h"
#include "topology/error.h"
#include "topology/rng.h"

namespace kith {
namespace {

using Vectors = std::vector<std::vector<float>>;

// Relative to the largest value: sums of up to 40 floats.
constexpr double kRounding = 1e-5;

std::unique_ptr<AggregateRule> make(const std::string& kind,
                                    const std::map<std::string, OptionValue>& given = {}) {
  const AggregateInfo& info = aggregate_info(kind);
  return info.make(Options("aggregate", info.options, given));
}

std::map<std::string, OptionValue> byzantine(int64_t f) { return {{"byzantine", f}}; }

struct Drawn {
  Rng rng;
  explicit Drawn(uint64_t seed) : rng(seed, NodeId{0}, Purpose::kTest) {}

  size_t between(size_t low, size_t high) { return low + rng.below(high - low + 1); }

  // n vectors of p values around one of their own.
  Vectors vectors(size_t n, size_t p) {
    std::vector<float> middle(p);
    rng.fill_normal(middle);
    Vectors all(n, std::vector<float>(p));
    for (std::vector<float>& v : all) {
      rng.fill_normal(v);
      for (size_t j = 0; j < p; ++j) v[j] = middle[j] + 0.3f * v[j];
    }
    return all;
  }

  std::vector<float> weights(size_t n) {
    std::vector<float> w(n);
    float sum = 0;
    for (float& each : w) sum += each = 0.1f + static_cast<float>(rng.uniform());
    for (float& each : w) each /= sum;
    return w;
  }
};

std::vector<float> equal_weights(size_t n) {
  return std::vector<float>(n, 1.0f / static_cast<float>(n));
}

std::vector<float> combine(AggregateRule& rule, const Vectors& vectors,
                           const std::vector<float>& weights, std::span<const float> centre = {}) {
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < vectors.size(); ++i) candidates.push_back({weights[i], vectors[i]});
  std::vector<float> y(vectors[0].size());
  Pool pool;
  rule.combine(candidates, centre, y, pool);
  return y;
}

std::vector<float> combine(AggregateRule& rule, const Vectors& vectors) {
  return combine(rule, vectors, equal_weights(vectors.size()));
}

void expect_equal(const std::vector<float>& y, const std::vector<double>& expected) {
  double largest = 1;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  for (size_t j = 0; j < y.size(); ++j) {
    ASSERT_NEAR(double{y[j]}, expected[j], kRounding * largest) << "value " << j;
  }
}

// Of each coordinate the mean of the sorted values first .. n - 1 - first.
std::vector<double> mean_between(const Vectors& vectors, size_t first) {
  std::vector<double> expected;
  for (size_t j = 0; j < vectors[0].size(); ++j) {
    std::vector<double> column;
    for (const std::vector<float>& v : vectors) column.push_back(v[j]);
    std::ranges::sort(column);
    const double sum = std::accumulate(column.begin() + static_cast<ptrdiff_t>(first),
                                       column.end() - static_cast<ptrdiff_t>(first), 0.0);
    expected.push_back(sum / static_cast<double>(column.size() - 2 * first));
  }
  return expected;
}

std::vector<double> weighted_mean(const Vectors& vectors, const std::vector<float>& weights) {
  std::vector<double> mean(vectors[0].size());
  for (size_t i = 0; i < vectors.size(); ++i) {
    for (size_t j = 0; j < mean.size(); ++j) mean[j] += double{weights[i]} * vectors[i][j];
  }
  return mean;
}

double distance(const std::vector<float>& a, std::span<const float> b) {
  double sum = 0;
  for (size_t j = 0; j < a.size(); ++j) sum += std::pow(double{a[j]} - (b.empty() ? 0 : b[j]), 2);
  return std::sqrt(sum);
}

std::vector<size_t> krum_order(const Vectors& vectors, size_t f) {
  const size_t n = vectors.size();
  std::vector<double> scores(n);
  for (size_t i = 0; i < n; ++i) {
    std::vector<double> squares;
    for (size_t k = 0; k < n; ++k) {
      if (k != i) squares.push_back(std::pow(distance(vectors[i], vectors[k]), 2));
    }
    std::ranges::sort(squares);
    for (size_t k = 0; k < n - f - 2; ++k) scores[i] += squares[k];
  }
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return scores[i]; });
  return order;
}

// sum_i w_i min(1, tau / |v_i - c|) (v_i - c) + c
std::vector<double> clipped(const Vectors& vectors, const std::vector<float>& weights,
                            const std::vector<float>& centre, double tau) {
  std::vector<double> y(centre.begin(), centre.end());
  for (size_t i = 0; i < vectors.size(); ++i) {
    const double length = distance(vectors[i], centre);
    const double scale = double{weights[i]} * (length > tau ? tau / length : 1);
    for (size_t j = 0; j < y.size(); ++j) y[j] += scale * (double{vectors[i][j]} - centre[j]);
  }
  return y;
}

class EveryDraw : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override { RecordProperty("seed", std::to_string(GetParam())); }
  Drawn drawn_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Seeds, EveryDraw, testing::Range<uint64_t>(1, 31));

TEST_P(EveryDraw, MedianIsThatOfEachCoordinate) {
  const size_t n = drawn_.between(1, 40);
  const Vectors vectors = drawn_.vectors(n, drawn_.between(1, 2500));
  expect_equal(combine(*make("median"), vectors), mean_between(vectors, (n - 1) / 2));
}

TEST_P(EveryDraw, TrimmedMeanLeavesTheLargestAndSmallestOut) {
  const size_t n = drawn_.between(1, 40);
  const size_t f = drawn_.between(0, (n - 1) / 2);
  const Vectors vectors = drawn_.vectors(n, drawn_.between(1, 2500));
  expect_equal(combine(*make("trimmed-mean", byzantine(static_cast<int64_t>(f))), vectors),
               mean_between(vectors, f));
}

TEST_P(EveryDraw, KrumTakesTheVectorNearestToItsNearest) {
  const size_t f = drawn_.between(0, 5);
  const Vectors vectors = drawn_.vectors(2 * f + 3 + drawn_.between(0, 9), 50);
  const auto rule = make("krum", byzantine(static_cast<int64_t>(f)));
  EXPECT_EQ(combine(*rule, vectors), vectors[krum_order(vectors, f).front()]);
}

TEST_P(EveryDraw, MultiKrumAveragesTheBest) {
  const size_t f = drawn_.between(0, 5);
  const size_t n = 2 * f + 3 + drawn_.between(0, 9);
  const size_t m = drawn_.between(1, n);
  const Vectors vectors = drawn_.vectors(n, 50);
  const std::vector<size_t> order = krum_order(vectors, f);
  const auto mean_of = [&](size_t count) {
    std::vector<float> weights(n);
    for (size_t k = 0; k < count; ++k) weights[order[k]] = 1.0f / static_cast<float>(count);
    return weighted_mean(vectors, weights);
  };
  auto options = byzantine(static_cast<int64_t>(f));
  expect_equal(combine(*make("multi-krum", options), vectors), mean_of(n - f - 2));
  options["select"] = static_cast<int64_t>(m);
  expect_equal(combine(*make("multi-krum", options), vectors), mean_of(m));
}

TEST_P(EveryDraw, CentredClippingCutsDifferencesToTheCentre) {
  const size_t n = drawn_.between(1, 20);
  const Vectors vectors = drawn_.vectors(n, 300);
  const std::vector<float> weights = drawn_.weights(n);
  const std::vector<float> centre = drawn_.vectors(1, 300)[0];
  const double tau = 5 + 25 * drawn_.rng.uniform();
  const std::vector<double> once = clipped(vectors, weights, centre, tau);
  expect_equal(combine(*make("centred-clipping", {{"radius", tau}}), vectors, weights, centre),
               once);
  const std::vector<float> next(once.begin(), once.end());
  expect_equal(combine(*make("centred-clipping", {{"radius", tau}, {"iterations", int64_t{2}}}),
                       vectors, weights, centre),
               clipped(vectors, weights, next, tau));
}

TEST_P(EveryDraw, WithoutARadiusItIsTheMedianOfTheOthersDistances) {
  const size_t n = drawn_.between(2, 20);
  const Vectors vectors = drawn_.vectors(n, 300);
  const std::vector<float> weights = drawn_.weights(n);
  std::vector<double> lengths;
  for (size_t i = 1; i < n; ++i) lengths.push_back(distance(vectors[i], vectors[0]));
  const double tau = median_length(lengths);
  expect_equal(combine(*make("centred-clipping"), vectors, weights, vectors[0]),
               clipped(vectors, weights, vectors[0], tau));
}

TEST_P(EveryDraw, NormClippingCutsVectors) {
  const size_t n = drawn_.between(1, 20);
  const Vectors vectors = drawn_.vectors(n, 300);
  const std::vector<float> weights = drawn_.weights(n);
  const std::vector<float> zero(300);
  const double tau = 5 + 25 * drawn_.rng.uniform();
  expect_equal(combine(*make("norm-clipping", {{"radius", tau}}), vectors, weights),
               clipped(vectors, weights, zero, tau));
  std::vector<double> lengths;
  for (const std::vector<float>& v : vectors) lengths.push_back(distance(v, {}));
  expect_equal(combine(*make("norm-clipping"), vectors, weights),
               clipped(vectors, weights, zero, median_length(lengths)));
}

// What each becomes where it has nothing to defend against.
TEST_P(EveryDraw, IsTheMeanInTheLimit) {
  const size_t n = drawn_.between(3, 20);
  const Vectors vectors = drawn_.vectors(n, 1500);
  const std::vector<float> weights = drawn_.weights(n);
  const std::vector<double> mean = weighted_mean(vectors, equal_weights(n));
  expect_equal(combine(*make("trimmed-mean", byzantine(0)), vectors), mean);
  expect_equal(
      combine(*make("multi-krum", {{"byzantine", int64_t{0}}, {"select", static_cast<int64_t>(n)}}),
              vectors),
      mean);
  const std::vector<double> weighted = weighted_mean(vectors, weights);
  const std::map<std::string, OptionValue> wide = {{"radius", 1e30}};
  expect_equal(combine(*make("centred-clipping", wide), vectors, weights), weighted);
  expect_equal(combine(*make("centred-clipping", wide), vectors, weights, vectors[0]), weighted);
  expect_equal(combine(*make("norm-clipping", wide), vectors, weights), weighted);
}

// Sets f of the vectors, drawn, to what a bad node may send.
std::vector<bool> spoil(Drawn& drawn, Vectors& vectors, size_t f) {
  std::vector<bool> bad(vectors.size());
  const size_t attack = drawn.between(0, 3);
  std::vector<float> together(vectors[0].size());
  drawn.rng.fill_normal(together);
  for (size_t left = f; left > 0;) {
    const size_t i = drawn.rng.below(vectors.size());
    if (bad[i]) continue;
    bad[i] = true;
    --left;
    for (size_t j = 0; j < vectors[i].size(); ++j) {
      float& value = vectors[i][j];
      if (attack == 0) value = -3 * value;
      if (attack == 1) value = 1e30f;
      if (attack == 2) value = static_cast<float>(100 * drawn.rng.normal());
      if (attack == 3) value = 10 * together[j];
    }
  }
  return bad;
}

TEST_P(EveryDraw, StaysWithinTheRangeOfTheGoodValues) {
  const size_t n = drawn_.between(3, 25);
  const size_t f = drawn_.between(1, (n - 1) / 2);
  Vectors vectors = drawn_.vectors(n, 200);
  const std::vector<bool> bad = spoil(drawn_, vectors, f);
  for (const auto& rule :
       {make("median"), make("trimmed-mean", byzantine(static_cast<int64_t>(f)))}) {
    const std::vector<float> y = combine(*rule, vectors);
    for (size_t j = 0; j < y.size(); ++j) {
      float low = INFINITY;
      float high = -INFINITY;
      for (size_t i = 0; i < n; ++i) {
        if (bad[i]) continue;
        low = std::min(low, vectors[i][j]);
        high = std::max(high, vectors[i][j]);
      }
      const float rounding = 1e-5f * std::max(std::abs(low), std::abs(high));
      ASSERT_GE(y[j], low - rounding);
      ASSERT_LE(y[j], high + rounding);
    }
  }
}

TEST_P(EveryDraw, KrumTakesAGoodVector) {
  const size_t f = drawn_.between(1, 5);
  Vectors vectors = drawn_.vectors(2 * f + 3 + drawn_.between(0, 5), 200);
  const std::vector<bool> bad = spoil(drawn_, vectors, f);
  const auto best = combine(*make("krum", byzantine(static_cast<int64_t>(f))), vectors);
  const auto found = std::ranges::find(vectors, best);
  ASSERT_NE(found, vectors.end());
  EXPECT_FALSE(bad[static_cast<size_t>(found - vectors.begin())]);
}

// With fewer bad vectors than half the radius is no longer than the longest of a good one, and no
// vector moves the result by more than its weight of that.
TEST_P(EveryDraw, ClippingBoundsWhatBadVectorsDo) {
  const size_t n = drawn_.between(3, 25);
  const size_t f = drawn_.between(1, (n - 1) / 2);
  Vectors vectors = drawn_.vectors(n, 200);
  const std::vector<float> centre = drawn_.vectors(1, 200)[0];
  const std::vector<bool> bad = spoil(drawn_, vectors, f);
  for (const bool centred : {true, false}) {
    const std::vector<float> around = centred ? centre : std::vector<float>(200);
    double longest = 0;
    for (size_t i = 0; i < n; ++i) {
      if (!bad[i]) longest = std::max(longest, distance(vectors[i], around));
    }
    const auto rule = make(centred ? "centred-clipping" : "norm-clipping");
    const std::vector<float> y =
        combine(*rule, vectors, equal_weights(n),
                centred ? std::span<const float>(centre) : std::span<const float>());
    EXPECT_LE(distance(y, around), longest * (1 + kRounding));
  }
}

TEST(EveryRule, IsRegisteredWithSaneLimits) {
  EXPECT_EQ(all_aggregates().size(), 7u);
  EXPECT_THROW(aggregate_info("average"), OperatorError);
  for (const AggregateInfo* info : all_aggregates()) {
    EXPECT_EQ(info->make == nullptr, std::string(info->name) == "mean");
    if (info->fewest == nullptr) continue;
    const Options options("aggregate", info->options, {});
    EXPECT_GE(info->fewest(options), 3u) << info->name;
  }
}

TEST(EveryRule, TakesOneVectorAsItIs) {
  const Vectors one = {{1.5f, -2, 0, 7}};
  for (const AggregateInfo* info : all_aggregates()) {
    if (info->make == nullptr) continue;
    EXPECT_EQ(combine(*make(info->name), one), one[0]) << info->name;
  }
}

// A step allocates nothing but blocks of the pool.
TEST(EveryRule, AllocatesNothingInTheSteadyState) {
  Drawn drawn(7);
  const Vectors vectors = drawn.vectors(10, 3000);
  std::vector<Candidate> candidates;
  for (const std::vector<float>& v : vectors) candidates.push_back({0.1f, v});
  std::vector<float> y(3000);
  Pool pool;
  for (const AggregateInfo* info : all_aggregates()) {
    if (info->make == nullptr) continue;
    const auto rule = make(info->name);
    rule->combine(candidates, vectors[0], y, pool);
    const size_t before = test::bytes_asked_for;
    rule->combine(candidates, vectors[0], y, pool);
    EXPECT_EQ(test::bytes_asked_for, before) << info->name;
  }
}

TEST(SortTwo, KeepsEveryValueAndEveryZero) {
  std::vector<float> low = {3, -1, 0.0f, -0.0f, 5, 1, 2, 9, -0.0f, 4, 8, 7, 6, 5, 4, 3, 2, 1, 0.0f};
  std::vector<float> high = {1, 2, -0.0f, 0.0f, 5, 0, 3, 8, -0.0f, 5,
                             7, 6, 5,     4,    3, 2, 1, 0, -0.0f};
  const std::vector<float> a = low;
  const std::vector<float> b = high;
  kernels::sort_two(low, high);
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(low[i], std::min(a[i], b[i]));
    EXPECT_EQ(high[i], std::max(a[i], b[i]));
    if (a[i] != b[i]) continue;
    EXPECT_EQ(std::signbit(low[i]), std::signbit(a[i])) << i;
    EXPECT_EQ(std::signbit(high[i]), std::signbit(b[i])) << i;
  }
}

}  // namespace
}  // namespace kith
