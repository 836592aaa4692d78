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

std::vector<TrackedRound> ReportTracker::add(const std::vector<control::ProgressReply>& replies) {
  const double start = first_start(replies);
  if (start > 0) start_ = start_ == 0 ? start : std::min(start_, start);
  for (size_t i = 0; i < replies.size(); ++i) {
    const control::ProgressReply& reply = replies[i];
    for (const control::ReportEntry& entry : reply.reports) {
      if (i >= reporters_) continue;
      reached_[i] = std::max(reached_[i], entry.round + 1);
      if (last_ && entry.round <= *last_) continue;
      Gathering& gathering = rounds_[entry.round];
      gathering.reported.resize(reporters_);
      if (gathering.reported[i]) continue;  // before a crash
      gathering.reported[i] = true;
      ++gathering.count;
      gathering.snapshots += entry.snapshot;
      gathering.loss += entry.loss;
      gathering.disagreement = std::max(gathering.disagreement, entry.disagreement);
      gathering.bytes += static_cast<double>(entry.bytes_sent);
      if (reporters_ < nodes_) gathering.bytes += static_cast<double>(entry.bytes_received);
      gathering.last_time = std::max(gathering.last_time, entry.unix_time);
    }
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
    complete.push_back({round, gathering.snapshots == reporters_, false, point});
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
