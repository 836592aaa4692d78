// signSGD with majority vote, event by event (ALGORITHMS 2C).
#include <array>
#include <cmath>

#include "tests/unit/protocol_cluster.h"
#include "topology/rng.h"

namespace kith {

extern const AlgorithmInfo signsgd_algorithm;

namespace {

using Vector = std::array<float, kDimension>;

std::unique_ptr<Algorithm> make(const NodeState& state, double beta, const char* ties) {
  const Options options("algorithm", signsgd_algorithm.options,
                        {{"beta", beta}, {"ties", std::string(ties)}});
  return signsgd_algorithm.make(state, options);
}
std::unique_ptr<Algorithm> plain(const NodeState& state) { return make(state, 0, "plus"); }
std::unique_ptr<Algorithm> with_zero(const NodeState& state) { return make(state, 0, "zero"); }
std::unique_ptr<Algorithm> with_momentum(const NodeState& state) {
  return make(state, 0.75, "plus");
}

constexpr float kRate = 0.1f;  // of Cluster

// A whole round of these gradients, ballots in reverse order of the nodes.
class Election {
 public:
  Election(uint32_t nodes, Cluster::Make make) : cluster_(nodes, "identity", make), nodes_(nodes) {
    for (uint32_t i = 0; i < nodes; ++i) work_.push_back(first<Compute>(cluster_.step(i, Start{})));
  }

  void round(const std::vector<Vector>& gradients) {
    std::vector<Effect> told;
    std::vector<Message> ballots;
    for (uint32_t i = nodes_; i-- > 1;) {
      const auto& effects = compute(i, gradients[i]);
      ASSERT_EQ(1u, effects.size());
      ballots.push_back(as_message(i, first<Send>(effects)));
      ASSERT_EQ(votes_bytes(), ballots.back().payload.size());
    }
    told = compute(0, gradients[0]);
    for (Message& ballot : ballots) {
      ballot.to = NodeId{0};
      told = cluster_.step(0, Received{std::move(ballot)});
    }
    for (const Effect& effect : told) {
      if (const auto* compute = std::get_if<Compute>(&effect)) work_[0] = *compute;
    }
    for (const Effect& effect : told) {
      const auto* send = std::get_if<Send>(&effect);
      if (send == nullptr) continue;
      last_ = *send;
      const uint32_t to = index_of(send->to);
      work_[to] = first<Compute>(cluster_.step(to, Received{as_message(0, *send)}));
    }
  }

  std::vector<float> x(uint32_t node) {
    const auto floats = cluster_.state(node).parameters.floats();
    return {floats.begin(), floats.end()};
  }
  const Send& last_verdict() const { return last_; }
  Cluster& cluster() { return cluster_; }

 private:
  static size_t votes_bytes() { return (kDimension + 7) / 8; }

  std::vector<Effect>& compute(uint32_t node, const Vector& gradient) {
    return cluster_.step(node, Computed{.ticket = work_[node].ticket,
                                        .result = copy_of(gradient, pool_),
                                        .steps = 1,
                                        .loss = 1});
  }

  Pool pool_;
  Cluster cluster_;
  uint32_t nodes_;
  std::vector<Compute> work_;
  Send last_;
};

std::vector<Vector> drawn(uint32_t nodes, Rng& rng) {
  std::vector<Vector> gradients(nodes);
  for (Vector& g : gradients) {
    for (float& value : g) value = static_cast<float>(rng.normal());
  }
  return gradients;
}

int majority(const std::vector<Vector>& gradients, size_t j) {
  int sum = 0;
  for (const Vector& g : gradients) sum += g[j] < 0 ? -1 : 1;
  return (sum > 0) - (sum < 0);
}

// N = 1: x - eta sgn g.
TEST(SignSgd, AloneItFollowsTheSignOfItsGradient) {
  Election election(1, plain);
  election.round({Vector{3, -1e-30f, 2, -5, 0}});
  EXPECT_EQ((std::vector<float>{-kRate, kRate, -kRate, kRate, -kRate}), election.x(0));
}

TEST(SignSgd, EveryNodeTakesTheStepOfTheMajority) {
  Rng rng(3, NodeId{0}, Purpose::kTest);
  for (const uint32_t nodes : {2, 3, 4, 7}) {
    for (const bool zero : {false, true}) {
      SCOPED_TRACE(std::to_string(nodes) + (zero ? " nodes, ties 0" : " nodes, ties +1"));
      Election election(nodes, zero ? with_zero : plain);
      std::vector<float> expected(kDimension);
      for (int round = 0; round < 20; ++round) {
        const std::vector<Vector> gradients = drawn(nodes, rng);
        election.round(gradients);
        for (size_t j = 0; j < kDimension; ++j) {
          const int vote = majority(gradients, j);
          expected[j] -= kRate * static_cast<float>(vote == 0 && !zero ? 1 : vote);
        }
        for (uint32_t i = 0; i < nodes; ++i) ASSERT_EQ(expected, election.x(i)) << "node " << i;
        ASSERT_EQ(zero && nodes % 2 == 0 ? 2u : 1u, election.last_verdict().payload.size());
      }
    }
  }
}

// beta = 3/4: m = 3/4 m + 1/4 g decides, not g.
TEST(SignSgd, MomentumIsWhatVotes) {
  Rng rng(4, NodeId{0}, Purpose::kTest);
  constexpr uint32_t kNodes = 3;
  Election election(kNodes, with_momentum);
  std::vector<Vector> momenta(kNodes, Vector{});
  std::vector<float> expected(kDimension);
  int other = 0;  // votes that the gradients alone would have decided otherwise
  for (int round = 0; round < 30; ++round) {
    const std::vector<Vector> gradients = drawn(kNodes, rng);
    for (uint32_t i = 0; i < kNodes; ++i) {
      for (size_t j = 0; j < kDimension; ++j) {
        momenta[i][j] = 0.75f * momenta[i][j] + 0.25f * gradients[i][j];
      }
    }
    election.round(gradients);
    for (size_t j = 0; j < kDimension; ++j) {
      expected[j] -= kRate * static_cast<float>(majority(momenta, j));
      other += majority(momenta, j) != majority(gradients, j);
    }
    ASSERT_EQ(expected, election.x(2));
  }
  EXPECT_GT(other, 10);
}

TEST(SignSgd, RefusesWhatIsNotOfThisRound) {
  Election election(3, with_zero);
  Cluster& cluster = election.cluster();
  const auto bytes = [](size_t count, int value) {
    static Pool blocks;
    Buffer block = blocks.acquire(count);
    std::ranges::fill(block.bytes(), static_cast<std::byte>(value));
    return Payload(std::move(block).freeze());
  };
  const Message ballot{.from = NodeId{1}, .kind = 1, .payload = bytes(1, 3)};
  const auto changed = [&](auto change) {
    Message message = ballot;
    change(message);
    return message;
  };
  cluster.refuses(0, changed([](Message& m) { m.kind = 2; }), Reason::kMalformed);
  cluster.refuses(0, changed([](Message& m) { m.round = 1; }), Reason::kMalformed);
  cluster.refuses(0, changed([](Message& m) { m.scalar = NAN; }), Reason::kNotFinite);
  cluster.refuses(0, changed([&](Message& m) { m.payload = bytes(2, 0); }), Reason::kOversized);
  cluster.refuses(0, changed([&](Message& m) { m.payload = bytes(0, 0); }), Reason::kTruncated);
  cluster.refuses(0, changed([&](Message& m) { m.payload = bytes(1, 0x20); }), Reason::kMalformed);
  Message good = ballot;
  good.to = NodeId{0};
  EXPECT_TRUE(cluster.step(0, Received{std::move(good)}).empty());
  cluster.refuses(0, ballot, Reason::kDuplicate);
  // A node that has not voted yet cannot be told.
  const Message verdict{.from = NodeId{0}, .kind = 2, .payload = bytes(1, 0)};
  cluster.refuses(1, verdict, Reason::kMalformed);
}

}  // namespace
}  // namespace kith
