// What a Node keeps where its star may lose nodes, the hub included (protocol/view.h): the view
// that it belongs to, and what translates between that and the run. See node_views.cc and
// node_within_view.cc.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "protocol/algorithm.h"
#include "protocol/view.h"

namespace kith {

struct StarSide {
  // Of the hub: what it knows of a member.
  struct Member {
    NodeId node{};
    bool confirmed = true;  // a message of this view has come from it
    bool lapsed = false;    // what came last was that it is in another, or seeks
    Time told{};            // of the view, last
  };

  // ---- fixed ----
  const AlgorithmInfo& algorithm;
  const Options options;  // of the job
  // Of view 0: the run's own rounds, seed and the like. Parameters are not held.
  const NodeState whole;

  // ---- the view ----
  View view;
  std::unique_ptr<Mixing> mixing = {};  // of view.number > 0: its star
  OptimizerSpec optimizer = {};         // the same: with what is left of the schedule
  uint64_t first_batch = 0;             // what the algorithm counts as 0
  uint64_t first_ticket = 0;            // the same; those up to it are of earlier views
  std::vector<Member> members = {};     // of a hub, by node, without itself
  SharedBuffer announcement = {};       // until all have confirmed it
  std::vector<NodeId> joining = {};     // taken in at the end of the round; sorted
  std::vector<NodeId> banned = {};      // broke the rules too often
  bool round_over = false;              // since the event began
  std::vector<uint32_t> failures = {};  // by node: it was left before it had confirmed a view

  // ---- finding one ----
  uint64_t highest = 0;  // number of a view that this node has heard of
  bool seeking = false;
  bool away = false;  // since the start, until it is in a view
  Search search = {};
  Time asked{};  // all; of a hub: those who are not with it
  // The last kJoin, so that x is not asked for again while it is on its way.
  NodeId joined{};
  uint64_t joined_view = 0;
  Time joined_at{};
  uint32_t joined_times = 0;

  bool ended = false;  // by the model of the end, which another had: the view goes on no more

  // ---- computing ----
  struct Work {
    uint64_t ticket = 0;
    uint64_t end = 0;  // one beyond its last batch
  };
  uint64_t computed = 0;  // batches of this node that have come back, from the run's first on
  uint64_t settled = 0;   // of these, those of rounds that are over: a new view begins with them
  uint64_t last_ticket = 0;
  std::optional<Work> under_way = {};
  std::optional<Compute> held = {};  // until what is under way of an earlier view is done

  // ---- pace ----
  // Of a node that has made no rounds with others yet.
  static constexpr Duration kUnknownPace = std::chrono::milliseconds(100);

  Duration usual = kUnknownPace;  // time of a round with others, on average
  Round seen = 0;                 // rounds of the run, when `seen_at` was set
  Time seen_at{};
  Time due{};                           // end of the round under way, where the hub is alone
  std::optional<Computed> result = {};  // that is held until then
};

}  // namespace kith
