// Nodes of one algorithm without a learner or a network: the test computes and delivers.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "protocol/algorithm.h"

namespace kith {

inline constexpr size_t kDimension = 5;

// Nodes whose local steps lead where the test says; messages go by hand.
class Cluster {
 public:
  using Make = std::unique_ptr<Algorithm> (*)(const NodeState&);

  // `mixing`, where there is one, outlives the cluster.
  Cluster(uint32_t nodes, const std::string& codec, Make make, MemorySpec memory = {},
          const Mixing* mixing = nullptr, Round rounds = 100)
      : codec_(make_codec(codec)) {
    const SharedBuffer start = vector(0);
    for (uint32_t i = 0; i < nodes; ++i) {
      states_.push_back({.self = NodeId{i},
                         .nodes = nodes,
                         .seed = 5,
                         .rounds = rounds,
                         .total_batches = 100,
                         .dimension = kDimension,
                         .rows = 10 + i,
                         .mixing = mixing,
                         .codec = codec_.get(),
                         .memory = memory,
                         .optimizer = &optimizer_,
                         .pool = &pool_,
                         .parameters = start});
      algorithms_.push_back(make(states_.back()));
    }
  }

  SharedBuffer vector(float value) { return copy_of(std::vector<float>(kDimension, value), pool_); }

  // The effects of the event, and nothing else.
  std::vector<Effect>& step(uint32_t node, Event&& event, Reason expected = Reason::kOk) {
    effects_.clear();
    const Status status = algorithms_[node]->step(states_[node], std::move(event), effects_);
    EXPECT_EQ(reason_name(status.reason()), reason_name(expected));
    return effects_;
  }

  // Local steps of `node` that lead from where they began to there plus `move`.
  std::vector<Effect>& compute(uint32_t node, const Compute& work, std::span<const float> move) {
    std::vector<float> y(work.at.floats().begin(), work.at.floats().end());
    for (size_t j = 0; j < y.size(); ++j) y[j] += move[j];
    return step(
        node,
        Computed{
            .ticket = work.ticket, .result = copy_of(y, pool_), .steps = work.steps, .loss = 1});
  }

  void refuses(uint32_t node, Message message, Reason reason) {
    std::string before;
    algorithms_[node]->describe(states_[node], before);
    message.to = NodeId{node};
    EXPECT_TRUE(step(node, Received{std::move(message)}, reason).empty());
    std::string after;
    algorithms_[node]->describe(states_[node], after);
    EXPECT_EQ(before, after);
  }

  NodeState& state(uint32_t node) { return states_[node]; }

  // A vector that the algorithm persists.
  SharedBuffer persisted(uint32_t node, const std::string& name) {
    Archive archive(Archive::Direction::kWrite, kDimension, pool_);
    algorithms_[node]->persist(archive);
    return archive.vectors.at(name);
  }

  // Numbers that the algorithm persists, and the bits of the first.
  std::vector<uint64_t> words(uint32_t node, const std::string& name) {
    Archive archive(Archive::Direction::kWrite, kDimension, pool_);
    algorithms_[node]->persist(archive);
    return archive.words.at(name);
  }
  uint64_t word(uint32_t node, const std::string& name) { return words(node, name)[0]; }

 private:
  std::unique_ptr<Codec> codec_;
  OptimizerSpec optimizer_ = {.learning_rate = 0.1f};
  Pool pool_;
  std::vector<NodeState> states_;
  std::vector<std::unique_ptr<Algorithm>> algorithms_;
  std::vector<Effect> effects_;
};

template <class T>
T first(const std::vector<Effect>& effects) {
  for (const Effect& effect : effects) {
    if (const auto* found = std::get_if<T>(&effect)) return *found;
  }
  ADD_FAILURE() << "the effect is missing";
  return {};
}

inline Message as_message(uint32_t from, const Send& send) {
  return {.from = NodeId{from},
          .to = send.to,
          .kind = send.kind,
          .round = send.round,
          .scalar = send.scalar,
          .payload = send.payload};
}

}  // namespace kith
