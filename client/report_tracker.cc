#include "client/report_tracker.h"

#include <algorithm>

namespace kith {

namespace {

// When the first node began, s since 1970; 0 while none has.
double first_start(const std::vector<control::ProgressReply>& replies) {
  double start = 0;
  for (const control::ProgressReply& reply : replies) {
    if (reply.unix_start <= 0) continue;
    start = start == 0 ? reply.unix_start : std::min(start, reply.unix_start);
  }
  return start;
}

}  // namespace

void ReportTracker::take(size_t node, const control::ReportEntry& entry) {
  const size_t slot = central_ ? 0 : node;
  reached_[slot] = std::max(reached_[slot], entry.round + 1);
  if (last_ && entry.round <= *last_) return;
  Gathering& gathering = rounds_[entry.round];
  gathering.reported.resize(reporters_);
  if (gathering.reported[slot]) return;  // before a crash, or by another hub
  gathering.reported[slot] = true;
  gathering.reporter = node;
  ++gathering.count;
  gathering.snapshots += entry.snapshot;
  gathering.loss += entry.loss;
  gathering.disagreement = std::max(gathering.disagreement, entry.disagreement);
  gathering.bytes += central_ ? bytes_over_hub(node, entry) : static_cast<double>(entry.bytes_sent);
  gathering.last_time = std::max(gathering.last_time, entry.unix_time);
}

// A new hub counts what it has sent and received itself.
double ReportTracker::bytes_over_hub(size_t node, const control::ReportEntry& entry) {
  const auto own = static_cast<double>(entry.bytes_sent + entry.bytes_received);
  if (node != hub_) bytes_before_ = last_bytes_ - own;
  hub_ = node;
  last_bytes_ = std::max(last_bytes_, bytes_before_ + own);
  return last_bytes_;
}

std::vector<TrackedRound> ReportTracker::add(const std::vector<control::ProgressReply>& replies) {
  const double start = first_start(replies);
  if (start > 0) start_ = start_ == 0 ? start : std::min(start_, start);
  for (size_t i = 0; i < replies.size(); ++i) {
    for (const control::ReportEntry& entry : replies[i].reports) take(i, entry);
  }
  std::vector<TrackedRound> complete;
  const Round reached = reached_.empty() ? 0 : *std::ranges::min_element(reached_);
  while (!rounds_.empty() && rounds_.begin()->first < reached) {
    const auto& [round, gathering] = *rounds_.begin();
    const auto n = static_cast<double>(gathering.count);
    MetricsPoint point;
    point.round = round + 1;
    point.seconds = std::max(0.0, gathering.last_time - start_);
    point.loss = gathering.loss / n;
    const double share = n / static_cast<double>(reporters_);  // of those who were there
    point.bytes_sent_per_node = gathering.bytes / share / static_cast<double>(nodes_);
    if (gathering.disagreement >= 0) point.consensus_distance = gathering.disagreement;
    const bool snapshots = gathering.snapshots == reporters_;
    complete.push_back({round, gathering.reporter, snapshots, false, point});
    last_ = round;
    rounds_.erase(rounds_.begin());
  }
  return complete;
}

double training_seconds(const std::vector<control::ProgressReply>& replies) {
  double end = 0;
  for (const control::ProgressReply& reply : replies) {
    if (reply.unix_start > 0) end = std::max(end, reply.unix_start + reply.seconds);
  }
  return std::max(0.0, end - first_start(replies));
}

}  // namespace kith
