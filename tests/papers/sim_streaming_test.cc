// Streaming DiLoCo (Douillard et al. 2025; ALGORITHMS 2B) through the simulator: what it reduces
// to, bit for bit; its recursion written out here in doubles; its variance against the exact one of
// local SGD (E3, ALGORITHMS 4.2); bytes, and what is refused.
#include <gtest/gtest.h>

#include <cmath>

#include "protocol/coordinator/fragments.h"
#include "protocol/theory/local_laboratory.h"
#include "tests/support/laboratory.h"

namespace kith {
namespace {

// Unequal data, noise of both kinds: nothing that an algorithm could get right by chance.
const std::string kJob = R"(
[job]
seed = 5
[model]
kind = "quadratic"
replicas = 301
offsets = "index"
noise = 0.5
slope_noise = 0.2
curvature = [0.5, 0.8, 1.1, 1.4, 0.9]
start = 1.5
[train]
learning_rate = 0.07
momentum = 0.5
[topology]
graph = "star"
[delays]
compute = "exponential:0.01"
latency_ms = 5
[stop]
rounds = 12
)";
constexpr uint32_t kNodes = 5;

SimulationResult run(const std::string& kind, std::vector<std::string> more = {},
                     uint32_t nodes = kNodes) {
  more.push_back("algorithm.kind=\"" + kind + '"');
  if (nodes == 1) more.push_back("model.curvature=0.8");
  return simulate_text(kJob, nodes, more);
}

std::vector<std::string> joined(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// ---- what reduces to what ----

const std::vector<std::string> kWhole = {"algorithm.local_steps=4", "algorithm.fragments=1",
                                         "algorithm.overlap_steps=0", "algorithm.alpha=0"};

TEST(StreamingDiLoCo, OfOneFragmentThatWaitsIsDiLoCoBitForBit) {
  for (const std::vector<std::string>& outer :
       {std::vector<std::string>{},
        {"algorithm.outer_learning_rate=0.3"},
        {"algorithm.outer_learning_rate=1", "algorithm.outer_momentum=0.5"}}) {
    for (const std::vector<std::string>& codec :
         {std::vector<std::string>{},
          {"codec.kind=\"bf16\""},
          {"codec.kind=\"top-k:0.1\"", "codec.memory=error-feedback"},
          {"codec.kind=\"qsgd:15\"", "codec.memory=error-feedback"}}) {
      const std::vector<std::string> both = joined(outer, codec);
      EXPECT_TRUE(same_parameters(run("diloco", joined({"algorithm.local_steps=4"}, both)),
                                  run("streaming-diloco", joined(kWhole, both))));
    }
  }
  EXPECT_FALSE(
      same_parameters(run("streaming-diloco", kWhole),
                      run("streaming-diloco", joined(kWhole, {"algorithm.overlap_steps=1"}))));
  EXPECT_FALSE(same_parameters(run("streaming-diloco", kWhole),
                               run("streaming-diloco", joined(kWhole, {"algorithm.alpha=0.1"}))));
}

TEST(StreamingDiLoCo, WithAnOuterStepThatIsAveragingIsLocalSgdAndFedAvgBitForBit) {
  const SimulationResult streaming =
      run("streaming-diloco",
          joined(kWhole, {"algorithm.outer_learning_rate=1", "algorithm.outer_momentum=0"}));
  for (const char* kind : {"local-sgd", "fedavg"}) {
    EXPECT_TRUE(same_parameters(streaming, run(kind, {"algorithm.local_steps=4"}))) << kind;
  }
}

// z_f+ = z_f - (z_f - x_f): a rounding of the displacement and one of the sum, at each cut of f.
TEST(StreamingDiLoCo, ANodeAloneIsSgdToARoundingACut) {
  const uint32_t fragments = 3;
  const uint32_t between = 2;
  const Round rounds = 12;
  const SimulationResult streaming =
      run("streaming-diloco",
          {"algorithm.local_steps=6", "algorithm.fragments=3", "algorithm.overlap_steps=0",
           "algorithm.alpha=0", "algorithm.outer_learning_rate=1", "algorithm.outer_momentum=0"},
          1);
  const Fragments layout(301, fragments);
  for (uint32_t f = 0; f < fragments; ++f) {
    const Round steps = (rounds - fragments + f + 1) * between;  // before the last cut of f
    const SimulationResult sgd = run("sync", {"stop.rounds=" + std::to_string(steps)}, 1);
    const auto x = layout.of(f, sgd.parameters[0].floats());
    const auto z = layout.of(f, streaming.parameters[0].floats());
    for (size_t j = 0; j < x.size(); ++j) {
      ASSERT_NEAR(x[j], z[j], 4 * 0x1p-23 * (1 + std::abs(x[j]))) << f << " " << j;
    }
  }
}

// Timing never reaches the mathematics: with news that is there long before the merge, and long
// after.
TEST(StreamingDiLoCo, EndsWithTheSameBitsWhateverTheLatency) {
  for (const char* overlap : {"0", "1", "3"}) {
    const std::vector<std::string> keys = {"algorithm.local_steps=12", "algorithm.fragments=4",
                                           std::string("algorithm.overlap_steps=") + overlap};
    const SimulationResult reference = run("streaming-diloco", keys);
    for (const char* latency : {"0", "1000"}) {
      EXPECT_TRUE(same_parameters(
          reference,
          run("streaming-diloco", joined(keys, {std::string("delays.latency_ms=") + latency}))));
    }
  }
}

// ---- the recursion ----

// A drawn job; numbers of six digits, as the text of the job says them.
struct Problem {
  std::vector<double> curvature;
  std::vector<double> offset;
  double rate, start, alpha, outer_rate, momentum;
  uint32_t fragments, between, overlap;
  Round rounds;

  uint32_t nodes() const { return static_cast<uint32_t>(curvature.size()); }
  size_t parameters() const { return 2 * fragments + 1; }
};

double six_digits(double value) { return std::stod(std::to_string(value)); }

Problem drawn(uint64_t seed) {
  Rng rng(seed, NodeId{0}, Purpose::kTest);
  Problem p;
  p.rate = six_digits(0.02 + 0.1 * rng.uniform());
  p.start = six_digits(3 * rng.uniform());
  p.alpha = rng.below(4) == 0 ? 0 : six_digits(0.95 * rng.uniform());
  p.outer_rate = six_digits(0.2 + 0.8 * rng.uniform());
  p.momentum = rng.below(4) == 0 ? 0 : six_digits(0.9 * rng.uniform());
  p.fragments = static_cast<uint32_t>(1 + rng.below(5));
  p.between = static_cast<uint32_t>(1 + rng.below(5));
  p.overlap = static_cast<uint32_t>(rng.below(p.between + 1));
  p.rounds = 1 + rng.below(25);
  const uint64_t nodes = 1 + rng.below(6);
  for (uint64_t i = 0; i < nodes; ++i) {
    p.curvature.push_back(six_digits(0.3 + rng.uniform()));
    p.offset.push_back(six_digits(-3 + 6 * rng.uniform()));
  }
  return p;
}

std::string list(const std::vector<double>& values) {
  std::string text = "[";
  for (const double value : values) text += (text.size() > 1 ? ", " : "") + std::to_string(value);
  return text + "]";
}

std::string key(const char* name, double value) {
  return std::string(name) + " = " + std::to_string(value) + "\n";
}

std::string key(const char* name, uint64_t value) {
  return std::string(name) + " = " + std::to_string(value) + "\n";
}

SimulationResult simulate_problem(const Problem& p) {
  return simulate_text(
      "[model]\nkind = \"quadratic\"\ncurvature = " + list(p.curvature) +
          "\noffset = " + list(p.offset) + "\n" + key("start", p.start) +
          key("replicas", p.parameters()) + "[train]\n" + key("learning_rate", p.rate) +
          "[algorithm]\nkind = \"streaming-diloco\"\n" +
          key("local_steps", uint64_t{p.fragments} * p.between) +
          key("fragments", uint64_t{p.fragments}) + key("overlap_steps", uint64_t{p.overlap}) +
          key("alpha", p.alpha) + key("outer_learning_rate", p.outer_rate) +
          key("outer_momentum", p.momentum) +
          "[topology]\ngraph = \"star\"\n[delays]\ncompute = \"exponential:0.1\"\n[stop]\n" +
          key("rounds", uint64_t{p.rounds}),
      p.nodes());
}

// Fragment f by the clock of the local steps alone: DiLoCo of period H that begins its periods at
// f S, with news that is D steps late. It knows nothing of the other fragments.
double expected_fragment(const Problem& p, uint32_t f) {
  std::vector<double> x(p.nodes(), p.start);
  double z = p.start;
  double v = 0;
  uint64_t merge_at = 0;
  const uint64_t period = uint64_t{p.fragments} * p.between;
  for (uint64_t step = 1; step <= p.rounds * p.between; ++step) {
    for (size_t i = 0; i < x.size(); ++i) x[i] -= p.rate * p.curvature[i] * (x[i] - p.offset[i]);
    const auto merge = [&] {
      for (double& each : x) each = p.alpha * each + (1 - p.alpha) * z;
    };
    if (step == merge_at) merge();
    if (step % period != uint64_t{f + 1} * p.between % period) continue;
    double displacement = 0;
    for (const double each : x) displacement += (z - each) / p.nodes();
    v = p.momentum * v + displacement;
    z -= p.outer_rate * (displacement + p.momentum * v);
    merge_at = step + p.overlap;
    if (p.overlap == 0) merge();
  }
  return z;
}

TEST(StreamingDiLoCo, FollowsItsRecursionFragmentByFragment) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const Problem p = drawn(seed);
    SCOPED_TRACE("seed " + std::to_string(seed) + ": P " + std::to_string(p.fragments) + ", S " +
                 std::to_string(p.between) + ", D " + std::to_string(p.overlap) + ", alpha " +
                 std::to_string(p.alpha) + ", " + std::to_string(p.rounds) + " rounds");
    const SimulationResult result = simulate_problem(p);
    const Fragments layout(p.parameters(), p.fragments);
    for (uint32_t f = 0; f < p.fragments; ++f) {
      const double z = expected_fragment(p, f);
      for (const float value : layout.of(f, result.parameters[0].floats())) {
        ASSERT_NEAR(static_cast<double>(value), z, 2e-5) << "fragment " << f;
      }
    }
    for (const SharedBuffer& x : result.parameters) {
      EXPECT_TRUE(std::ranges::equal(x.bytes(), result.parameters[0].bytes()));
    }
  }
}

// ---- the laboratory ----

// With D = 0, alpha = 0 and averaging each coordinate is local SGD of period H, however many
// fragments: E3, which depends on H where the slope is noisy. 4 standard errors estimated from the
// run, a false alarm in 16,000 for each figure.
TEST(Laboratory, E3EachFragmentHasTheVarianceOfLocalSgdOfPeriodH) {
  struct Row {
    uint32_t nodes, fragments, between;
    double slope_noise;
  };
  for (const Row& row : {Row{8, 4, 5, 5}, Row{4, 2, 4, 8}, Row{3, 5, 1, 2}}) {
    const uint32_t period = row.fragments * row.between;
    SCOPED_TRACE("H " + std::to_string(period) + ", P " + std::to_string(row.fragments));
    const ScalarQuadratic problem{.slope_noise = row.slope_noise, .rate = 0.1};
    const double expected = local_variance(problem, row.nodes, period);
    const LaboratoryResult lab = measure(
        "[model]\nkind = \"quadratic\"\nreplicas = 10000\nnoise = 1.0\n" +
            key("slope_noise", row.slope_noise) +
            "[train]\nlearning_rate = 0.1\n[algorithm]\nkind = \"streaming-diloco\"\n" +
            key("local_steps", uint64_t{period}) + key("fragments", uint64_t{row.fragments}) +
            "overlap_steps = 0\nalpha = 0\nouter_learning_rate = 1\nouter_momentum = 0\n" +
            "[topology]\ngraph = \"star\"\n[stop]\n" +
            key("rounds", uint64_t{160 / row.between + row.fragments}),
        row.nodes);
    EXPECT_NEAR(lab.variance_of_average.value, expected,
                4 * lab.variance_of_average.standard_error + 1e-4 * expected);
  }
}

// What a report says of the disagreement is the sum over the fragments, each at its last cut.
// Homogeneous nodes after H steps from a common start (E2), fragments that are H steps old.
TEST(Laboratory, E2ReportsTheDisagreementOfAllFragments) {
  const double replicas = 20000;
  const uint32_t nodes = 8;
  SimulationSettings settings;
  std::vector<double> seen;
  settings.on_report = [&](const SimulationReport& report) {
    seen.push_back(report.consensus_distance / replicas);
  };
  simulate_text(
      "[model]\nkind = \"quadratic\"\nreplicas = 20000\nnoise = 1.0\n[train]\nlearning_rate = 0.1\n"
      "[algorithm]\nkind = \"streaming-diloco\"\nlocal_steps = 8\nfragments = 4\n"
      "overlap_steps = 0\nalpha = 0\nouter_learning_rate = 1\nouter_momentum = 0\n"
      "[topology]\ngraph = \"star\"\n[stop]\nrounds = 32\n[report]\nevery = 32\n",
      nodes, {}, settings);
  ASSERT_EQ(seen.size(), 1u);
  const double n = nodes;
  const double spread = (1 - 1 / n) * 0.01 * (1 - std::pow(0.81, 8)) / (1 - 0.81);
  // The spread of n Gaussian numbers has variance 2 (n - 1) / n^2 of theirs, squared.
  const double error = spread * std::sqrt(2 / ((n - 1) * replicas));
  EXPECT_NEAR(seen[0], spread, 4 * error);
}

// ---- bytes ----

// Each cut sends its fragment of 301 = 76 + 75 + 75 + 75 values up and down; fp16 halves the way
// up.
TEST(StreamingDiLoCo, SendsAFragmentUpAndOneDownForEachCut) {
  const std::vector<std::string> keys = {"algorithm.local_steps=8", "algorithm.fragments=4",
                                         "stop.rounds=6"};
  const uint64_t values = 76 + 75 + 75 + 75 + 76 + 75;
  for (const uint64_t width : {4u, 2u}) {
    const char* codec = width == 4 ? "codec.kind=\"identity\"" : "codec.kind=\"fp16\"";
    const SimulationResult result = run("streaming-diloco", joined(keys, {codec}));
    for (uint32_t i = 1; i < kNodes; ++i) {
      EXPECT_EQ(result.counters[i].messages_sent, 6u);
      EXPECT_EQ(result.counters[i].payload_bytes_sent, values * width);
      EXPECT_EQ(result.counters[i].uncompressed_bytes_sent, values * 4);
    }
    EXPECT_EQ(result.counters[0].payload_bytes_sent, (kNodes - 1) * values * 4);
    EXPECT_EQ(result.counters[0].uncompressed_bytes_sent, (kNodes - 1) * values * 4);
    EXPECT_EQ(result.counters[1].batches, 12u);
  }
}

// ---- what is refused ----

std::string refusal(const std::vector<std::string>& keys) {
  try {
    run("streaming-diloco", keys);
    return "";
  } catch (const OperatorError& error) {
    return error.what();
  }
}

TEST(StreamingDiLoCo, RefusesWhatDoesNotDivideWithASentence) {
  EXPECT_EQ(refusal({"algorithm.local_steps=10"}),
            "algorithm.local_steps is 10 and algorithm.fragments is 4, but cuts must be equally "
            "far apart: make local_steps a multiple of fragments, 8 or 12");
  EXPECT_EQ(refusal({"algorithm.local_steps=3"}),
            "algorithm.local_steps is 3 and algorithm.fragments is 4, but cuts must be equally far "
            "apart: make local_steps a multiple of fragments, 4");
  EXPECT_EQ(
      refusal({"algorithm.local_steps=8", "algorithm.overlap_steps=3"}),
      "algorithm.overlap_steps is 3, but there are local_steps / fragments = 2 steps from one "
      "cut to the next: it must be between 0 and that");
  EXPECT_EQ(refusal({"algorithm.local_steps=400", "algorithm.fragments=400"}),
            "algorithm.fragments is 400, but the model has 301 parameters to divide: it must be "
            "between 1 and that");
  EXPECT_EQ(refusal({"algorithm.local_steps=301", "algorithm.fragments=301", "stop.rounds=2"}), "");
}

}  // namespace
}  // namespace kith
