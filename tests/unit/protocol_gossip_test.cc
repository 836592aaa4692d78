// The synchronous algorithms that gossip, on random graphs, sizes and seeds: each goes where the
// equations of its paper go, and keeps the invariants of ALGORITHMS 2D.
#include <cmath>

#include "tests/unit/protocol_gossip_run.h"

namespace kith {
namespace {

// x of all nodes after each round, as published, in doubles.
using Path = std::vector<Rows>;
constexpr int kRounds = 60;

Path d2_as_published(const GossipCase& c) {
  Path x = {c.start()};
  Rows before = c.problem.gradients(0, x[0]);
  x.push_back(c.w * (x[0] - c.rate * before));
  for (int t = 1; t < kRounds; ++t) {
    const Rows g = c.problem.gradients(t, x[t]);
    x.push_back(c.w * (2 * x[t] - x[t - 1] - c.rate * g + c.rate * before));
    before = g;
  }
  return x;
}

Path extra_as_published(const GossipCase& c) {
  const Rows one = Rows::Identity(c.w.rows(), c.w.rows());
  Path x = {c.start()};
  Rows before = c.problem.gradients(0, x[0]);
  x.push_back(c.w * x[0] - c.rate * before);
  for (int t = 1; t < kRounds; ++t) {
    const Rows g = c.problem.gradients(t, x[t]);
    x.push_back((one + c.w) * x[t] - (one + c.w) / 2 * x[t - 1] - c.rate * (g - before));
    before = g;
  }
  return x;
}

Path gradient_tracking_as_published(const GossipCase& c) {
  Path x = {c.start()};
  Rows g = c.problem.gradients(0, x[0]);
  Rows y = g;
  for (int t = 0; t < kRounds; ++t) {
    x.push_back(c.w * (x[t] - c.rate * y));
    const Rows next = c.problem.gradients(t + 1, x[t + 1]);
    y = (c.w * y + next - g).eval();
    g = next;
  }
  return x;
}

Path k_gt_as_published(const GossipCase& c, int steps, double global_rate) {
  Path x = {c.start()};
  Rows correction = Rows::Zero(x[0].rows(), x[0].cols());
  for (int t = 0; t < kRounds; ++t) {
    Rows local = x[t];
    for (int k = 0; k < steps; ++k) {
      local -= c.rate * (c.problem.gradients(t * steps + k, local) + correction);
    }
    const Rows z = (x[t] - local) / (steps * c.rate);
    x.push_back(c.w * (x[t] - global_rate * steps * c.rate * z));
    correction += c.w * z - z;
  }
  return x;
}

Path dmsgd_as_published(const GossipCase& c, double beta) {
  Path x = {c.start()};
  Rows u = Rows::Zero(x[0].rows(), x[0].cols());
  for (int t = 0; t < kRounds; ++t) {
    const Rows moved = beta * u + c.problem.gradients(t, x[t]);
    x.push_back(c.w * (x[t] - c.rate * moved));
    u = c.w * moved;
  }
  return x;
}

Path quasi_global_as_published(const GossipCase& c, double beta, double mu) {
  Path x = {c.start()};
  Rows m = Rows::Zero(x[0].rows(), x[0].cols());
  for (int t = 0; t < kRounds; ++t) {
    const Rows along = beta * m + c.problem.gradients(t, x[t]);
    x.push_back(c.w * (x[t] - c.rate * along));
    m = (mu * m + (1 - mu) * (x[t] - x[t + 1]) / c.rate).eval();
  }
  return x;
}

// Floats against doubles: 60 rounds of numbers of some size 5, each off by some 3e-7.
constexpr double kFloats = 3e-5;

void expect_path(GossipRun run, const Path& path, GossipCase& c) {
  for (int t = 1; t <= kRounds; ++t) {
    run.round(c.rng);
    ASSERT_LT((run.x() - path[t]).cwiseAbs().maxCoeff(), kFloats) << "round " << t;
  }
}

TEST(GossipAlgorithms, GoWhereTheirPapersGo) {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    GossipCase c({.seed = seed, .noise = 0.3});
    SCOPED_TRACE(c.text());
    expect_path(c.run("d2"), d2_as_published(c), c);
    expect_path(c.run("extra"), extra_as_published(c), c);
    expect_path(c.run("gradient-tracking"), gradient_tracking_as_published(c), c);
    const auto steps = static_cast<int64_t>(1 + c.rng.below(4));
    const double way = 0.5 + 0.5 * static_cast<double>(c.rng.below(2));
    expect_path(c.run("k-gt", {{"local_steps", steps}, {"global_learning_rate", way}}),
                k_gt_as_published(c, static_cast<int>(steps), way), c);
    const double beta = 0.9 * c.rng.uniform();
    const double mu = 0.9 * c.rng.uniform();
    expect_path(c.run("dmsgd", {{"beta", beta}}), dmsgd_as_published(c, beta), c);
    expect_path(c.run("quasi-global-momentum", {{"beta", beta}, {"mu", mu}}),
                quasi_global_as_published(c, beta, mu), c);
  }
}

// xbar+ = xbar - eta mean g, whatever W is and however unequal the nodes are; with momentum along
// beta m + g, where m is the mean of all m.
TEST(GossipAlgorithms, TheAverageIsMovedByStepsAlone) {
  struct Kind {
    const char* name;
    std::map<std::string, OptionValue> options;
    double beta, mu;
  };
  const Kind kinds[] = {{"d2", {}, 0, 0},
                        {"extra", {}, 0, 0},
                        {"gradient-tracking", {}, 0, 0},
                        {"k-gt", {{"local_steps", int64_t{3}}}, 0, 0},
                        {"dmsgd", {{"beta", 0.7}}, 0.7, -1},
                        {"quasi-global-momentum", {{"beta", 0.7}, {"mu", 0.6}}, 0.7, 0.6}};
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    for (const Kind& kind : kinds) {
      GossipCase c({.seed = 100 + seed, .noise = 0.5});
      SCOPED_TRACE(c.text() + " " + kind.name);
      GossipRun run = c.run(kind.name, kind.options);
      Eigen::RowVectorXd momentum = Eigen::RowVectorXd::Zero(GossipRun::kValues);
      for (int t = 0; t < 100; ++t) {
        const Eigen::RowVectorXd before = run.x().colwise().mean();
        run.round(c.rng);
        const Eigen::RowVectorXd along = kind.beta * momentum + run.gradients.colwise().mean();
        const Eigen::RowVectorXd after = run.x().colwise().mean();
        ASSERT_LT((after - (before - c.rate * along)).cwiseAbs().maxCoeff(), 1e-5) << t;
        momentum = kind.mu < 0 ? along : (kind.mu * momentum + (1 - kind.mu) * along).eval();
      }
    }
  }
}

// ALGORITHMS 2D: mean y = mean g in every round; what else nodes keep beside x has mean 0. In
// floats a memory of some size 5 (of D2 and EXTRA: 5 eta) rounds by 2.4e-7 at most in a round, at
// random, so that 3000 rounds come to sqrt(3000) times as much.
TEST(GossipAlgorithms, TheMeanOfWhatTheyKeepDoesNotDrift) {
  constexpr double kDrift = 1.3e-5;
  struct Kind {
    const char* name;
    const char* memory;
    double drift;
    std::map<std::string, OptionValue> options;
  };
  const Kind kinds[] = {{"d2", "moved", kDrift / 10, {}},
                        {"extra", "differences", kDrift / 10, {}},
                        {"gradient-tracking", "rest", kDrift, {}},
                        {"k-gt", "correction", kDrift, {{"local_steps", int64_t{3}}}}};
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    for (const Kind& kind : kinds) {
      GossipCase c({.seed = 200 + seed, .noise = 0.5});
      SCOPED_TRACE(c.text() + " " + kind.name);
      GossipRun run = c.run(kind.name, kind.options);
      for (int t = 0; t < 3000; ++t) {
        run.round(c.rng);
        const Rows mean = run.persisted(kind.memory).colwise().mean();
        ASSERT_LT(mean.cwiseAbs().maxCoeff(), kind.drift) << t;
        if (kind.memory != std::string("rest")) continue;
        const Rows off = (run.sent[1] - run.gradients).colwise().mean();
        ASSERT_LT(off.cwiseAbs().maxCoeff(), 2 * kind.drift) << t;
      }
    }
  }
}

// The same of the published recursion in doubles: 1e-9 relative after 5000 rounds.
TEST(GossipAlgorithms, InDoublesTheMeanOfTrackersIsThatOfGradientsTo1e9) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    GossipCase c({.seed = 300 + seed, .noise = 0.5});
    SCOPED_TRACE(c.text());
    Rows w = c.w;  // rounded to floats: rows sum to 1, columns to a float's last place
    for (int i = 0; i < 200; ++i) {
      w = (w.array().colwise() / w.rowwise().sum().array()).matrix().eval();
      w = (w.array().rowwise() / w.colwise().sum().array()).matrix().eval();
    }
    Rows x = c.start();
    Rows g = c.problem.gradients(0, x);
    Rows y = g;
    for (uint64_t t = 1; t <= 5000; ++t) {
      x = (w * (x - c.rate * y)).eval();
      const Rows next = c.problem.gradients(t, x);
      y = (w * y + next - g).eval();
      g = next;
      const double off = (y - g).colwise().mean().norm();
      ASSERT_LT(off, 1e-9 * g.norm()) << t;
    }
  }
}

// Without noise, however unequal the nodes: at the optimum of the mean of all f_i, all of them.
// D-PSGD is elsewhere, and with local steps the more so.
TEST(GossipAlgorithms, CorrectionsFindTheExactOptimumOfUnequalNodes) {
  struct Kind {
    const char* name;
    std::map<std::string, OptionValue> options;
    bool exact;
  };
  const Kind kinds[] = {{"d2", {}, true},
                        {"extra", {}, true},
                        {"gradient-tracking", {}, true},
                        {"k-gt", {{"local_steps", int64_t{4}}}, true},
                        {"dpsgd", {}, false},
                        {"dpsgd", {{"order", std::string("cta")}}, false},
                        {"dpsgd", {{"local_steps", int64_t{4}}}, false}};
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    for (const Kind& kind : kinds) {
      GossipCase c({.seed = 400 + seed, .noise = 0, .at_least = 3});
      SCOPED_TRACE(c.text() + " " + kind.name);
      GossipRun run = c.run(kind.name, kind.options);
      for (int t = 0; t < 6000; ++t) run.round(c.rng);
      const Rows optimum = c.problem.optimum().transpose().replicate(c.w.rows(), 1);
      const double distance = (run.x() - optimum).cwiseAbs().maxCoeff();
      if (kind.exact) {
        EXPECT_LT(distance, 1e-5);
      } else {
        EXPECT_GT(distance, 1e-2);
      }
    }
  }
}

// ALGORITHMS 2D, W = I: m+ = (mu + (1 - mu) beta) m + (1 - mu) g, so that under a gradient that
// stays the steps grow to eta / (1 - beta) of it.
TEST(QuasiGlobalMomentum, OfANodeAlone) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Rng rng(500 + seed, NodeId{0}, Purpose::kTest);
    const auto graph = std::make_shared<RandomGraph>(1, rng);
    const HalfMetropolis mixing(graph);
    UnequalQuadratics problem(1, GossipRun::kValues, 0.3, rng);
    const double beta = 0.9 * rng.uniform();
    const double mu = 0.9 * rng.uniform();
    SCOPED_TRACE("seed " + std::to_string(seed));
    GossipRun run("quasi-global-momentum", {{"beta", beta}, {"mu", mu}}, problem, mixing, 0.05);
    Rows expected = Rows::Zero(1, GossipRun::kValues);
    for (int t = 0; t < 200; ++t) {
      run.round(rng);
      expected = ((mu + (1 - mu) * beta) * expected + (1 - mu) * run.gradients).eval();
      ASSERT_LT((run.persisted("momentum") - expected).cwiseAbs().maxCoeff(), 1e-4) << t;
    }
  }
}

TEST(QuasiGlobalMomentum, ASteadyGradientIsFollowedWithOneOverOneMinusBeta) {
  Rng rng(600, NodeId{0}, Purpose::kTest);
  const auto graph = std::make_shared<RandomGraph>(1, rng);
  const HalfMetropolis mixing(graph);
  UnequalQuadratics problem(1, GossipRun::kValues, 0, rng);
  problem.curvature = {1e-6};
  problem.offset *= 1e6;  // the gradient is -offset/1e6, hardly changed by x
  constexpr double kRate = 0.01;
  GossipRun run("quasi-global-momentum", {}, problem, mixing, kRate);
  for (int t = 0; t < 2000; ++t) run.round(rng);
  const Rows before = run.x();
  for (int t = 0; t < 100; ++t) run.round(rng);
  const Rows way = (before - run.x()) / (100 * kRate);
  for (Eigen::Index j = 0; j < way.cols(); ++j) {
    EXPECT_NEAR(way(0, j) / run.gradients(0, j), 10, 0.05);  // beta = mu = 0.9
  }
}

// What a peer may not send changes nothing.
TEST(GossipAlgorithms, RefuseAVectorThatTheyDoNotExchange) {
  GossipCase c({.seed = 700, .noise = 0.1, .at_least = 4});
  Pool pool;
  const Payload payload = copy_of(std::vector<float>(GossipRun::kValues, 1.0f), pool);
  std::vector<NodeId> peers;
  c.graph->in(NodeId{0}, 0, peers);
  const struct {
    const char* kind;
    uint16_t vectors;
  } rows[] = {{"dpsgd", 1},
              {"d2", 1},
              {"extra", 1},
              {"quasi-global-momentum", 1},
              {"dmsgd", 2},
              {"k-gt", 2},
              {"gradient-tracking", 2}};
  for (const auto& row : rows) {
    GossipRun run = c.run(row.kind);
    for (const uint16_t kind : {0, 1, 2, 3, 77}) {
      SCOPED_TRACE(std::string(row.kind) + " kind " + std::to_string(kind));
      const bool known = kind >= 1 && kind <= row.vectors;
      const Message message = {.from = peers[0], .to = NodeId{0}, .kind = kind, .payload = payload};
      EXPECT_EQ(run.deliver(0, message).reason(), known ? Reason::kOk : Reason::kMalformed);
      const Reason again = known ? Reason::kDuplicate : Reason::kMalformed;
      EXPECT_EQ(run.deliver(0, message).reason(), again);
    }
  }
}

}  // namespace
}  // namespace kith
