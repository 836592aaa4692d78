// The driver that protocol/README.md shows, compiled and run: it is all that a body needs.
#include <gtest/gtest.h>

#include <deque>

#include "daemon/node.h"
#include "daemon/plan.h"

namespace {

struct Loop final : kith::Body {
  std::deque<std::pair<kith::NodeId, kith::Event>> events;
  std::deque<kith::Node> nodes;
  std::vector<kith::Trainer> trainers;
  kith::Pool pool;
  kith::Workspace workspace;
  int finished = 0;

  void send(kith::Message&& m) override {
    const kith::NodeId to = m.to;
    events.push_back({to, kith::Received{std::move(m)}});
  }
  void compute(kith::NodeId n, kith::Compute&& work) override {
    events.push_back({n, trainers[index_of(n)].run(work, pool, workspace)});
  }
  void run(kith::Time now = {}) {
    for (; !events.empty(); events.pop_front()) {
      nodes[index_of(events.front().first)].handle(std::move(events.front().second), now);
    }
  }

  void cancel(kith::NodeId, uint64_t) override {}
  void set_timer(kith::NodeId, kith::TimerId, kith::Duration) override {}
  void report(kith::NodeId, kith::Report&&) override {}
  void finish(kith::NodeId, kith::Finish) override { ++finished; }
  void checkpoint(kith::NodeId, kith::Checkpoint&&) override {}
  void edge_changed(kith::NodeId, kith::NodeId, bool, kith::Round) override {}
  void peer_silent(kith::NodeId, kith::NodeId, kith::Duration) override {}
};

TEST(Contract, FifteenLinesDriveARing) {
  const kith::Job job = kith::parse_job(R"(
    [model]
    kind = "quadratic"
    replicas = 4
    offsets = "index"
    noise = 0
    [train]
    learning_rate = 0.1
    [stop]
    rounds = 300
  )");
  const std::unique_ptr<kith::Model> model =
      kith::model_info("quadratic").make({}, 5, job.model.options);
  const kith::Plan plan = kith::make_plan(job, 5, *model, 0);
  Loop loop;
  const kith::SharedBuffer initial = kith::initial_parameters(job, *model, loop.pool);
  for (uint32_t i = 0; i < 5; ++i) {
    const kith::NodeId id{i};
    loop.trainers.emplace_back(plan.trainer(id, *model, nullptr, {}));
    loop.nodes.emplace_back(plan.node_state(id, 0, initial, loop.pool), *plan.algorithm,
                            job.algorithm.options, kith::RepairPolicy{}, loop);
    loop.events.push_back({id, kith::Start{}});
  }
  loop.run();
  EXPECT_EQ(loop.finished, 5);
  // Offsets 0..4: the average settles at their mean.
  float average = 0;
  for (const kith::Node& node : loop.nodes) average += node.state().parameters.floats()[0] / 5;
  EXPECT_NEAR(average, 2.0f, 1e-4f);
}

}  // namespace
