// Around an algorithm without a coordinator: when its rounds are over, the nodes average what they
// have until they all have nearly the same model (protocol/gossip/averaging.h).
// A neighbour that leaves is left by the averaging too; who comes when it has begun comes too late.
// An algorithm's Finish says that its x moves no more, whatever it still answers: so also where
// nodes keep no step (protocol/gossip/pairwise.h).
#pragma once

#include "protocol/gossip/averaging.h"

namespace kith {

class FinalConsensus final : public Algorithm {
 public:
  FinalConsensus(std::unique_ptr<Algorithm> trains, const GossipRounds& how);

  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) override;
  void describe(const NodeState& state, std::string& out) const override;
  void persist(Archive& archive) override;
  const Measures* measures() const override { return trains_->measures(); }
  void waiting_for(const NodeState& state, std::vector<NodeId>& out) const override;

 private:
  bool takes_end(std::vector<Effect>& out, size_t from);
  void add_to_checkpoints(std::vector<Effect>& out, size_t from);
  void neighbours(const NodeState& state, const Event& event);
  void go_on(NodeState& state, std::vector<Effect>& out);

  std::unique_ptr<Algorithm> trains_;
  GossipAveraging averaging_;
  bool trained_ = false;
  bool over_ = false;
};

}  // namespace kith
