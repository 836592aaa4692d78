// What must hold after every event of a simulated run, whatever goes wrong. Each checker is a few
// comparisons; the first finding is kept, and nothing is touched.
//
//   rounds       of a node never fall within a life; who is done moves no more
//   lead         who is told its neighbours' messages is ahead of none of them by more than its
//                algorithm combines late, plus one; edges count while both ends say so
//   progress     who is not done has a timer pending, and computes, waits for somebody or has a
//                timer of its own: no silent deadlock; and no endless talk in which no node
//                ends a round
//   numbers      what is finite stays so
//   counters     no more is received than was sent or doubled
//   memory       vectors and payloads that live are bounded (protocol/limits.h)
//   sums         see sums.h; while no machine has died and no edge was left
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/plan.h"
#include "daemon/sim/chaos/sums.h"
#include "daemon/sim/observer.h"

namespace kith::chaos {

// What a run has promised, before it begins.
struct Promises {
  uint32_t nodes = 0;
  Round lead = 1;                          // rounds ahead of those in `hears`
  std::vector<std::vector<NodeId>> hears;  // by node, sorted; empty = nobody is waited for
  bool watched = true;                     // losses are repaired, so that a timer is pending
  size_t most_bytes = 0;                   // that live
  // A star that goes on without its hub: rounds that a hub has made alone are lost where it joins
  // another, and who seeks a hub waits for no peer (protocol/view.h).
  bool views = false;
};

// Of a job whose nodes keep so many messages for each edge.
Promises promises_of(const Plan& plan, bool watched);

class Checkers final : public Observer {
 public:
  // `faults_end`: see round_at_end().
  Checkers(Promises promises, SumRules sums, Time faults_end);

  // "12.345 s: node 3 ...": what was found first; empty = nothing.
  const std::string& finding() const { return finding_; }
  // Of the last event.
  Time now() const { return now_; }
  // The furthest that a node was when faults were over, if it has come to that.
  Round round_at_end() const { return round_at_end_; }
  // It was about progress.
  bool stuck() const { return stuck_; }
  // No machine has died and no edge was left so far. To go back undoes nothing.
  bool untouched() const;
  // Cuts through all nodes whose sums were looked at.
  uint64_t cuts() const { return sums_.cuts(); }

  void stepped(const Glimpse& glimpse) override;
  void began_again(const Glimpse& glimpse) override;
  void crashed(NodeId node) override;
  void all_went_back() override;
  void edge_changed(NodeId node, NodeId peer, bool in_force, Round round) override;
  void checkpoint(NodeId node, const Checkpoint& checkpoint) override;

 private:
  struct Edge {
    bool in_force = true;
    Round from = 0;
    bool operator==(const Edge&) const = default;
  };

  struct Machine {
    Round round = 0;
    bool finished = false;
    bool anew = true;                   // and has done nothing yet
    const float* parameters = nullptr;  // those looked at last
    uint64_t sent = 0;
    uint64_t received = 0;
    std::map<NodeId, Edge> edges;  // that have changed in this life
    bool alone = false;            // all others are left, too
  };

  void check_rounds(const Glimpse& glimpse, const Machine& machine);
  void check_lead(const Glimpse& glimpse);
  void check_progress(const Glimpse& glimpse);
  void check_numbers(const Glimpse& glimpse, Machine& machine);
  void check_counters(const Glimpse& glimpse, Machine& machine);
  void find(const Glimpse& glimpse, const std::string& what);
  // As `node` sees it.
  Edge edge(NodeId node, NodeId peer) const;

  Promises promises_;
  Sums sums_;
  std::vector<Machine> machines_;
  uint64_t sent_ = 0;  // messages of all lives
  uint64_t received_ = 0;
  const Time faults_end_;
  Round round_at_end_ = 0;
  Time now_{};
  uint64_t idle_ = 0;  // events since a node ended a round
  std::string finding_;
  bool stuck_ = false;
  bool untouched_ = true;
};

}  // namespace kith::chaos
