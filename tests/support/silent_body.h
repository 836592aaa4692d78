// A body that carries nothing out and remembers what it was asked, and one Node in it: for tests of
// one Node.
#pragma once

#include <string>
#include <vector>

#include "daemon/body.h"
#include "daemon/learn/model.h"
#include "daemon/node.h"
#include "daemon/plan.h"

namespace kith {

struct SilentBody final : Body {
  std::vector<Message> sent;
  std::vector<Compute> work;
  std::vector<uint64_t> cancelled;
  std::vector<Finish> finished;
  Round reported = 0;  // rounds, by the last report
  void send(Message&& message) override { sent.push_back(std::move(message)); }
  void compute(NodeId, Compute&& asked) override { work.push_back(std::move(asked)); }
  void cancel(NodeId, uint64_t ticket) override { cancelled.push_back(ticket); }
  void set_timer(NodeId, TimerId, Duration) override {}
  void report(NodeId, Report&& report) override { reported = report.round + 1; }
  void finish(NodeId, Finish finish) override { finished.push_back(finish); }
  void checkpoint(NodeId, Checkpoint&&) override {}
  void edge_changed(NodeId, NodeId, bool, Round) override {}
  void peer_silent(NodeId, NodeId, Duration) override {}

  // Sent last of this kind; null = none.
  const Message* last(uint16_t kind) const {
    for (size_t i = sent.size(); i-- > 0;) {
      if (sent[i].kind == kind) return &sent[i];
    }
    return nullptr;
  }
};

// One node of a job of the laboratory, which has begun.
struct OneNode {
  OneNode(Job of, uint32_t nodes, NodeId self, RepairPolicy policy)
      : job(std::move(of)),
        model(model_info("quadratic").make({}, nodes, job.model.options)),
        plan(make_plan(job, nodes, *model, 0)),
        node(plan.node_state(self, 0, initial_parameters(job, *model, pool), pool), *plan.algorithm,
             job.algorithm.options, policy, body) {
    node.handle(Start{}, Time{});
  }

  // Of what it was asked for last.
  void computed(SharedBuffer result) {
    Computed event;
    event.ticket = body.work.back().ticket;
    event.result = std::move(result);
    node.handle(std::move(event), Time{});
  }

  void receive(Message&& m) { node.handle(Received{std::move(m)}, Time{}); }
  uint64_t refused(Reason reason) const {
    return node.counters().refused[static_cast<size_t>(reason)];
  }

  Job job;
  std::unique_ptr<Model> model;
  Plan plan;
  Pool pool;
  SilentBody body;
  Node node;
};

}  // namespace kith
