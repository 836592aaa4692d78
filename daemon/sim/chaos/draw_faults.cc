#include <algorithm>
#include <cmath>

#include "daemon/sim/chaos/draw.h"
#include "topology/reach.h"
#include "topology/rng.h"

namespace kith::chaos {

namespace {

constexpr uint64_t kMostFaults = 12;
constexpr double kLongest = 0.4;  // of the time that there is
constexpr uint64_t kStream = 1;   // jobs have the even ones

using Kind = Fault::Kind;

class FaultDraw {
 public:
  FaultDraw(uint64_t seed, const Job& job, uint32_t nodes, Time until)
      : rng_(seed, NodeId{0}, Purpose::kTest, kStream),
        nodes_(nodes),
        until_(until),
        graph_(make_graph(job, nodes)),
        mixing_(make_mixing(job, graph_)),
        ways_(mixing_->graph().period() == 1 ? mixing_->graph() : *graph_),
        goes_on_(goes_on(job, *graph_)),
        central_(algorithm_info(job.algorithm.kind).central),
        rock_(rng_.below(nodes)),
        dead_(nodes) {}

  std::vector<Fault> draw() {
    draw_kinds();
    const uint64_t count = 1 + rng_.below(kMostFaults);
    for (uint64_t k = 0; k < count; ++k) draw_one();
    std::ranges::stable_sort(faults_, {}, &Fault::at);
    return std::move(faults_);
  }

 private:
  enum Trouble : uint32_t {
    kDeath,
    kPause,
    kSlowness,
    kClock,
    kOneWay,
    kPartition,
    kLoss,
    kDoubling,
    kReordering,
    kCorruption,
    kDisk,
    kTroubles
  };

  // Some kinds a run, so that a rare one is not always among all the others.
  void draw_kinds() {
    for (uint32_t kind = 0; kind < kTroubles; ++kind) {
      if (rng_.below(2) == 0) kinds_.push_back(static_cast<Trouble>(kind));
    }
    if (kinds_.empty()) kinds_.push_back(static_cast<Trouble>(rng_.below(kTroubles)));
  }

  void draw_one() {
    const double from = rng_.uniform();
    const double lasts = std::min(1 - from, kLongest * rng_.uniform());
    begin_ = moment(from);
    end_ = moment(from + lasts);
    node_ = NodeId{static_cast<uint32_t>(rng_.below(nodes_))};
    switch (kinds_[rng_.below(kinds_.size())]) {
      case kDeath: return die();
      case kPause: return during(Kind::kSleep, Kind::kWake);
      case kSlowness: return during(Kind::kSlow, Kind::kSlow, 1 + amount(9), 1);
      case kClock: return during(Kind::kSkew, Kind::kSkew, skew(), 1);
      case kOneWay: return cut_one_way();
      case kPartition: return cut_in_two();
      case kLoss: return during(Kind::kLose, Kind::kLose, amount(0.5));
      case kDoubling: return during(Kind::kDouble, Kind::kDouble, amount(0.5));
      case kReordering: return during(Kind::kDelay, Kind::kDelay, amount(0.3));
      case kCorruption: return during(Kind::kDamage, Kind::kDamage, amount(0.3));
      case kDisk: return during(Kind::kFullDisk, Kind::kFreeDisk);
      case kTroubles: break;
    }
  }

  // Few digits, so that a list of faults says all there is to say.
  double amount(double most) { return std::round(100 * most * rng_.uniform()) / 100; }

  double skew() {  // from half as fast to twice as fast
    return rng_.below(2) == 0 ? 1 + amount(1) : 0.5 + amount(0.5);
  }

  // Who goes on without a neighbour stands any death; that of all leaves the disks to go on from.
  // Who waits for a neighbour has these alone.
  void die() {
    if (dead_[index_of(node_)] || (goes_on_ && index_of(node_) == rock_)) return;
    const uint64_t how = goes_on_ ? rng_.below(4) : 0;
    if (goes_on_ && how == 1) return add(end_, Kind::kGoBack);
    add(begin_, Kind::kCrash);
    if (!goes_on_) return add(end_, Kind::kGoBack);
    if (how == 0 && may_go_for_good()) {
      dead_[index_of(node_)] = true;
      std::erase_if(faults_, [&](const Fault& fault) {
        return fault.node == node_ && fault.kind == Kind::kRestart;
      });
      return;
    }
    add(end_, Kind::kRestart);
  }

  // Those who are left still have a path to each other: from the one that never dies, and to it.
  bool may_go_for_good() const {
    if (central_) return true;
    std::vector<bool> gone = dead_;
    gone[index_of(node_)] = true;
    return reaches_all(gone, Direction::kOut) && reaches_all(gone, Direction::kIn);
  }

  bool reaches_all(std::vector<bool> reached, Direction direction) const {
    std::vector<NodeId> next = {NodeId{static_cast<uint32_t>(rock_)}};
    reached[rock_] = true;
    while (!next.empty()) {
      const NodeId node = next.back();
      next.pop_back();
      for (const NodeId peer : neighbors(node, direction)) {
        if (reached[index_of(peer)]) continue;
        reached[index_of(peer)] = true;
        next.push_back(peer);
      }
    }
    return std::ranges::all_of(reached, [](bool each) { return each; });
  }

  // In any round; sorted.
  std::vector<NodeId> neighbors(NodeId node, Direction direction) const {
    std::vector<NodeId> peers;
    std::vector<NodeId> all;
    for (Round round = 0; round < rounds_shown(ways_); ++round) {
      if (direction == Direction::kOut) ways_.out(node, round, peers);
      if (direction == Direction::kIn) ways_.in(node, round, peers);
      all.insert(all.end(), peers.begin(), peers.end());
    }
    std::ranges::sort(all);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  void cut_one_way() {
    const std::vector<NodeId> peers = neighbors(node_, Direction::kOut);
    if (!peers.empty()) cut(node_, peers[rng_.below(peers.size())]);
  }

  void cut_in_two() {
    std::vector<bool> second(nodes_);
    for (uint32_t i = 0; i < nodes_; ++i) second[i] = rng_.below(2) == 0;
    for (uint32_t i = 0; i < nodes_; ++i) {
      for (const NodeId peer : neighbors(NodeId{i}, Direction::kOut)) {
        if (second[i] != second[index_of(peer)]) cut(NodeId{i}, peer);
      }
    }
  }

  void cut(NodeId from, NodeId to) {
    faults_.push_back({begin_, Kind::kCut, from, to});
    faults_.push_back({end_, Kind::kJoin, from, to});
  }

  void during(Kind from, Kind to, double amount = 0, double usual = 0) {
    faults_.push_back({begin_, from, node_, {}, amount});
    faults_.push_back({end_, to, node_, {}, usual});
  }

  void add(Time at, Kind kind) { faults_.push_back({at, kind, node_}); }

  Time moment(double share) const { return Time(from_seconds(seconds(until_) * share)); }

  Rng rng_;
  const uint32_t nodes_;
  const Time until_;
  const std::shared_ptr<const Graph> graph_;
  const std::unique_ptr<Mixing> mixing_;
  const Graph& ways_;  // of messages: an algorithm may use a part of the graph alone
  const bool goes_on_;
  const bool central_;
  const uint64_t rock_;  // a node that never dies
  std::vector<bool> dead_;
  std::vector<Trouble> kinds_;
  std::vector<Fault> faults_;
  Time begin_{};
  Time end_{};
  NodeId node_{};
};

}  // namespace

std::vector<Fault> draw_faults(uint64_t seed, const Job& job, uint32_t nodes, Time until) {
  return FaultDraw(seed, job, nodes, until).draw();
}

}  // namespace kith::chaos
