// A few rounds of every algorithm, event by event, against tests/golden/<algorithm>.txt: what each
// event makes a node send, compute and report, and the state that it leaves. Rewrite after a wanted
// change with UPDATE_GOLDEN=1, and read the difference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <sstream>

#include "daemon/node.h"
#include "daemon/plan.h"
#include "protocol/wire.h"
#include "tests/support/simulate.h"

namespace kith {
namespace {

constexpr uint32_t kNodes = 4;

// Delivers events in the order in which they arise and writes down all that happens.
class Script final : public Body {
 public:
  explicit Script(const Job& job)
      : model_(model_info("quadratic").make({}, kNodes, job.model.options)),
        plan_(make_plan(job, kNodes, *model_, 0)) {
    const SharedBuffer initial = initial_parameters(job, *model_, pool_);
    for (uint32_t i = 0; i < kNodes; ++i) {
      trainers_.emplace_back(plan_.trainer(NodeId{i}, *model_, nullptr, {}));
      nodes_.emplace_back(plan_.node_state(NodeId{i}, 0, initial, pool_), *plan_.algorithm,
                          job.algorithm.options, RepairPolicy{}, *this);
      events_.push_back({NodeId{i}, Start{}, "start"});
    }
  }

  std::string play() {
    while (!events_.empty()) {
      Pending next = std::move(events_.front());
      events_.pop_front();
      line("%u <- %s", index_of(next.node), next.text.c_str());
      now_ += std::chrono::milliseconds(1);
      nodes_[index_of(next.node)].handle(std::move(next.event), now_);
      text_ += "    ";
      nodes_[index_of(next.node)].describe(text_);
      text_ += '\n';
    }
    return text_;
  }

  void send(Message&& message) override {
    line("  send to %u kind %u round %u number %u, %zu bytes", index_of(message.to), message.kind,
         static_cast<unsigned>(message.round), static_cast<unsigned>(message.sequence),
         message.payload.size());
    const NodeId to = message.to;
    const std::string text = "received from " + std::to_string(index_of(message.from)) + " round " +
                             std::to_string(message.round);
    events_.push_back({to, Received{std::move(message)}, text});
  }

  void compute(NodeId node, Compute&& work) override {
    line("  compute batch %u, %u steps", static_cast<unsigned>(work.first_batch), work.steps);
    events_.push_back({node, trainers_[index_of(node)].run(work, pool_, workspace_), "computed"});
  }

  void checkpoint(NodeId, Checkpoint&&) override { FAIL() << "not asked for"; }

  void cancel(NodeId node, uint64_t ticket) override {
    line("  cancel %u", static_cast<unsigned>(ticket));
    std::erase_if(events_, [&](const Pending& pending) {
      const auto* computed = std::get_if<Computed>(&pending.event);
      return computed != nullptr && pending.node == node && computed->ticket == ticket;
    });
  }
  void set_timer(NodeId, TimerId id, Duration after) override {
    line("  timer %u in %.6g s", id, seconds(after));
  }
  void report(NodeId, Report&& report) override {
    line("  report round %u loss %.6g", static_cast<unsigned>(report.round), report.loss);
  }
  void finish(NodeId, Finish) override { line("  finish"); }
  void edge_changed(NodeId, NodeId, bool, Round) override {}
  void peer_silent(NodeId, NodeId, Duration) override {}

 private:
  struct Pending {
    NodeId node;
    Event event;
    std::string text;
  };

  template <class... Values>
  void line(const char* format, Values... values) {
    char text[200];
    std::snprintf(text, sizeof text, format, values...);
    text_ += text;
    text_ += '\n';
  }

  std::unique_ptr<Model> model_;
  Plan plan_;
  Pool pool_;
  Workspace workspace_;
  Time now_{};
  std::vector<Trainer> trainers_;
  std::deque<Node> nodes_;
  std::deque<Pending> events_;
  std::string text_;
};

std::string play(const AlgorithmInfo& algorithm) {
  const std::string graph = graph_of(algorithm);
  const std::string codec = algorithm.codec != nullptr ? algorithm.codec : "identity";
  std::string options;
  for (const OptionSpec& spec : algorithm.options) {
    if (spec.key == std::string("k")) options = "k = 2\n";  // something to wait for and to cancel
    if (spec.key == std::string("local_steps") && algorithm.central) options = "local_steps = 2\n";
    // Steps on both sides of a wait, and fragments of unequal size.
    if (spec.key == std::string("fragments")) options = "local_steps = 4\nfragments = 2\n";
  }
  return Script(parse_job("[model]\nkind = \"quadratic\"\nreplicas = 3\noffsets = \"index\"\n"
                          "[train]\nlearning_rate = 0.1\n"
                          "[algorithm]\nkind = \"" +
                          std::string(algorithm.name) + "\"\n" + options +
                          "[topology]\ngraph = \"" + graph + "\"\n[codec]\nkind = \"" + codec +
                          "\"\n[stop]\nrounds = 2\n"))
      .play();
}

TEST(Golden, EveryAlgorithmPlaysItsScript) {
  for (const AlgorithmInfo* algorithm : all_algorithms()) {
    std::string symbol = algorithm->name;
    std::ranges::replace(symbol, '-', '_');
    const std::string path = std::string(KITH_SOURCE_DIR) + "/tests/golden/" + symbol + ".txt";
    const std::string played = play(*algorithm);
    if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(path) << played;
    std::ifstream file(path);
    ASSERT_TRUE(file) << path << " is missing: run with UPDATE_GOLDEN=1 and read it";
    std::stringstream golden;
    golden << file.rdbuf();
    EXPECT_EQ(golden.str(), played) << "against " << path;
  }
}

}  // namespace
}  // namespace kith
