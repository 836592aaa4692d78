// PowerSGD with a coordinator (Vogels, Karimireddy, Jaggi 2019): what its two averages must give,
// on a layout of two matrices and a vector.
#include <gtest/gtest.h>

#include <Eigen/SVD>
#include <deque>
#include <functional>
#include <map>

#include "protocol/algorithm.h"
#include "protocol/checkpoint.h"
#include "tests/vectors.h"

namespace kith {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

const Layout kLayout = {{"w", {12, 20}}, {"b", {12}}, {"v", {15, 9}}};
constexpr size_t kValues = 12 * 20 + 12 + 15 * 9;
constexpr size_t kLastMatrix = 12 * 20 + 12;
constexpr uint32_t kNodes = 4;

Options rank_of(int64_t rank) {
  return Options("algorithm", algorithm_info("powersgd").options, {{"rank", rank}});
}

// Nodes whose gradients are given, in one process and without delays.
class Star {
 public:
  // `gradient(node, batch)`, wherever it is taken.
  using Gradient = std::function<std::vector<float>(uint32_t node, uint64_t batch)>;

  Star(int64_t rank, OptimizerSpec optimizer, Gradient gradient, Round rounds)
      : rank_(rank), optimizer_(optimizer), gradient_(std::move(gradient)), kept_(kNodes) {
    const SharedBuffer start = copy_of(std::vector<float>(kValues), pool_);
    for (uint32_t i = 0; i < kNodes; ++i) {
      states_.push_back({.self = NodeId{i},
                         .nodes = kNodes,
                         .seed = 3,
                         .rounds = rounds,
                         .total_batches = rounds,
                         .dimension = kValues,
                         .checkpoint_every = 3,
                         .layout = &kLayout,
                         .optimizer = &optimizer_,
                         .pool = &pool_,
                         .parameters = start});
      nodes_.push_back(algorithm_info("powersgd").make(states_[i], rank_of(rank)));
      events_.push_back({i, Start{}});
    }
  }

  // What the hub reports of each round.
  struct Step {
    std::vector<float> before, after;  // the parameters
  };

  std::vector<Step> run() {
    while (!events_.empty()) {
      auto [node, event] = std::move(events_.front());
      events_.pop_front();
      std::vector<Effect> effects;
      EXPECT_TRUE(nodes_[node]->step(states_[node], std::move(event), effects).ok());
      for (Effect& effect : effects) carry_out(node, effect);
    }
    return steps_;
  }

  // Every node as it was at its checkpoint of `round`, which `run` has kept.
  void go_back_to(Round round) {
    const std::vector<std::map<Round, Checkpoint>> kept = std::move(kept_);
    kept_.assign(kNodes, {});
    events_.clear();
    steps_.clear();
    for (uint32_t i = 0; i < kNodes; ++i) {
      states_[i].round = 0;
      states_[i].parameters = copy_of(std::vector<float>(kValues), pool_);
      nodes_[i] = algorithm_info("powersgd").make(states_[i], rank_of(rank_));
      Archive archive(Archive::Direction::kRead, kValues, pool_);
      archive.words = kept[i].at(round).state->words;
      archive.vectors = kept[i].at(round).state->vectors;
      EXPECT_TRUE(restore(*nodes_[i], states_[i], archive).ok());
      events_.push_back({i, Resume{}});
    }
  }

  void expect_refusal(uint32_t node, Message message, Reason reason) {
    std::string before, after;
    std::vector<Effect> effects;
    nodes_[node]->describe(states_[node], before);
    message.to = NodeId{node};
    const Status status = nodes_[node]->step(states_[node], Received{std::move(message)}, effects);
    nodes_[node]->describe(states_[node], after);
    EXPECT_EQ(reason_name(reason), reason_name(status.reason()));
    EXPECT_TRUE(effects.empty());
    EXPECT_EQ(before, after);
  }

  // Begins all nodes, without anything after that.
  void start() {
    std::vector<Effect> effects;
    for (uint32_t i = 0; i < kNodes; ++i) {
      EXPECT_TRUE(nodes_[i]->step(states_[i], Start{}, effects).ok());
    }
  }

  SharedBuffer values(size_t count, float value) {
    return copy_of(std::vector<float>(count, value), pool_);
  }

  NodeState& state(uint32_t node) { return states_[node]; }

  Archive kept(uint32_t node) {
    Archive archive(Archive::Direction::kWrite, kValues, pool_);
    nodes_[node]->persist(archive);
    return archive;
  }

  // As it is persisted: e is a vector, P and Q are blocks of bytes.
  std::vector<float> vector(uint32_t node, const std::string& name) {
    Archive archive = kept(node);
    SharedBuffer found;
    if (archive.vectors.contains(name)) {
      found = archive.vectors.at(name);
    } else {
      Archive back(Archive::Direction::kRead, kValues, pool_);
      back.words = archive.words;
      back.bytes(name, found);
    }
    return {found.floats().begin(), found.floats().end()};
  }

  size_t payload_bytes() const { return payload_bytes_; }

 private:
  void carry_out(uint32_t node, Effect& effect) {
    if (const auto* work = std::get_if<Compute>(&effect)) {
      events_.push_back(
          {node, Computed{.ticket = work->ticket,
                          .result = copy_of(gradient_(node, work->first_batch), pool_),
                          .steps = 1,
                          .loss = 1}});
    }
    if (auto* send = std::get_if<Send>(&effect)) {
      payload_bytes_ += send->payload.size();
      events_.push_back({index_of(send->to), Received{{.from = NodeId{node},
                                                       .to = send->to,
                                                       .kind = send->kind,
                                                       .round = send->round,
                                                       .scalar = send->scalar,
                                                       .payload = send->payload}}});
    }
    if (const auto* report = std::get_if<Report>(&effect)) {
      const std::span<const float> x = report->parameters.floats();
      Step step{steps_.empty() ? std::vector<float>(kValues) : steps_.back().after,
                {x.begin(), x.end()}};
      steps_.push_back(std::move(step));
    }
    if (auto* checkpoint = std::get_if<Checkpoint>(&effect)) {
      const Round round = checkpoint->round;
      kept_[node].insert_or_assign(round, std::move(*checkpoint));
    }
    if (const auto* finish = std::get_if<Finish>(&effect)) {
      EXPECT_EQ(Finish::Why::kDone, finish->why);
    }
  }

  int64_t rank_;
  OptimizerSpec optimizer_;
  Gradient gradient_;
  Pool pool_;
  std::vector<std::map<Round, Checkpoint>> kept_;  // by node
  std::vector<NodeState> states_;
  std::vector<std::unique_ptr<Algorithm>> nodes_;
  std::deque<std::pair<uint32_t, Event>> events_;
  std::vector<Step> steps_;
  size_t payload_bytes_ = 0;
};

std::vector<float> noise(uint32_t node, uint64_t batch) {
  return test::make_vector(test::Shape::kRandom, kValues, 100 * batch + node + 1);
}

const OptimizerSpec kUnit = {.learning_rate = 1};

// Mhat, where x+ = x - Mhat.
std::vector<double> moved(const Star::Step& step) {
  std::vector<double> mean(kValues);
  for (size_t i = 0; i < kValues; ++i) {
    mean[i] = static_cast<double>(step.before[i]) - static_cast<double>(step.after[i]);
  }
  return mean;
}

// sum over the rounds of mean g = sum of Mhat + mean e at the end: nothing is lost, which is
// mean e_i+ = mean M_i - Mhat of every round, added up.
TEST(PowerSgd, WhatWasNotAppliedIsRemembered) {
  constexpr Round kRounds = 12;
  Star star(2, kUnit, noise, kRounds);
  const auto steps = star.run();
  ASSERT_EQ(kRounds, steps.size());
  std::vector<double> rest(kValues);
  for (uint32_t i = 0; i < kNodes; ++i) {
    const std::vector<float> e = star.vector(i, "memory");
    for (size_t k = 0; k < kValues; ++k) rest[k] += e[k] / kNodes;
    for (size_t k = 240; k < kLastMatrix; ++k) EXPECT_EQ(0, e[k]);  // the vector has no factors
  }
  for (size_t k = 0; k < kValues; ++k) {
    double given = 0;
    for (Round t = 0; t < kRounds; ++t) {
      for (uint32_t i = 0; i < kNodes; ++i) given += noise(i, t)[k] / kNodes;
    }
    ASSERT_NEAR(given, -static_cast<double>(steps.back().after[k]) + rest[k], 1e-4) << k;
  }
}

TEST(PowerSgd, TheStepHasNoHigherRank) {
  Star star(3, kUnit, noise, 5);
  for (const Star::Step& step : star.run()) {
    const std::vector<double> mean = moved(step);
    const Matrix w = Eigen::Map<const Matrix>(mean.data(), 12, 20);
    const Eigen::VectorXd s = Eigen::JacobiSVD<Eigen::MatrixXd>(w).singularValues();
    EXPECT_GT(s[2], 0.1);
    EXPECT_LT(s[3], 3e-6 * s[0]);
  }
}

// The mean of what the nodes send is what the mean would have sent: each may have full rank.
TEST(PowerSgd, AMeanOfNoHigherRankIsExact) {
  const auto gradient = [](uint32_t node, uint64_t batch) {
    std::vector<float> g(kValues);
    const std::vector<float> own = noise(node / 2, batch);  // cancels within pairs
    const std::vector<float> a = test::make_vector(test::Shape::kRandom, 40, batch + 7);
    for (size_t k = 0; k < kValues; ++k) g[k] = node % 2 == 0 ? own[k] : -own[k];
    for (size_t i = 0; i < 12; ++i) {
      for (size_t j = 0; j < 20; ++j) g[20 * i + j] += a[i] * a[12 + j];
    }
    return g;
  };
  Star star(2, kUnit, gradient, 4);
  const auto steps = star.run();
  for (Round t = 0; t < steps.size(); ++t) {
    const std::vector<double> mean = moved(steps[t]);
    for (size_t k = 0; k < 240; ++k) {
      double expected = 0;
      for (uint32_t i = 0; i < kNodes; ++i) expected += gradient(i, t)[k] / kNodes;
      ASSERT_NEAR(expected, mean[k], 2e-5) << "round " << t;
    }
  }
}

TEST(PowerSgd, ReplicasAndQAreTheSameBitForBit) {
  OptimizerSpec momentum = {.learning_rate = 0.1f, .momentum = 0.9f, .nesterov = true};
  momentum.schedule.kind = Schedule::Kind::kCosine;
  Star star(2, momentum, noise, 9);
  star.run();
  for (uint32_t i = 1; i < kNodes; ++i) {
    EXPECT_TRUE(
        std::ranges::equal(star.state(0).parameters.bytes(), star.state(i).parameters.bytes()));
    EXPECT_EQ(star.vector(0, "right"), star.vector(i, "right"));
    EXPECT_EQ(star.vector(0, "left"), star.vector(i, "left"));
    EXPECT_NE(star.vector(0, "memory"), star.vector(i, "memory"));
    EXPECT_EQ(star.state(i).round, 9u);
  }
}

// P^T e_i = P^T M_i - Q_i^T = 0: along P nothing is left of what nodes differ in.
TEST(PowerSgd, TheMemoryOfEveryNodeIsOrthogonalToP) {
  Star star(2, kUnit, noise, 7);
  star.run();
  for (uint32_t i = 0; i < kNodes; ++i) {
    const std::vector<float> e = star.vector(i, "memory");
    const std::vector<float> p = star.vector(i, "left");  // 2 columns of 12, then 2 of 15
    for (size_t k = 0; k < 4; ++k) {
      const bool first = k < 2;
      const size_t rows = first ? 12 : 15;
      const size_t columns = first ? 20 : 9;
      const float* column = p.data() + (first ? 12 * k : 24 + 15 * (k - 2));
      for (size_t j = 0; j < columns; ++j) {
        double product = 0;
        for (size_t r = 0; r < rows; ++r) {
          product += column[r] * e[(first ? 0 : kLastMatrix) + r * columns + j];
        }
        ASSERT_NEAR(0, product, 2e-5) << "node " << i << " column " << k;
      }
    }
  }
}

// Q, P, the memories, momentum and the rate: a run that breaks off ends with the same bits.
TEST(PowerSgd, GoesOnFromItsCheckpointsBitForBit) {
  OptimizerSpec momentum = {.learning_rate = 0.1f, .momentum = 0.9f};
  momentum.schedule.kind = Schedule::Kind::kCosine;
  for (const Round round : {3, 6, 9}) {
    Star star(2, momentum, noise, 10);
    star.run();
    const SharedBuffer whole = star.state(0).parameters;
    const std::vector<float> memory = star.vector(2, "memory");
    star.go_back_to(round);
    EXPECT_EQ(10 - round, star.run().size());
    for (uint32_t i = 0; i < kNodes; ++i) {
      EXPECT_TRUE(std::ranges::equal(whole.bytes(), star.state(i).parameters.bytes())) << round;
    }
    EXPECT_EQ(memory, star.vector(2, "memory"));
  }
}

TEST(PowerSgd, RefusesWhatBreaksTheProtocol) {
  Star star(2, kUnit, noise, 5);
  star.start();
  constexpr size_t kLeftValues = 2 * 12 + 2 * 15 + 12;
  constexpr size_t kRightValues = 2 * 20 + 2 * 9;
  const auto message = [&](uint32_t from, uint16_t kind, Round round, size_t count,
                           float value = 1) {
    return Message{
        .from = NodeId{from}, .kind = kind, .round = round, .payload = star.values(count, value)};
  };
  star.expect_refusal(0, message(1, 1, 1, kLeftValues), Reason::kMalformed);   // ahead
  star.expect_refusal(0, message(1, 2, 0, kLeftValues), Reason::kMalformed);   // a hub's
  star.expect_refusal(0, message(1, 3, 0, kRightValues), Reason::kMalformed);  // before its turn
  star.expect_refusal(0, message(1, 1, 0, kLeftValues - 1), Reason::kMalformed);
  star.expect_refusal(0, message(1, 1, 0, kLeftValues, NAN), Reason::kNotFinite);
  star.expect_refusal(1, message(2, 2, 0, kLeftValues), Reason::kUnknownPeer);
  star.expect_refusal(1, message(0, 2, 0, kLeftValues), Reason::kMalformed);  // it computes
}

TEST(PowerSgd, SendsTheFactorsTwiceEachWay) {
  Star star(2, kUnit, noise, 5);
  star.run();
  const size_t factors = 2 * (12 + 20) + 2 * (15 + 9);
  EXPECT_EQ(star.payload_bytes(), 5u * 2 * (kNodes - 1) * 4 * (factors + 12));
}

}  // namespace
}  // namespace kith
