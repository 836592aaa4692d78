// Around an algorithm without a coordinator: when its rounds are over, the nodes average what they
// have until they all have nearly the same model (protocol/gossip/averaging.h).
//
// Where nodes do not keep step, one that has done its rounds goes on serving others, which moves
// its model. There it tells its neighbours that it is done, and averages when all of these are.
#pragma once

#include "protocol/gossip/averaging.h"

namespace kith {

class FinalConsensus final : public Algorithm {
 public:
  FinalConsensus(std::unique_ptr<Algorithm> trains, const GossipRounds& how, bool in_step);

  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) override;
  void describe(const NodeState& state, std::string& out) const override;
  void persist(Archive& archive) override { trains_->persist(archive); }
  const Measures* measures() const override { return trains_->measures(); }
  void waiting_for(const NodeState& state, std::vector<NodeId>& out) const override;

 private:
  bool takes_end(std::vector<Effect>& out, size_t from);
  void announce(const NodeState& state, std::vector<Effect>& out);
  Status heard_of_end(const Message& message);
  void go_on(NodeState& state, std::vector<Effect>& out);

  std::unique_ptr<Algorithm> trains_;
  GossipAveraging averaging_;
  const bool in_step_;
  std::vector<NodeId> done_;   // neighbours that are, sorted; where not in step
  std::vector<NodeId> peers_;  // all of them
  bool trained_ = false;
  bool averages_ = false;
  bool over_ = false;
};

}  // namespace kith
