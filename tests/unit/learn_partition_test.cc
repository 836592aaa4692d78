// Partitions: each row to one node, and the skew that its rule promises.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "daemon/learn/dataset.h"
#include "tests/unit/learn_files.h"

namespace kith {
namespace {

std::vector<int32_t> random_labels(size_t rows, uint64_t classes, uint64_t seed) {
  Rng rng(seed, NodeId{0}, Purpose::kTest);
  std::vector<int32_t> labels(rows);
  for (int32_t& label : labels) label = static_cast<int32_t>(rng.below(classes));
  return labels;
}

// Mean over the nodes of the total variation distance from the classes of all rows.
double skew(const std::vector<Shard>& shards, const std::vector<int32_t>& labels, size_t classes) {
  std::vector<double> all(classes);
  for (const int32_t label : labels) all[label] += 1.0 / static_cast<double>(labels.size());
  double sum = 0;
  for (const Shard& shard : shards) {
    std::vector<double> own(classes);
    for (const uint32_t row : shard) own[labels[row]] += 1.0 / static_cast<double>(shard.size());
    for (size_t c = 0; c < classes; ++c) sum += 0.5 * std::abs(own[c] - all[c]);
  }
  return sum / static_cast<double>(shards.size());
}

TEST(Partition, EveryRuleIsDisjointCompleteSortedAndWithoutEmptyNodes) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed, NodeId{1}, Purpose::kTest);
    const auto nodes = static_cast<uint32_t>(1 + rng.below(40));
    const std::vector<int32_t> labels = random_labels(nodes * 3 + rng.below(500), 7, seed);
    for (const char* rule :
         {"iid", "dirichlet:100", "dirichlet:0.1", "dirichlet:1e-6", "shards:1", "shards:3"}) {
      SCOPED_TRACE(testing::Message() << rule << " nodes " << nodes << " seed " << seed);
      const std::vector<Shard> shards = partition(labels, 7, rule, nodes, seed);
      ASSERT_EQ(shards.size(), nodes);
      std::vector<uint32_t> seen;
      for (const Shard& shard : shards) {
        EXPECT_FALSE(shard.empty());
        EXPECT_TRUE(std::ranges::is_sorted(shard));
        seen.insert(seen.end(), shard.begin(), shard.end());
      }
      std::ranges::sort(seen);
      std::vector<uint32_t> expected(labels.size());
      std::iota(expected.begin(), expected.end(), 0u);
      EXPECT_EQ(seen, expected);
      EXPECT_EQ(shards, partition(labels, 7, rule, nodes, seed));
    }
  }
}

TEST(Partition, AnotherSeedDealsAnotherWay) {
  const std::vector<int32_t> labels = random_labels(1000, 10, 1);
  for (const char* rule : {"iid", "dirichlet:1", "shards:2"}) {
    EXPECT_NE(partition(labels, 10, rule, 8, 1), partition(labels, 10, rule, 8, 2)) << rule;
  }
}

TEST(Partition, IidSharesDifferByOneRowAtMost) {
  const std::vector<int32_t> labels = random_labels(1003, 10, 1);
  for (const Shard& shard : partition(labels, 10, "iid", 10, 1)) {
    EXPECT_GE(shard.size(), 100u);
    EXPECT_LE(shard.size(), 101u);
  }
}

// Hsu, Qi, Brown 2019, figure 1: the smaller alpha, the fewer classes a node sees.
TEST(Partition, DirichletSkewGrowsAsAlphaFalls) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    const std::vector<int32_t> labels = random_labels(20000, 10, seed);
    double last = skew(partition(labels, 10, "iid", 20, seed), labels, 10);
    EXPECT_LT(last, 0.1);
    for (const char* rule : {"dirichlet:10", "dirichlet:1", "dirichlet:0.1", "dirichlet:0.01"}) {
      const double now = skew(partition(labels, 10, rule, 20, seed), labels, 10);
      EXPECT_GT(now, last) << rule;
      last = now;
    }
    EXPECT_GT(last, 0.7);
    EXPECT_LT(skew(partition(labels, 10, "dirichlet:10000", 20, seed), labels, 10), 0.1);
  }
}

// A piece of one class's length spans two classes at most, so K pieces span 2 K.
TEST(Partition, ShardsGiveAboutKClasses) {
  const std::vector<int32_t> labels = random_labels(20000, 10, 3);
  for (const size_t k : {1, 2, 3}) {
    double mean = 0;
    for (const Shard& shard : partition(labels, 10, "shards:" + std::to_string(k), 50, 3)) {
      std::set<int32_t> classes;
      for (const uint32_t row : shard) classes.insert(labels[row]);
      EXPECT_LE(classes.size(), 2 * k);
      mean += static_cast<double>(classes.size()) / 50;
    }
    EXPECT_GT(mean, 0.8 * static_cast<double>(k));
    EXPECT_LT(mean, 1.5 * static_cast<double>(k));
  }
}

TEST(Partition, RefusesUnknownRulesAndTooFewRows) {
  const std::vector<int32_t> labels = {0, 1, 0, 1};
  for (const char* rule :
       {"", "random", "dirichlet", "dirichlet:", "dirichlet:0", "dirichlet:-1", "dirichlet:inf",
        "dirichlet:nan", "dirichlet:1x", "shards:0", "shards:1.5", "shards:-1"}) {
    expect_operator_error([&] { partition(labels, 2, rule, 2, 1); },
                          {"data.partition", std::string("\"") + rule + "\"", "iid", "dirichlet:"});
  }
  expect_operator_error([&] { partition(labels, 2, "iid", 5, 1); }, {"5 nodes", "there are 4"});
  expect_operator_error([&] { partition(labels, 2, "shards:3", 2, 1); }, {"at least 6"});
}

}  // namespace
}  // namespace kith
