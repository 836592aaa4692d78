// The rounds that a job reports, and the parameters of the latest of them. The parameters are
// shared blocks: keeping them costs their memory and no time.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "protocol/archive.h"
#include "protocol/buffer.h"
#include "protocol/control.h"

namespace kith {

class ReportStore {
 public:
  // Bounds: bytes of parameters (the latest is always kept) and number of reports.
  ReportStore(size_t max_bytes, size_t max_reports)
      : max_bytes_(max_bytes), max_reports_(max_reports) {}

  void add(control::ReportEntry entry, SharedBuffer parameters);

  // Those from index `first` on, numbered from 0 over the whole run.
  std::vector<control::ReportEntry> since(uint64_t first) const;
  uint64_t next() const { return dropped_ + kept_.size(); }

  struct Snapshot {
    Round round = 0;
    SharedBuffer parameters;
  };
  // Of that round, or of the latest report; nothing if it is not kept.
  std::optional<Snapshot> snapshot(std::optional<Round> round) const;

  size_t bytes() const { return bytes_; }

  // The latest kPersisted reports without their parameters: what a client may not have heard of
  // yet.
  void persist(Archive& archive);
  static constexpr size_t kPersisted = 64;

 private:
  struct Kept {
    control::ReportEntry entry;
    SharedBuffer parameters;
  };

  size_t max_bytes_;
  size_t max_reports_;
  std::deque<Kept> kept_;
  uint64_t dropped_ = 0;
  size_t bytes_ = 0;
};

}  // namespace kith
