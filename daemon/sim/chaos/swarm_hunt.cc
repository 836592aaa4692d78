#include "daemon/sim/chaos/swarm_hunt.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "daemon/sim/chaos/draw.h"
#include "topology/rng.h"

namespace kith::chaos {

namespace {

using Kind = Finding::Kind;

constexpr uint64_t kStream = 3;  // of draws: jobs have the even ones, faults 1
constexpr uint32_t kMostNodes = 16;
constexpr double kMostSeconds = 240;  // in which things go wrong: none is forgotten meanwhile
constexpr double kNear = 1e-4;        // s, of a line
constexpr double kFar = 0.2;
constexpr Duration kLook = std::chrono::milliseconds(100);  // between two looks at all tables
// After all agree: what was under way when the last fault ended has come to its end.
constexpr Duration kCalm = std::chrono::seconds(30);
constexpr Duration kPeace = std::chrono::seconds(30);

// Everybody may speak to everybody, and goes on without whom it misses: what happens to a run of
// this job may happen to a swarm.
constexpr const char* kJob = R"(
[model]
kind = "quadratic"
[topology]
graph = "complete"
[stop]
rounds = 1
)";

Time begin_of(const DrawnSwarm& swarm) {
  return swarm.faults.empty() ? Time{} : swarm.faults.front().at;
}

}  // namespace

DrawnSwarm draw_swarm(uint64_t seed) {
  Rng rng(seed, NodeId{0}, Purpose::kTest, kStream);
  DrawnSwarm drawn;
  const auto nodes = static_cast<uint32_t>(2 + rng.below(kMostNodes - 1));
  drawn.settings.seed = rng.next();
  for (uint32_t i = 0; i < nodes; ++i) {
    drawn.settings.distance.push_back(from_seconds(kNear * std::pow(kFar / kNear, rng.uniform())));
  }
  const Time until(from_seconds(kMostSeconds * (0.1 + 0.9 * rng.uniform())));
  drawn.faults = draw_faults(rng.next(), parse_job(kJob), nodes, until);

  // Whom an operator names to those that start is there in the end: it and all that it has not met
  // would otherwise have nobody who could tell them of each other.
  FaultState end(nodes);
  for (const Fault& fault : drawn.faults) end.apply(fault);
  do {
    drawn.settings.first_host = NodeId{static_cast<uint32_t>(rng.below(nodes))};
  } while (end.down(drawn.settings.first_host));

  const Duration sound = SwarmHunt(drawn).settle_within();
  for (Fault& fault : drawn.faults) fault.at += sound;
  return drawn;
}

// What may have to happen one after the other, at the worst: those that were away are asked one at
// a time, and the two sides of a cut each ask the others in turn; a pass of probes and half of one,
// in which each has asked each (SWIM, section 4.3); a suspicion; what was told is compared.
Duration SwarmHunt::settle_within() const {
  const swarm::Policy policy;  // of kithd
  const int64_t n = swarm_.nodes();
  const int64_t periods = policy.look_back_every * n + 2 * n - 1 +
                          2 * std::bit_width(swarm_.nodes() + 1) + 2 * policy.sync_every;
  return periods * policy.period + 4 * policy.ceiling;
}

Finding SwarmHunt::chase(bool twice) {
  const Run first = run();
  events_ += first.events;
  Finding finding = first.finding;
  if (finding.kind != Kind::kNone || !twice) return finding;
  const Run second = run();
  events_ += second.events;
  if (first.changes == second.changes && first.events == second.events) return finding;
  return {Kind::kWrong, "the same seed has run two different ways"};
}

SwarmHunt::Run SwarmHunt::run() const {
  SimulatedSwarm swarm(swarm_.settings);
  Run run;
  run.finding = go(swarm, run.changes);
  run.events = swarm.events();
  return run;
}

Finding SwarmHunt::go(SimulatedSwarm& swarm, std::vector<SwarmChange>& changes) const {
  swarm.run(begin_of(swarm_));
  if (const auto who = swarm.disagreement(); who && begin_of(swarm_) > Time{}) {
    return {Kind::kNoProgress, "without any fault, " + *who};
  }
  for (const Fault& fault : swarm_.faults) {
    swarm.run(fault.at);
    swarm.go_wrong(fault);
  }
  const Time last = swarm.now();
  while (swarm.finding().empty() && swarm.disagreement() && swarm.now() < last + settle_within()) {
    swarm.run(swarm.now() + kLook);
  }
  if (!swarm.finding().empty()) return {Kind::kWrong, swarm.finding()};
  const std::string took = std::to_string(seconds(swarm.now() - last)) + " s after its last fault";
  if (const auto who = swarm.disagreement()) return {Kind::kNoProgress, took + " " + *who};
  swarm.run(swarm.now() + kCalm);
  changes = swarm.take_changes();
  swarm.run(swarm.now() + kPeace);
  const std::vector<SwarmChange> late = swarm.take_changes();
  if (!swarm.finding().empty()) return {Kind::kWrong, swarm.finding()};
  if (!late.empty()) {
    const SwarmChange& first = late.front();
    return {Kind::kWrong,
            "nothing goes wrong any more, but at " + std::to_string(seconds(first.at)) +
                " s node " + std::to_string(index_of(first.observer)) + " takes node " +
                std::to_string(index_of(first.subject)) + " for " + swarm::state_name(first.state)};
  }
  if (const auto who = swarm.disagreement()) return {Kind::kWrong, "it does not last: " + *who};
  return {Kind::kNone, "agrees " + took};
}

}  // namespace kith::chaos
