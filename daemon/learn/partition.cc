// Splits of rows over nodes.
//   iid          a shuffle dealt in equal parts
//   dirichlet:A  for each class, proportions over the nodes from Dirichlet(A, .., A)
//                (Hsu, Qi, Brown 2019); A -> infinity is iid, A -> 0 gives each class to one node
//   shards:K     rows sorted by class, cut into K pieces a node, dealt at random (McMahan et al.
//   2017)
#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <queue>

#include "daemon/learn/dataset.h"
#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

namespace {

// Fisher, Yates.
void shuffle(std::span<uint32_t> rows, Rng& rng) {
  for (size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[rng.below(i)]);
}

// One stream for the job, numbered: 0 the deal, 1 + c class c.
Rng stream(uint64_t seed, uint64_t index) { return {seed, NodeId{0}, Purpose::kPartition, index}; }

std::vector<std::vector<uint32_t>> rows_by_class(std::span<const int32_t> labels, size_t classes,
                                                 uint64_t seed) {
  std::vector<std::vector<uint32_t>> rows(classes);
  for (uint32_t row = 0; row < labels.size(); ++row) {
    KITH_ASSERT(labels[row] >= 0 && static_cast<size_t>(labels[row]) < classes);
    rows[static_cast<size_t>(labels[row])].push_back(row);
  }
  for (size_t c = 0; c < classes; ++c) {
    Rng rng = stream(seed, 1 + c);
    shuffle(rows[c], rng);
  }
  return rows;
}

std::vector<Shard> deal_iid(size_t rows, uint32_t nodes, uint64_t seed) {
  std::vector<uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0u);
  Rng rng = stream(seed, 0);
  shuffle(order, rng);
  std::vector<Shard> shards(nodes);
  for (uint64_t n = 0; n < nodes; ++n) {
    shards[n].assign(order.begin() + static_cast<ptrdiff_t>(n * rows / nodes),
                     order.begin() + static_cast<ptrdiff_t>((n + 1) * rows / nodes));
  }
  return shards;
}

// Cumulative proportions of one class; all on one node where every draw underflows (tiny alpha).
std::vector<double> draw_cuts(double alpha, uint32_t nodes, Rng& rng) {
  std::vector<double> cuts(nodes);
  double sum = 0;
  for (double& cut : cuts) cut = sum += rng.gamma(alpha);
  if (sum <= 0) std::fill(cuts.begin() + static_cast<ptrdiff_t>(rng.below(nodes)), cuts.end(), 1.0);
  for (double& cut : cuts) cut /= sum > 0 ? sum : 1;
  cuts.back() = 1;
  return cuts;
}

std::vector<Shard> deal_dirichlet(const std::vector<std::vector<uint32_t>>& classes, double alpha,
                                  uint32_t nodes, uint64_t seed) {
  std::vector<Shard> shards(nodes);
  for (size_t c = 0; c < classes.size(); ++c) {
    Rng rng = stream(seed, 1 + classes.size() + c);
    const std::vector<double> cuts = draw_cuts(alpha, nodes, rng);
    size_t begin = 0;
    for (uint32_t n = 0; n < nodes; ++n) {
      const auto end =
          static_cast<size_t>(std::floor(cuts[n] * static_cast<double>(classes[c].size()) + 0.5));
      for (; begin < end; ++begin) shards[n].push_back(classes[c][begin]);
    }
  }
  return shards;
}

// A node without rows takes the last one of the node that has most (the lowest such node).
void fill_empty(std::vector<Shard>& shards) {
  using Entry = std::pair<size_t, int64_t>;
  std::priority_queue<Entry> largest;
  for (size_t n = 0; n < shards.size(); ++n) {
    if (shards[n].size() > 1) largest.emplace(shards[n].size(), -static_cast<int64_t>(n));
  }
  for (Shard& shard : shards) {
    if (!shard.empty()) continue;
    const auto [size, minus_donor] = largest.top();
    largest.pop();
    Shard& donor = shards[static_cast<size_t>(-minus_donor)];
    shard.push_back(donor.back());
    donor.pop_back();
    if (donor.size() > 1) largest.emplace(donor.size(), minus_donor);
  }
}

std::vector<Shard> deal_shards(const std::vector<std::vector<uint32_t>>& classes, size_t rows,
                               uint64_t pieces_per_node, uint32_t nodes, uint64_t seed) {
  std::vector<uint32_t> sorted;
  sorted.reserve(rows);
  for (const auto& of_class : classes)
    sorted.insert(sorted.end(), of_class.begin(), of_class.end());
  const uint64_t pieces = pieces_per_node * nodes;
  std::vector<uint32_t> order(pieces);
  std::iota(order.begin(), order.end(), 0u);
  Rng rng = stream(seed, 0);
  shuffle(order, rng);
  std::vector<Shard> shards(nodes);
  for (uint64_t i = 0; i < pieces; ++i) {
    const uint64_t piece = order[i];
    Shard& shard = shards[i / pieces_per_node];
    shard.insert(shard.end(), sorted.begin() + static_cast<ptrdiff_t>(piece * rows / pieces),
                 sorted.begin() + static_cast<ptrdiff_t>((piece + 1) * rows / pieces));
  }
  return shards;
}

[[noreturn]] void refuse(const std::string& rule) {
  throw OperatorError("data.partition is \"" + rule +
                      "\", but must be \"iid\", \"dirichlet:ALPHA\" with ALPHA above 0, or "
                      "\"shards:CLASSES_PER_NODE\" with a whole number from 1");
}

// The number behind `name:`; false where the rule is another.
template <class T>
bool argument(const std::string& rule, std::string_view name, T& value) {
  if (!rule.starts_with(name)) return false;
  const char* end = rule.data() + rule.size();
  const auto result = std::from_chars(rule.data() + name.size(), end, value);
  if (result.ec != std::errc() || result.ptr != end || !(value > 0)) refuse(rule);
  return true;
}

}  // namespace

std::vector<Shard> partition(std::span<const int32_t> labels, size_t classes,
                             const std::string& rule, uint32_t nodes, uint64_t seed) {
  KITH_ASSERT(nodes > 0);
  const auto need = [&](uint64_t rows) {
    if (labels.size() >= rows) return;
    throw OperatorError("data.partition \"" + rule + "\" needs at least " + std::to_string(rows) +
                        " training rows for " + std::to_string(nodes) + " nodes, but there are " +
                        std::to_string(labels.size()) + ": use fewer nodes or more data");
  };
  std::vector<Shard> shards;
  double alpha = 0;
  uint32_t pieces = 0;
  need(nodes);
  if (rule == "iid") {
    shards = deal_iid(labels.size(), nodes, seed);
  } else if (argument(rule, "dirichlet:", alpha)) {
    if (!std::isfinite(alpha)) refuse(rule);
    shards = deal_dirichlet(rows_by_class(labels, classes, seed), alpha, nodes, seed);
    fill_empty(shards);
  } else if (argument(rule, "shards:", pieces)) {
    need(uint64_t{pieces} * nodes);
    shards = deal_shards(rows_by_class(labels, classes, seed), labels.size(), pieces, nodes, seed);
  } else {
    refuse(rule);
  }
  for (Shard& shard : shards) std::ranges::sort(shard);
  return shards;
}

}  // namespace kith
