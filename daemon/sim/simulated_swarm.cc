#include "daemon/sim/simulated_swarm.h"

#include <charconv>
#include <utility>

#include "protocol/control.h"
#include "topology/assert.h"

namespace kith {

namespace {

using swarm::State;

constexpr std::string_view kHost = "node";
constexpr std::string_view kPort = ":7400";

// So far the clocks of two machines that follow each other are apart.
constexpr Duration kApart = std::chrono::hours(1);

// A bit flipped, cut short, or with bytes behind it, as the receiver decodes it. Damage that
// decodes counts as refused by the line (damage.h).
Status damage(const swarm::Packet& packet, Rng& rng) {
  std::string frame = control::encode_request(0, control::GossipRequest{packet});
  const uint64_t bit = rng.below(8 * frame.size());
  switch (rng.below(3)) {
    case 0: frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << (bit % 8))); break;
    case 1: frame.resize(bit / 8); break;
    default: frame.append(1 + rng.below(9), static_cast<char>(rng.below(256))); break;
  }
  uint64_t id = 0;
  control::Request request;
  const Status status =
      control::decode_request(std::as_bytes(std::span(frame.data(), frame.size())), id, request);
  return status.ok() ? Status(Reason::kMalformed) : status;
}

}  // namespace

// ---- clocks ----

Time SimulatedSwarm::Clock::at(Time now) const {
  const Duration passed = now - since;
  return shown + (skew == 1 ? passed : from_seconds(seconds(passed) / skew));
}

Time SimulatedSwarm::Clock::reaches(Time own) const {
  if (own - shown >= std::chrono::hours(24 * 365)) return Time::max();  // "never", too
  const Duration left = own - shown;
  if (skew == 1) return since + left;
  Time when = since + from_seconds(seconds(left) * skew);
  while (at(when) < own) ++when;
  return when;
}

void SimulatedSwarm::Clock::set_skew(Time now, double to) { *this = {now, at(now), to}; }

// ---- time ----

SimulatedSwarm::SimulatedSwarm(const SwarmSettings& settings)
    : settings_(settings),
      faults_(static_cast<uint32_t>(settings.distance.size())),
      lines_(faults_, static_cast<uint32_t>(settings.distance.size()), settings.seed),
      machines_(settings.distance.size()) {
  for (uint32_t i = 0; i < machines_.size(); ++i) {
    machines_[i].clock.shown = Time(i * kApart);
    start(NodeId{i});
  }
}

void SimulatedSwarm::run(Time until) {
  while (finding_.empty()) {
    const uint32_t next = next_to_tick();
    const Time tick_at = next < machines_.size() ? machines_[next].ticks : Time::max();
    const Time arrives_at = flying_.empty() ? Time::max() : flying_.begin()->first;
    if (std::min(tick_at, arrives_at) > until) break;
    now_ = std::max(now_, std::min(tick_at, arrives_at));
    ++events_;
    if (tick_at < arrives_at) {
      tick(NodeId{next});
    } else {
      swarm::Packet packet = std::move(flying_.extract(flying_.begin()).mapped());
      const NodeId to = node_of(packet.to);
      deliver(to, std::move(packet));
    }
  }
  now_ = std::max(now_, until);
}

// The number of machines where none will.
uint32_t SimulatedSwarm::next_to_tick() const {
  auto next = static_cast<uint32_t>(machines_.size());
  for (uint32_t i = 0; i < machines_.size(); ++i) {
    if (!runs(NodeId{i})) continue;
    if (next == machines_.size() || machines_[i].ticks < machines_[next].ticks) next = i;
  }
  return next;
}

// ---- faults ----

void SimulatedSwarm::go_wrong(const Fault& fault) {
  const bool was_down = faults_.down(fault.node);
  faults_.apply(fault);
  switch (fault.kind) {
    case Fault::Kind::kRestart:
      if (was_down) start(fault.node);
      break;
    case Fault::Kind::kGoBack:
      for (uint32_t i = 0; i < machines_.size(); ++i) start(NodeId{i});
      break;
    case Fault::Kind::kWake:
      if (!was_down) wake(fault.node);
      break;
    case Fault::Kind::kSkew:
      machines_[index_of(fault.node)].clock.set_skew(now_, fault.amount);
      if (!was_down) finish_step(fault.node);
      break;
    default: break;
  }
}

void SimulatedSwarm::start(NodeId node) {
  Machine& machine = machines_[index_of(node)];
  swarm::Rumour self;
  self.address = address_of(node);
  self.name = self.address.substr(0, self.address.size() - kPort.size());
  Rng seeds(settings_.seed, node, Purpose::kMembership, machine.lives++);
  machine.table =
      std::make_unique<swarm::Membership>("chaos", self, seeds.next(), settings_.policy);
  if (node != settings_.first_host) machine.table->add_first_host(address_of(settings_.first_host));
  machine.waiting.clear();
  machine.beliefs.assign(machines_.size(), {});
  tick(node);
}

// What has come meanwhile is read before anybody is called silent, as SwarmBody does it.
void SimulatedSwarm::wake(NodeId node) {
  for (const swarm::Packet& packet : std::exchange(machines_[index_of(node)].waiting, {})) {
    hear(node, packet);
  }
  tick(node);
}

// ---- steps ----

void SimulatedSwarm::deliver(NodeId to, swarm::Packet&& packet) {
  if (faults_.down(to)) return;
  if (faults_.asleep(to)) {
    machines_[index_of(to)].waiting.push_back(std::move(packet));
    return;
  }
  hear(to, packet);
}

void SimulatedSwarm::hear(NodeId node, const swarm::Packet& packet) {
  Machine& machine = machines_[index_of(node)];
  const Status status = machine.table->heard(packet, machine.clock.at(now_), out_);
  if (!status.ok())
    find(node, std::string("refuses an honest packet: ") + reason_name(status.reason()));
  finish_step(node);
}

void SimulatedSwarm::tick(NodeId node) {
  Machine& machine = machines_[index_of(node)];
  const Time own = machine.clock.at(now_);
  machine.table->tick(own, out_);
  if (machine.table->due() <= own) find(node, "wants to be woken at once, again and again");
  finish_step(node);
}

void SimulatedSwarm::finish_step(NodeId node) {
  Machine& machine = machines_[index_of(node)];
  for (const swarm::Rumour& rumour : machine.table->take_changes()) learn(node, rumour);
  machine.ticks = machine.clock.reaches(machine.table->due());
  for (swarm::Packet& packet : out_) post(node, std::move(packet));
  out_.clear();
}

void SimulatedSwarm::post(NodeId from, swarm::Packet&& packet) {
  const NodeId to = node_of(packet.to);
  const Time at = now_ + settings_.distance[index_of(from)] + settings_.distance[index_of(to)];
  const FaultyLines::Passage passage =
      lines_.pass(from, to, at, [&](Rng& rng) { return damage(packet, rng); });
  if (passage.again) flying_.emplace(*passage.again, packet);
  if (passage.arrives) flying_.emplace(*passage.arrives, std::move(packet));
}

// ---- what must hold ----

void SimulatedSwarm::learn(NodeId observer, const swarm::Rumour& rumour) {
  const NodeId subject = node_of(rumour.address);
  Belief& belief = machines_[index_of(observer)].beliefs[index_of(subject)];
  if (belief.any && rumour.incarnation < belief.incarnation) {
    find(observer, "goes back to an older incarnation of " + rumour.address);
  }
  if (belief.any && belief.state != State::kAlive && rumour.state == State::kAlive &&
      rumour.incarnation == belief.incarnation) {
    find(observer, "brings " + rumour.address + " back to life, which has refuted nothing");
  }
  belief = {true, rumour.state, rumour.incarnation};
  changes_.push_back({now_, observer, subject, rumour.state, rumour.incarnation});
}

void SimulatedSwarm::find(NodeId node, const std::string& what) {
  if (!finding_.empty()) return;
  finding_ = "at " + std::to_string(seconds(now_)) + " s " + address_of(node) + " " + what;
}

std::optional<std::string> SimulatedSwarm::disagreement() const {
  for (uint32_t i = 0; i < machines_.size(); ++i) {
    if (faults_.down(NodeId{i})) continue;
    for (uint32_t j = 0; j < machines_.size(); ++j) {
      const Belief& belief = machines_[i].beliefs[j];
      const bool up = !faults_.down(NodeId{j});
      const bool right = up ? belief.any && belief.state == State::kAlive
                            : !belief.any || belief.state == State::kDead;
      if (i == j || right) continue;
      return address_of(NodeId{i}) + " takes " + address_of(NodeId{j}) + " for " +
             (belief.any ? swarm::state_name(belief.state) : "nobody");
    }
  }
  return std::nullopt;
}

// ---- names ----

std::string SimulatedSwarm::address_of(NodeId node) const {
  return std::string(kHost) + std::to_string(index_of(node)) + std::string(kPort);
}

NodeId SimulatedSwarm::node_of(const std::string& address) const {
  uint32_t index = 0;
  const char* digits = address.data() + kHost.size();
  std::from_chars(digits, address.data() + address.size(), index);
  KITH_ASSERT(index < machines_.size());
  return NodeId{index};
}

}  // namespace kith
