// Nodes of one gossip algorithm on a random connected graph, without a body: a learner of unequal
// quadratics, and messages that arrive in an order of their own. And the same algorithms as their
// papers have them, in doubles, all nodes at once.
#pragma once

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <numeric>
#include <set>

#include "protocol/algorithm.h"
#include "protocol/theory/decentralised_laboratory.h"
#include "topology/rng.h"

namespace kith {

using Rows = Eigen::MatrixXd;  // row i is a vector of node i

// A ring and chords.
class RandomGraph final : public Graph {
 public:
  RandomGraph(uint32_t nodes, Rng& rng) : peers_(nodes) {
    for (uint32_t i = 0; i < nodes; ++i) join(i, (i + 1) % nodes);
    for (uint64_t k = rng.below(nodes); k > 0; --k) {
      const auto i = static_cast<uint32_t>(rng.below(nodes));
      join(i, static_cast<uint32_t>(rng.below(nodes)));
    }
  }

  uint32_t nodes() const override { return static_cast<uint32_t>(peers_.size()); }
  void in(NodeId node, Round, std::vector<NodeId>& out) const override {
    const std::set<NodeId>& peers = peers_[index_of(node)];
    out.assign(peers.begin(), peers.end());
  }
  void out(NodeId node, Round round, std::vector<NodeId>& out) const override {
    in(node, round, out);
  }
  bool undirected() const override { return true; }

 private:
  void join(uint32_t i, uint32_t j) {
    if (i == j) return;
    peers_[i].insert(NodeId{j});
    peers_[j].insert(NodeId{i});
  }

  std::vector<std::set<NodeId>> peers_;
};

// (I + W) / 2, with Metropolis weights: no eigenvalue is negative.
class HalfMetropolis final : public Mixing {
 public:
  explicit HalfMetropolis(std::shared_ptr<const Graph> graph)
      : whole_(make_mixing("metropolis", std::move(graph))) {}
  void row(NodeId node, Round round, MixingRow& row) const override {
    whole_->row(node, round, row);
    double sum = 0;
    for (Neighbor& neighbor : row.neighbors) sum += double{neighbor.weight /= 2};
    row.self = static_cast<float>(1 - sum);
  }
  const Graph& graph() const override { return whole_->graph(); }

 private:
  std::unique_ptr<Mixing> whole_;
};

// f_i(x) = h_i/2 |x - b_i|^2, with noise on the gradient that is a function of (node, batch).
struct UnequalQuadratics {
  std::vector<double> curvature;  // h_i
  Rows offset;                    // b_i
  double noise = 0;
  uint64_t seed = 0;

  UnequalQuadratics(uint32_t nodes, size_t dimension, double with_noise, Rng& rng)
      : offset(nodes, dimension), noise(with_noise), seed(rng.next()) {
    for (uint32_t i = 0; i < nodes; ++i) curvature.push_back(0.5 + rng.uniform());
    for (double& value : offset.reshaped()) value = 2 * rng.normal();
  }

  Eigen::VectorXd gradient(uint32_t node, uint64_t batch, const Eigen::VectorXd& x) const {
    std::vector<float> draws(static_cast<size_t>(x.size()));
    Rng(seed, NodeId{node}, Purpose::kGradientNoise, batch).fill_normal(draws);
    Eigen::VectorXd g = curvature[node] * (x - offset.row(node).transpose());
    for (Eigen::Index j = 0; j < x.size(); ++j) g(j) += noise * double{draws[size_t(j)]};
    return g;
  }

  Rows gradients(uint64_t batch, const Rows& x) const {
    Rows g(x.rows(), x.cols());
    for (Eigen::Index i = 0; i < x.rows(); ++i) {
      g.row(i) = gradient(static_cast<uint32_t>(i), batch, x.row(i).transpose()).transpose();
    }
    return g;
  }

  Eigen::VectorXd optimum() const {
    std::vector<uint32_t> all(curvature.size());
    std::iota(all.begin(), all.end(), 0u);
    return optimum_of(all);
  }

  Eigen::VectorXd optimum_of(const std::vector<uint32_t>& nodes) const {
    Eigen::VectorXd pulled = Eigen::VectorXd::Zero(offset.cols());
    double pull = 0;
    for (const uint32_t i : nodes) {
      pulled += curvature[i] * offset.row(static_cast<Eigen::Index>(i)).transpose();
      pull += curvature[i];
    }
    return pulled / pull;
  }
};

class GossipRun {
 public:
  static constexpr size_t kValues = 6;

  GossipRun(const std::string& kind, const std::map<std::string, OptionValue>& given,
            const UnequalQuadratics& problem, const Mixing& mixing, double rate,
            const std::string& codec = "identity")
      : problem_(problem), codec_(make_codec(codec)) {
    optimizer_.learning_rate = static_cast<float>(rate);
    const AlgorithmInfo& info = algorithm_info(kind);
    const Options options("algorithm", info.options, given);
    const SharedBuffer start = copy_of(std::vector<float>(kValues, 0.5f), pool_);
    const auto nodes = mixing.graph().nodes();
    gradients = Rows::Zero(nodes, kValues);
    sent.assign(2, Rows::Zero(nodes, kValues));
    for (uint32_t i = 0; i < nodes; ++i) {
      states_.push_back({.self = NodeId{i},
                         .nodes = nodes,
                         .rounds = 100000,
                         .total_batches = 100000,
                         .dimension = kValues,
                         .mixing = &mixing,
                         .codec = codec_.get(),
                         .optimizer = &optimizer_,
                         .pool = &pool_,
                         .parameters = start});
      algorithms_.push_back(info.make(states_.back(), options));
      work_.emplace_back();
    }
    dead_.resize(nodes);
    for (uint32_t i = 0; i < nodes; ++i) handle(i, Start{});
  }

  // All nodes: compute, then hear from each other, in an order that `rng` draws.
  void round(Rng& rng) {
    const std::vector<Compute> work = work_;
    for (uint32_t i = 0; i < work.size(); ++i) {
      if (!dead_[i]) handle(i, compute(i, work[i]));
    }
    while (!messages_.empty()) {
      std::swap(messages_[rng.below(messages_.size())], messages_.back());
      Message message = std::move(messages_.back());
      messages_.pop_back();
      if (!dead_[index_of(message.to)]) {
        handle(index_of(message.to), Received{std::move(message)});
      }
    }
    for (const NodeId gone : std::exchange(mourned_, {})) mourn(gone);
    for (const auto& [node, timer] : std::exchange(timers_, {})) {
      states_[node].now += timer.after;
      handle(node, TimerFired{timer.id});
    }
  }

  // Between two rounds; its neighbours learn of it in the next one, while they wait for it.
  void die(NodeId node) {
    dead_[index_of(node)] = true;
    mourned_.push_back(node);
  }

  Rows x() const {
    Rows all(states_.size(), kValues);
    for (size_t i = 0; i < states_.size(); ++i) {
      all.row(static_cast<Eigen::Index>(i)) = row_of(states_[i].parameters.floats());
    }
    return all;
  }

  Rows persisted(const std::string& name) {
    Rows all(states_.size(), kValues);
    for (size_t i = 0; i < states_.size(); ++i) {
      Archive archive(Archive::Direction::kWrite, kValues, pool_);
      algorithms_[i]->persist(archive);
      all.row(static_cast<Eigen::Index>(i)) = row_of(archive.vectors.at(name).floats());
    }
    return all;
  }

  Status deliver(uint32_t to, Message message) {
    return algorithms_[to]->step(states_[to], Received{std::move(message)}, effects_);
  }

  Rows gradients;          // sums over the last round's batches
  std::vector<Rows> sent;  // in the last round, by vector, where the codec is identity

 private:
  static Eigen::RowVectorXd row_of(std::span<const float> values) {
    return Eigen::Map<const Eigen::RowVectorXf>(values.data(), kValues).cast<double>();
  }

  Computed compute(uint32_t node, const Compute& work) {
    Eigen::VectorXd x = row_of(work.at.floats()).transpose();
    Eigen::VectorXd sum = Eigen::VectorXd::Zero(kValues);
    for (uint32_t k = 0; k < work.steps; ++k) {
      const Eigen::VectorXd g = problem_.gradient(node, work.first_batch + k, x);
      sum += g;
      Eigen::VectorXd along = g;
      if (work.rule.correction) along += row_of(work.rule.correction.floats()).transpose();
      x -= double{optimizer_.learning_rate} * along;
    }
    gradients.row(node) = sum.transpose();
    const bool gradient = work.rule.kind == LocalRule::Kind::kGradient;
    const Eigen::VectorXf result = (gradient ? sum : x).cast<float>();
    return {.ticket = work.ticket,
            .result = copy_of({result.data(), kValues}, pool_),
            .steps = work.steps};
  }

  void mourn(NodeId gone) {
    std::vector<NodeId> peers;
    states_[0].mixing->graph().out(gone, 0, peers);
    for (const NodeId peer : peers) {
      if (!dead_[index_of(peer)]) handle(index_of(peer), PeerLeft{gone});
    }
  }

  void handle(uint32_t node, Event&& event) {
    effects_.clear();
    ASSERT_TRUE(algorithms_[node]->step(states_[node], std::move(event), effects_).ok());
    for (Effect& effect : effects_) {
      if (const auto* timer = std::get_if<SetTimer>(&effect)) timers_.emplace_back(node, *timer);
      if (auto* work = std::get_if<Compute>(&effect)) work_[node] = std::move(*work);
      if (auto* send = std::get_if<Send>(&effect)) {
        if (codec_->lossless()) {
          sent.at(send->kind - 1u).row(node) = row_of(send->payload.chunk(0).floats());
        }
        messages_.push_back({.from = NodeId{node},
                             .to = send->to,
                             .kind = send->kind,
                             .round = send->round,
                             .scalar = send->scalar,
                             .payload = send->payload});
      }
    }
  }

  const UnequalQuadratics& problem_;
  std::unique_ptr<Codec> codec_;
  OptimizerSpec optimizer_;
  Pool pool_;
  std::vector<NodeState> states_;
  std::vector<std::unique_ptr<Algorithm>> algorithms_;
  std::vector<Compute> work_;
  std::vector<Message> messages_;
  std::vector<std::pair<uint32_t, SetTimer>> timers_;  // due at the end of the round
  std::vector<bool> dead_;
  std::vector<NodeId> mourned_;  // whose neighbours do not know it yet
  std::vector<Effect> effects_;
};

inline Rows dense(const Mixing& mixing) {
  const std::vector<double> w = dense_weights(mixing, 0);
  const auto n = static_cast<Eigen::Index>(mixing.graph().nodes());
  return Eigen::Map<const Rows>(w.data(), n, n).transpose();
}

// A random graph of random size with random quadratics on it.
struct GossipCase {
  struct Law {
    uint64_t seed;
    double noise;
    uint32_t at_least = 2;  // nodes
    uint32_t sizes = 10;    // from there on
    double rates = 0.08;    // spread of the learning rate, from 0.02 on
  };

  uint64_t seed;
  Rng rng;
  std::shared_ptr<const Graph> graph;
  HalfMetropolis mixing;
  Rows w;
  UnequalQuadratics problem;
  double rate;

  explicit GossipCase(const Law& law)
      : seed(law.seed),
        rng(seed, NodeId{0}, Purpose::kTest),
        graph(std::make_shared<RandomGraph>(
            law.at_least + static_cast<uint32_t>(rng.below(law.sizes)), rng)),
        mixing(graph),
        w(dense(mixing)),
        problem(graph->nodes(), GossipRun::kValues, law.noise, rng),
        rate(double{static_cast<float>(0.02 + law.rates * rng.uniform())}) {}

  std::string text() const {
    return "seed " + std::to_string(seed) + ", " + std::to_string(graph->nodes()) +
           " nodes, rate " + std::to_string(rate);
  }
  Rows start() const { return Rows::Constant(w.rows(), GossipRun::kValues, 0.5); }
  GossipRun run(const std::string& kind, const std::map<std::string, OptionValue>& given = {},
                const std::string& codec = "identity") const {
    return GossipRun(kind, given, problem, mixing, rate, codec);
  }
};

}  // namespace kith
