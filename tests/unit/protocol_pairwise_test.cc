// Pairwise exchanges by hand, on random graphs with messages in random order (ALGORITHMS 2D; Lian
// et al. 2018): nothing is added to or taken from the sum, no model leaves the hull of all, and
// every node comes to its end, whoever offers whom at the same time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "protocol/gossip/pairwise.h"
#include "protocol/limits.h"
#include "tests/unit/protocol_cluster.h"
#include "topology/registry.h"
#include "topology/rng.h"

namespace kith {
namespace {

constexpr uint16_t kOffer = 1;
constexpr uint16_t kAnswer = 2;
constexpr uint16_t kDone = 3;

struct Rule {
  const char* name;
  Cluster::Make make;
};

template <bool kStepsFirst, bool kOverlap>
std::unique_ptr<Algorithm> make(const NodeState& state) {
  return make_pairwise(state, {.name = "pairs", .steps_first = kStepsFirst, .overlap = kOverlap});
}

const std::vector<Rule> kRules = {{"ad-psgd", make<false, false>},
                                  {"ad-psgd, overlapped", make<false, true>},
                                  {"swarm-sgd", make<true, false>}};

// Events that may happen next: a computation ends, or a message arrives.
class Swarm {
 public:
  Swarm(uint32_t nodes, const std::string& graph, const Rule& rule, Round rounds, uint64_t seed)
      : nodes_(nodes),
        graph_(make_graph(graph, nodes)),
        mixing_(make_mixing("metropolis", graph_)),
        cluster_(nodes, "identity", rule.make, {}, mixing_.get(), rounds),
        rng_(seed, NodeId{nodes}, Purpose::kTest),
        finished_(nodes) {
    for (uint32_t i = 0; i < nodes; ++i) take(i, cluster_.step(i, Start{}));
  }

  // In the first round node i's steps move it by move[i], afterwards by nothing. False when nothing
  // can happen any more. `slow`: messages wait while there is anything to compute.
  bool step(const std::vector<std::vector<float>>& moves, bool slow) {
    const size_t all = work_.size() + messages_.size();
    if (all == 0) return false;
    const size_t pick = slow && !work_.empty() ? rng_.below(work_.size()) : rng_.below(all);
    if (pick < work_.size()) {
      std::swap(work_[pick], work_.back());
      const auto [node, work] = work_.back();
      work_.pop_back();
      static const std::vector<float> kStill(kDimension);
      take(node, cluster_.compute(node, work, work.first_batch == 0 ? moves[node] : kStill));
    } else {
      std::swap(messages_[pick - work_.size()], messages_.back());
      const Message message = messages_.back();
      messages_.pop_back();
      take(index_of(message.to), cluster_.step(index_of(message.to), Received{message}));
    }
    return true;
  }

  // Of all models, less what answers on their way have promised.
  std::vector<double> sum() {
    std::vector<double> sum(kDimension);
    for (uint32_t i = 0; i < nodes_; ++i) {
      for (size_t j = 0; j < kDimension; ++j) sum[j] += static_cast<double>(x(i)[j]);
    }
    for (const Message& message : messages_) {
      if (message.kind != kAnswer) continue;
      const std::span<const float> d = message.payload.chunk(0).floats();
      for (size_t j = 0; j < kDimension; ++j) sum[j] -= static_cast<double>(d[j]);
    }
    return sum;
  }

  std::span<const float> x(uint32_t node) { return cluster_.state(node).parameters.floats(); }
  bool all_finished() const {
    return std::ranges::all_of(finished_, [](char f) { return f; });
  }
  // Of a message that had not come yet: 1 = the last one of its edge.
  uint64_t furthest_back() const { return furthest_back_; }
  Cluster& cluster() { return cluster_; }

 private:
  void take(uint32_t node, const std::vector<Effect>& effects) {
    for (const Effect& effect : effects) {
      if (const auto* send = std::get_if<Send>(&effect)) {
        messages_.push_back(as_message(node, *send));
        messages_.back().sequence = ++sent_[{node, index_of(send->to)}];
      }
      if (const auto* work = std::get_if<Compute>(&effect)) work_.emplace_back(node, *work);
      if (std::holds_alternative<Finish>(effect)) finished_[node] = true;
    }
    for (const Message& message : messages_) {
      if (message.kind == kDone) continue;  // answers say it again
      const uint64_t last = sent_[{index_of(message.from), index_of(message.to)}];
      furthest_back_ = std::max(furthest_back_, last - message.sequence + 1);
    }
  }

  uint32_t nodes_;
  std::shared_ptr<const Graph> graph_;
  std::unique_ptr<Mixing> mixing_;
  Cluster cluster_;
  Rng rng_;
  std::vector<std::pair<uint32_t, Compute>> work_;
  std::vector<Message> messages_;
  std::vector<char> finished_;
  std::map<std::pair<uint32_t, uint32_t>, uint64_t> sent_;  // messages of each edge
  uint64_t furthest_back_ = 0;
};

struct Setting {
  const char* graph;
  uint32_t nodes;
};

// Odd and even cycles, stars, complete graphs.
const std::vector<Setting> kSettings = {{"ring", 2},     {"ring", 3},           {"ring", 5},
                                        {"ring", 8},     {"star", 6},           {"complete", 4},
                                        {"complete", 7}, {"random-regular", 10}};

std::vector<std::vector<float>> random_moves(uint32_t nodes, Rng& rng) {
  std::vector<std::vector<float>> moves(nodes, std::vector<float>(kDimension));
  for (std::vector<float>& move : moves) rng.fill_normal(move);
  return moves;
}

template <class Visit>
void for_each_setting(Visit visit) {
  for (const Rule& rule : kRules) {
    for (const Setting& setting : kSettings) {
      for (const bool slow : {false, true}) {
        for (const uint64_t seed : {1, 2, 3}) {
          SCOPED_TRACE(std::string(rule.name) + " on " + setting.graph + " of " +
                       std::to_string(setting.nodes) + (slow ? ", slow messages" : "") + ", seed " +
                       std::to_string(seed));
          visit(rule, setting, slow, seed);
        }
      }
    }
  }
}

// Once all have taken their first steps only exchanges move anything.
bool first_steps_are_taken(Swarm& swarm, uint32_t nodes) {
  for (uint32_t i = 0; i < nodes; ++i) {
    if (swarm.cluster().state(i).round == 0) return false;
  }
  return true;
}

TEST(Pairwise, KeepsTheSumAndComesToAnEnd) {
  for_each_setting([](const Rule& rule, const Setting& setting, bool slow, uint64_t seed) {
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const std::vector<std::vector<float>> moves = random_moves(setting.nodes, rng);
    std::vector<double> expected(kDimension);
    for (const std::vector<float>& move : moves) {
      for (size_t j = 0; j < kDimension; ++j) expected[j] += static_cast<double>(move[j]);
    }
    Swarm swarm(setting.nodes, setting.graph, rule, 60, seed);
    while (swarm.step(moves, slow)) {
      if (!first_steps_are_taken(swarm, setting.nodes)) continue;
      const std::vector<double> sum = swarm.sum();
      for (size_t j = 0; j < kDimension; ++j) ASSERT_NEAR(sum[j], expected[j], 1e-4);
    }
    EXPECT_TRUE(swarm.all_finished());
    EXPECT_EQ(swarm.furthest_back(), limits::kRepairUndirected) << "what Node keeps";
    for (uint32_t i = 0; i < setting.nodes; ++i) {
      for (size_t j = 0; j < kDimension; ++j) {
        EXPECT_NEAR(swarm.x(i)[j], expected[j] / setting.nodes, 0.02);
      }
    }
  });
}

// All offer what they have come to before the first message arrives, so that everybody answers
// while it is bound; nobody must be thrown beyond the others.
TEST(Pairwise, NoModelLeavesTheHullOfAll) {
  for_each_setting([](const Rule& rule, const Setting& setting, bool slow, uint64_t seed) {
    // Where steps come last, or messages first, not all is scattered when exchanges begin.
    if (rule.make == kRules[0].make || !slow) return;
    Rng rng(seed, NodeId{0}, Purpose::kTest);
    const std::vector<std::vector<float>> moves = random_moves(setting.nodes, rng);
    std::vector<float> low = moves[0];
    std::vector<float> high = moves[0];
    for (const std::vector<float>& move : moves) {
      for (size_t j = 0; j < kDimension; ++j) {
        low[j] = std::min(low[j], move[j]);
        high[j] = std::max(high[j], move[j]);
      }
    }
    Swarm swarm(setting.nodes, setting.graph, rule, 60, seed);
    while (swarm.step(moves, slow)) {
      for (uint32_t i = 0; i < setting.nodes; ++i) {
        if (swarm.cluster().state(i).round == 0) continue;
        for (size_t j = 0; j < kDimension; ++j) {
          ASSERT_GE(swarm.x(i)[j], low[j] - 1e-5f);
          ASSERT_LE(swarm.x(i)[j], high[j] + 1e-5f);
        }
      }
    }
  });
}

TEST(Pairwise, TwoThatMeetAloneHaveTheirAverage) {
  Swarm swarm(2, "ring", kRules[2], 5, 1);
  Cluster& cluster = swarm.cluster();
  const std::vector<float> move(kDimension, 4);
  const Compute work{.ticket = 1, .at = cluster.state(0).parameters, .rule = {}};
  const Send offer = first<Send>(cluster.compute(0, work, move));
  EXPECT_EQ(offer.kind, kOffer);
  const Send answer = first<Send>(cluster.step(1, Received{as_message(0, offer)}));
  cluster.step(0, Received{as_message(1, answer)});
  for (uint32_t i = 0; i < 2; ++i) {
    for (const float value : swarm.x(i)) EXPECT_EQ(value, 2.0f);
  }
}

// Both have offered: each answers from the half that it has at home, and both have the average.
TEST(Pairwise, TwoThatMeetHalfwayHaveTheirAverage) {
  Swarm swarm(2, "ring", kRules[2], 5, 1);
  Cluster& cluster = swarm.cluster();
  std::vector<Send> offers;
  for (uint32_t i = 0; i < 2; ++i) {
    const Compute work{.ticket = 1, .at = cluster.state(i).parameters, .rule = {}};
    const std::vector<float> move(kDimension, i == 0 ? 4.0f : 0.0f);
    offers.push_back(first<Send>(cluster.compute(i, work, move)));
  }
  const Send one = first<Send>(cluster.step(1, Received{as_message(0, offers[0])}));
  const Send two = first<Send>(cluster.step(0, Received{as_message(1, offers[1])}));
  cluster.step(0, Received{as_message(1, one)});
  cluster.step(1, Received{as_message(0, two)});
  for (uint32_t i = 0; i < 2; ++i) {
    for (const float value : swarm.x(i)) EXPECT_EQ(value, 2.0f);
  }
}

// An offer that overtakes the answer of the same node waits for it.
TEST(Pairwise, AnOfferWaitsForTheAnswerThatItHasOvertaken) {
  Swarm swarm(2, "ring", kRules[2], 5, 1);
  Cluster& cluster = swarm.cluster();
  const std::vector<float> move(kDimension, 4);
  const Compute work0{.ticket = 1, .at = cluster.state(0).parameters, .rule = {}};
  const Compute work1{.ticket = 1, .at = cluster.state(1).parameters, .rule = {}};
  const Send offer = first<Send>(cluster.compute(0, work0, move));
  const Send answer = first<Send>(cluster.step(1, Received{as_message(0, offer)}));
  const Send overtaking = first<Send>(cluster.compute(1, work1, move));
  EXPECT_TRUE(cluster.step(0, Received{as_message(1, overtaking)}).empty());
  cluster.refuses(0, as_message(1, overtaking), Reason::kMalformed);
  const Send late = first<Send>(cluster.step(0, Received{as_message(1, answer)}));
  EXPECT_EQ(late.kind, kAnswer);
  cluster.step(1, Received{as_message(0, late)});
  for (uint32_t i = 0; i < 2; ++i) {
    for (const float value : swarm.x(i)) EXPECT_EQ(value, 4.0f);  // (2 + (2 + 4)) / 2
  }
}

// A neighbour that leaves ends the exchange, and is not offered anything until it is back.
TEST(Pairwise, WhoLeavesIsDrawnNoMore) {
  Swarm swarm(3, "ring", kRules[2], 50, 1);
  Cluster& cluster = swarm.cluster();
  const std::vector<float> move(kDimension, 1);
  const auto offer_of = [&](uint64_t ticket) {
    const Compute work{.ticket = ticket, .at = cluster.state(0).parameters, .rule = {}};
    return first<Send>(cluster.compute(0, work, move));
  };
  const NodeId gone = offer_of(1).to;
  const NodeId other{3 - index_of(gone)};
  EXPECT_EQ(first<Compute>(cluster.step(0, PeerLeft{gone})).ticket, 2u) << "the round is over";
  EXPECT_EQ(cluster.word(0, "absent." + std::to_string(index_of(gone))), 1u);
  for (uint64_t ticket = 2; ticket < 12; ++ticket) {
    const Send offer = offer_of(ticket);
    EXPECT_EQ(offer.to, other);
    cluster.step(0, Received{{.from = other,
                              .to = NodeId{0},
                              .kind = kAnswer,
                              .round = offer.round,
                              .payload = cluster.vector(0)}});
  }
  cluster.step(0, PeerJoined{gone, 2});
  EXPECT_EQ(cluster.word(0, "absent." + std::to_string(index_of(gone))), 0u);
}

// One that has gone unseen and is back knows nothing of the offer that this node is bound by.
TEST(Pairwise, WhoJoinsAnewReleasesWhoIsBoundToIt) {
  Swarm swarm(2, "ring", kRules[2], 50, 1);
  Cluster& cluster = swarm.cluster();
  const Compute work{.ticket = 1, .at = cluster.state(0).parameters, .rule = {}};
  const std::vector<float> move(kDimension, 1);
  EXPECT_EQ(first<Send>(cluster.compute(0, work, move)).kind, kOffer);
  EXPECT_EQ(first<Compute>(cluster.step(0, PeerJoined{NodeId{1}, 2})).ticket, 2u);
}

TEST(Pairwise, RefusesWhatNoNeighbourCanHaveSent) {
  Swarm swarm(4, "ring", kRules[0], 5, 1);
  Cluster& cluster = swarm.cluster();
  const SharedBuffer x = cluster.vector(1);
  const auto message = [&](uint32_t from, uint16_t kind, double scalar) {
    return Message{.from = NodeId{from}, .kind = kind, .round = 1, .scalar = scalar, .payload = x};
  };
  cluster.refuses(0, message(2, kOffer, 0), Reason::kUnknownPeer);
  cluster.refuses(0, message(1, kOffer, 1), Reason::kMalformed);  // has answered nothing
  cluster.refuses(0, message(1, kOffer, std::nan("")), Reason::kMalformed);
  cluster.refuses(0, message(1, kAnswer, 0), Reason::kStale);    // to nothing
  cluster.refuses(0, message(1, kDone, 0), Reason::kMalformed);  // with a payload
  cluster.refuses(0, message(1, 7, 0), Reason::kMalformed);
  Message short_one = message(1, kOffer, 0);
  short_one.payload = {};
  cluster.refuses(0, short_one, Reason::kTruncated);
}

}  // namespace
}  // namespace kith
