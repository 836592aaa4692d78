// What the client prints: fitted to the terminal, and in step with the tables behind it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "client/view/keys.h"
#include "client/view/progress.h"
#include "client/view/summary.h"
#include "client/view/units.h"
#include "daemon/job.h"
#include "daemon/store/file.h"

namespace kith {
namespace {

Progress halfway() {
  Progress progress;
  progress.round = 500;
  progress.rounds = 1000;
  progress.seconds = 10;
  progress.loss = 0.51234;
  progress.accuracy = 0.8731;
  progress.consensus_distance = 0.0123;
  progress.bytes_sent_per_node = 12.34e6;
  return progress;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Progress, NeverWiderThanTheTerminal) {
  for (size_t width = 1; width <= 200; ++width) {
    EXPECT_LE(columns(render_progress(halfway(), width)), width);
  }
}

TEST(Progress, NarrowTerminalKeepsTheEssence) {
  const std::string line = render_progress(halfway(), 40);
  EXPECT_TRUE(has(line, "round 500/1000")) << line;
  EXPECT_TRUE(has(line, "[")) << line;
  EXPECT_FALSE(has(line, "distance")) << line;
}

TEST(Progress, UsualTerminalShowsLossAccuracyAndTimeLeft) {
  const std::string line = render_progress(halfway(), 80);
  for (const char* part : {"round 500/1000", "loss 0.5123", "accuracy 87.31 %", "10.0 s left"}) {
    EXPECT_TRUE(has(line, part)) << part << " is not in: " << line;
  }
}

TEST(Progress, WideTerminalShowsEverything) {
  const std::string line = render_progress(halfway(), 130);
  for (const char* part : {"round 500/1000", "loss 0.5123", "accuracy 87.31 %", "distance 0.0123",
                           "12.3 MB/node sent", "50 rounds/s", "10.0 s left"}) {
    EXPECT_TRUE(has(line, part)) << part << " is not in: " << line;
  }
}

TEST(Progress, BarIsHalfFullAtHalf) {
  const std::string line = render_progress(halfway(), 200);
  EXPECT_TRUE(has(line, "[############............]")) << line;
}

TEST(Progress, WarningOutlivesTheLessImportant) {
  Progress progress = halfway();
  progress.warning = "node 3 silent for 12.0 s";
  EXPECT_TRUE(has(render_progress(progress, 60), "node 3 silent")) << render_progress(progress, 60);
}

TEST(Progress, StartsWithoutFigures) {
  Progress progress;
  progress.rounds = 10;
  EXPECT_TRUE(has(render_progress(progress, 80), "round 0/10"));
}

TEST(Units, AsPeopleReadThem) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(999.6), "1.00 kB");
  EXPECT_EQ(bytes_text(12345), "12.3 kB");
  EXPECT_EQ(bytes_text(5.73e8), "573 MB");
  EXPECT_EQ(duration_text(0.421), "0.42 s");
  EXPECT_EQ(duration_text(59.94), "59.9 s");
  EXPECT_EQ(duration_text(59.96), "1 min 00 s");
  EXPECT_EQ(duration_text(185), "3 min 05 s");
  EXPECT_EQ(duration_text(7620), "2 h 07 min");
  EXPECT_EQ(count_text(7), "7");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(percent_text(0.8731), "87.31 %");
}

RunResult finished() {
  RunResult result;
  result.algorithm = "dpsgd";
  result.graph = "ring";
  result.codec = "top-k:0.01";
  result.model = "mlp";
  result.nodes = 8;
  result.parameters = 101770;
  result.rounds = 704;
  result.seconds = 3.2;
  result.accuracy = Accuracy{0.8261, 0.81, 0.8071, 0.83};
  result.worst_node = NodeId{5};
  result.evaluated_nodes = 8;
  result.bytes_sent_per_node = 1e6;
  result.bytes_synchronous_per_node = 5e7;
  return result;
}

TEST(Summary, SaysWhatRanHowWellAndWhere) {
  const std::string text = render_summary(finished(), "runs/ring-8nodes-1");
  for (const char* part :
       {"mlp (101,770 parameters) on 8 nodes", "704 rounds of dpsgd", "ring", "as top-k:0.01",
        "82.61 %", "80.71 %  worst node (5)", "3.20 s", "1.00 MB per node",
        "50.0 MB per node, 50.0x as much", "runs/ring-8nodes-1/model.safetensors"}) {
    EXPECT_TRUE(has(text, part)) << part << " is not in:\n" << text;
  }
}

TEST(Summary, InjectedDelaysAreNotTakenForTheMachine) {
  RunResult result = finished();
  EXPECT_FALSE(has(render_summary(result, "runs/x"), "injected"));
  result.injected = "compute exponential:0.02";
  EXPECT_TRUE(has(render_summary(result, "runs/x"),
                  "not this machine's own speed, delays are injected: compute exponential:0.02\n"));
}

TEST(Summary, NodesThatLieAndPrivacyAreSaid) {
  RunResult result = finished();
  for (const char* word : {"adversaries", "privacy"}) {
    EXPECT_FALSE(has(render_summary(result, "runs/x"), word)) << word;
  }
  result.adversary = "2 of 8 nodes (3, 7) are bad on purpose: what each sends is huge:5";
  result.privacy = PrivacySpent{1.5, 12, 1e-5};
  result.privacy_text = "epsilon 1.5 at delta 1e-05";
  const std::string text = render_summary(result, "runs/x");
  EXPECT_TRUE(has(text, "2 of 8 nodes (3, 7) are bad on purpose")) << text;
  EXPECT_TRUE(has(text, "privacy        epsilon 1.5 at delta 1e-05")) << text;
}

TEST(Summary, DivergenceComesWithARemedy) {
  RunResult result = finished();
  result.diverged = true;
  const std::string text = render_summary(result, "out");
  EXPECT_TRUE(has(text, "Diverged")) << text;
  EXPECT_TRUE(has(text, "train.learning_rate")) << text;
}

TEST(Keys, ReadmeTableIsTheOneThatTheProgramUses) {
  const std::string readme = read_file(std::string(KITH_SOURCE_DIR) + "/client/README.md");
  EXPECT_TRUE(has(readme, keys_markdown()))
      << "client/README.md: replace the tables by what `kith job --keys --markdown` prints";
}

TEST(Keys, EveryKeyAndKindIsListed) {
  const std::string text = keys_text();
  const auto json = nlohmann::json::parse(keys_json());
  size_t count = job_keys().size();
  for (const JobKey& key : job_keys()) EXPECT_TRUE(has(text, key.spec.key)) << key.spec.key;
  for (const JobKind& kind : job_kinds()) {
    EXPECT_TRUE(has(text, std::string("\"") + kind.name + "\"")) << kind.name;
    count += kind.options.size();
  }
  EXPECT_EQ(json.size(), count);
}

}  // namespace
}  // namespace kith
