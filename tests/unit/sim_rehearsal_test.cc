// What a rehearsal says of a round against what a run then takes.
#include <gtest/gtest.h>

#include "daemon/sim/dummy_model.h"
#include "daemon/sim/rehearsal.h"
#include "tests/support/simulate.h"

namespace kith {
namespace {

struct Case {
  const char* algorithm;
  const char* graph;
  const char* codec;
  double tolerance;  // codecs whose size follows the values, few rounds of chance
};

std::string job(const Case& which) {
  return std::string("[model]\nkind = \"quadratic\"\nreplicas = 26000\nnoise = 1\n[train]\n") +
         "learning_rate = 0.01\n[algorithm]\nkind = \"" + which.algorithm +
         "\"\n[topology]\ngraph = \"" + which.graph + "\"\n[codec]\nkind = \"" + which.codec +
         "\"\n[delays]\ncompute = \"constant:0.01\"\n[stop]\nrounds = 60\n";
}

TEST(Rehearsal, SaysWhatARoundTakes) {
  constexpr uint32_t kNodes = 8;
  for (const Case& which :
       {Case{"dpsgd", "ring", "identity", 1e-9},
        Case{"dpsgd", "one-peer-exponential", "identity", 1e-9},
        Case{"gradient-tracking", "hypercube", "identity", 1e-9},
        Case{"choco-sgd", "ring", "top-k:0.01 | int8", 0.05},
        Case{"choco-sgd", "ring", "sign", 0.02}, Case{"sync", "star", "identity", 0.05},
        Case{"local-sgd", "star", "qsgd:15", 0.2}, Case{"matcha", "torus", "identity", 0.5},
        Case{"ad-psgd", "ring", "identity", 0.2}}) {
    SCOPED_TRACE(std::string(which.algorithm) + " " + which.graph + " " + which.codec);
    const Job parsed = parse_job(job(which));
    const auto model = model_info("quadratic").make({}, kNodes, parsed.model.options);
    const std::optional<Rehearsal> said = rehearse(parsed, kNodes, *model);
    ASSERT_TRUE(said);
    const SimulationResult run = simulate_text(job(which), kNodes);
    double messages = 0;
    double bytes = 0;
    double most = 0;
    for (const NodeCounters& node : run.counters) {
      messages += static_cast<double>(node.messages_sent) / 60 / kNodes;
      bytes += static_cast<double>(node.bytes_sent) / 60 / kNodes;
      most = std::max(most, static_cast<double>(node.bytes_sent) / 60);
    }
    EXPECT_NEAR(said->messages / messages, 1, which.tolerance);
    EXPECT_NEAR(said->bytes / bytes, 1, which.tolerance);
    EXPECT_NEAR(said->bytes_most / most, 1, which.tolerance);
    EXPECT_NEAR(said->seconds, seconds(run.end) / 60, 0.1 * seconds(run.end) / 60);
  }
}

TEST(Rehearsal, LeavesOutWhatNeedsData) {
  const Job reduced = parse_job(
      "[model]\nkind = \"softmax\"\n[data]\nsource = \"fashion-mnist\"\n[train]\n"
      "variance_reduction = \"svrg\"\n[algorithm]\nkind = \"dpsgd\"\n[topology]\n"
      "graph = \"ring\"\n[stop]\nepochs = 2\n");
  const auto model = model_info("softmax").make({784, 10}, 4, reduced.model.options);
  EXPECT_TRUE(rehearse(reduced, 4, *model));
}

TEST(Rehearsal, HasNoAnswerWhereItWouldTakeLong) {
  const std::string plain = job({"dpsgd", "ring", "identity", 0});
  const std::string shaped = job({"choco-sgd", "ring", "powersgd:2", 0});
  const auto answer = [](const Job& parsed, uint32_t nodes) {
    const auto model = model_info("quadratic").make({}, nodes, parsed.model.options);
    return rehearse(parsed, nodes, *model).has_value();
  };
  EXPECT_TRUE(answer(parse_job(plain, {"model.replicas=10000000"}), 4));
  EXPECT_FALSE(answer(parse_job(plain), kMostNodesTried + 1));
  EXPECT_TRUE(answer(parse_job(shaped), 8));
  EXPECT_FALSE(answer(parse_job(shaped, {"model.replicas=1000000"}), 8));
}

}  // namespace
}  // namespace kith
