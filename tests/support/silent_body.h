// A body that carries nothing out and remembers what it was asked: for tests of one Node.
#pragma once

#include <vector>

#include "daemon/body.h"

namespace kith {

struct SilentBody final : Body {
  std::vector<Message> sent;
  uint64_t ticket = 0;  // of the last Compute
  Round reported = 0;   // rounds, by the last report
  void send(Message&& message) override { sent.push_back(std::move(message)); }
  void compute(NodeId, Compute&& work) override { ticket = work.ticket; }
  void cancel(NodeId, uint64_t) override {}
  void set_timer(NodeId, TimerId, Duration) override {}
  void report(NodeId, Report&& report) override { reported = report.round + 1; }
  void finish(NodeId, Finish) override {}
  void checkpoint(NodeId, Checkpoint&&) override {}
  void edge_changed(NodeId, NodeId, bool, Round) override {}
  void peer_silent(NodeId, NodeId, Duration) override {}
};

}  // namespace kith
