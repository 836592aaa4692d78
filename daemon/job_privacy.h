// What a job with [privacy] gives away of a single row, by the accountant of theory/privacy.h.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "daemon/job.h"

namespace kith {

// (epsilon, delta) of one node against all who see what it sends, for data sets that differ in one
// row of that node.
struct PrivacySpent {
  // If each row were in a batch by chance, with probability batch / rows: what DP-SGD is usually
  // said to have. Batches are drawn otherwise, see daemon/learn/README.md, and for these it is not
  // proven.
  double epsilon = 0;
  // Proven for the batches as they are drawn, each row once in a pass, whoever knows the order;
  // rows that differ are replaced by nothing.
  double proven = 0;
  double delta = 0;
};

// Throws OperatorError where privacy does not go with the rest.
void check_privacy(const Job& job);

// Of a node with `rows` rows that has computed `batches` of `total` in a run. Needs job.privacy.
// Infinite without noise. Some ms.
PrivacySpent privacy_spent(const Job& job, uint64_t batches, uint64_t total, size_t rows);

// What the operator should know before the start, of nodes with so many rows: sentences without a
// full stop. Needs job.privacy.
std::vector<std::string> privacy_notes(const Job& job, std::span<const size_t> rows_by_node);

// "epsilon 2.92 at delta 1e-05 (clip 1, noise 1.12), if rows were drawn by chance; 14.1 proven"
std::string privacy_text(const Job& job, const PrivacySpent& spent);

}  // namespace kith
