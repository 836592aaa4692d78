#include "daemon/real/report_store.h"

#include <algorithm>

namespace kith {

void ReportStore::add(control::ReportEntry entry, SharedBuffer parameters) {
  bytes_ += parameters.size();
  kept_.push_back({entry, std::move(parameters)});
  for (size_t i = 0; i + 1 < kept_.size() && bytes_ > max_bytes_; ++i) {
    bytes_ -= kept_[i].parameters.size();
    kept_[i].parameters = {};
  }
  while (kept_.size() > max_reports_) {
    bytes_ -= kept_.front().parameters.size();
    kept_.pop_front();
    ++dropped_;
  }
}

std::vector<control::ReportEntry> ReportStore::since(uint64_t first) const {
  std::vector<control::ReportEntry> entries;
  const size_t skip = first > dropped_ ? std::min<uint64_t>(first - dropped_, kept_.size()) : 0;
  for (size_t i = skip; i < kept_.size(); ++i) {
    entries.push_back(kept_[i].entry);
    entries.back().snapshot = static_cast<bool>(kept_[i].parameters);
  }
  return entries;
}

std::optional<ReportStore::Snapshot> ReportStore::snapshot(std::optional<Round> round) const {
  if (kept_.empty()) return std::nullopt;
  if (!round) return Snapshot{kept_.back().entry.round, kept_.back().parameters};
  for (const Kept& kept : kept_) {
    if (kept.entry.round == *round && kept.parameters) return Snapshot{*round, kept.parameters};
  }
  return std::nullopt;
}

void ReportStore::persist(Archive& archive) {
  std::vector<control::ReportEntry> entries;
  if (!archive.reading()) entries = since(next() - std::min<uint64_t>(next(), kPersisted));
  size_t count = entries.size();
  archive.number("count", count);
  if (count > kPersisted) return archive.refuse();
  entries.resize(count);
  for (size_t i = 0; i < count; ++i) {
    control::ReportEntry& entry = entries[i];
    const std::string name = std::to_string(i) + '.';
    archive.number(name + "round", entry.round);
    archive.number(name + "loss", entry.loss);
    archive.number(name + "seconds", entry.seconds);
    archive.number(name + "unix_time", entry.unix_time);
    archive.number(name + "bytes_sent", entry.bytes_sent);
    archive.number(name + "bytes_received", entry.bytes_received);
    archive.number(name + "disagreement", entry.disagreement);
    if (archive.reading()) add(entry, {});
  }
}

}  // namespace kith
