#include "daemon/job_privacy.h"

#include <algorithm>
#include <cmath>

#include "daemon/learn/model.h"
#include "protocol/theory/privacy.h"
#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

namespace {

// Batches of one size after each other, as the schedule has them.
std::vector<NoisySteps> stretches_of(const Job& job, uint64_t batches, uint64_t total,
                                     size_t rows) {
  const BatchSchedule& schedule = job.train.batch;
  const auto shard = static_cast<double>(rows);
  std::vector<NoisySteps> stretches;
  std::vector<uint64_t> ends;
  for (const double fraction : schedule.milestones) {
    ends.push_back(static_cast<uint64_t>(std::ceil(fraction * static_cast<double>(total))));
  }
  ends.push_back(batches);
  uint64_t begin = 0;
  for (const uint64_t planned : ends) {
    const uint64_t end = std::min(planned, batches);
    if (end <= begin) continue;
    const double size = std::min<double>(schedule.at(begin, total), shard);
    stretches.push_back({size / shard, job.privacy->noise, end - begin});
    begin = end;
  }
  return stretches;
}

// As many noisy sums as one row is in, as far as what it adds to them goes. Where a batch may end
// one pass and begin the next, two appearances of a row can fall into one, which count as four.
uint64_t appearances(const Job& job, uint64_t batches, uint64_t total, size_t rows) {
  const BatchSchedule& schedule = job.train.batch;
  const uint64_t samples = schedule.before(batches, total, rows);
  const uint64_t passes = (samples + rows - 1) / rows;
  const bool whole =
      schedule.milestones.empty() && rows % std::min<uint64_t>(schedule.size, rows) == 0;
  return whole ? passes : passes / 2 * 4 + passes % 2;
}

std::string short_number(double value) {
  if (std::isinf(value)) return "infinite";
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

}  // namespace

void check_privacy(const Job& job) {
  if (!job.privacy) return;
  if (!model_info(job.model.kind).needs_data) {
    throw OperatorError("privacy.clip cuts the gradients of single rows, but model.kind = \"" +
                        job.model.kind + "\" has no rows: leave [privacy] out");
  }
  if (job.train.svrg_period) {
    throw OperatorError(
        "privacy.clip does not go with train.variance_reduction = \"svrg\", whose gradients of the "
        "whole shard would have to be noisy as well: leave one of the two out");
  }
  if (job.choose_codec) {
    throw OperatorError(
        "codec.kind = \"auto\" computes on the nodes' rows before the run, which epsilon does not "
        "count: with privacy.clip name a codec");
  }
  constexpr double kLeastNoise = 0.1;
  if (job.privacy->noise > 0 && job.privacy->noise < kLeastNoise) {
    throw OperatorError("privacy.noise is " + to_text(OptionValue(job.privacy->noise)) +
                        ", which hides nothing: take 0, which says so, or from 0.1 (around 1 is "
                        "usual)");
  }
}

PrivacySpent privacy_spent(const Job& job, uint64_t batches, uint64_t total, size_t rows) {
  KITH_ASSERT(job.privacy && rows > 0);
  const PrivacySpec& privacy = *job.privacy;
  const NoisySteps unsampled{1, privacy.noise, appearances(job, batches, total, rows)};
  return {.epsilon = privacy_epsilon(stretches_of(job, batches, total, rows), privacy.delta),
          .proven = privacy_epsilon(std::span(&unsampled, 1), privacy.delta),
          .delta = privacy.delta};
}

std::vector<std::string> privacy_notes(const Job& job, std::span<const size_t> rows_by_node) {
  const auto nodes = static_cast<uint32_t>(rows_by_node.size());
  const size_t fewest = std::ranges::min(rows_by_node);
  double all = 0;
  for (const size_t rows : rows_by_node) all += static_cast<double>(rows);
  const double mean = all / nodes;
  const auto total = static_cast<uint64_t>(std::ceil(
      static_cast<double>(rounds_of(job, nodes, mean)) * batches_per_round(job, nodes, mean)));
  std::vector<std::string> notes = {
      "privacy of the node with the fewest rows, " + std::to_string(fewest) + ", after " +
      std::to_string(total) +
      " batches: " + privacy_text(job, privacy_spent(job, total, total, fewest)) +
      "; the training loss that nodes report is not covered"};
  if (job.privacy->delta * static_cast<double>(fewest) >= 1) {
    notes.push_back("privacy.delta should be well below 1 / rows, which is " +
                    short_number(1 / static_cast<double>(fewest)));
  }
  if (!job.privacy->secret) {
    notes.push_back(
        "with privacy.secret = false whoever knows the job can take the noise off "
        "again: for experiments alone");
  }
  return notes;
}

std::string privacy_text(const Job& job, const PrivacySpent& spent) {
  const std::string how = " (clip " + short_number(job.privacy->clip) + ", noise " +
                          short_number(job.privacy->noise) + ")";
  if (std::isinf(spent.epsilon)) return "none: gradients are clipped, without noise" + how;
  return "epsilon " + short_number(spent.epsilon) + " at delta " + short_number(spent.delta) + how +
         ", if rows were drawn by chance; " + short_number(spent.proven) + " proven";
}

}  // namespace kith
