#include "protocol/membership.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "protocol/limits.h"
#include "topology/assert.h"

namespace kith::swarm {

namespace {

constexpr Time kNever = Time::max();

// Refuted rumours raise it by one each, so that nothing honest ever comes near.
constexpr uint64_t kIncarnations = uint64_t{1} << 48;

// Pings that are under way for others.
constexpr size_t kRelayed = 64;

// Those that hear a farewell from the one who leaves.
constexpr size_t kFarewells = 8;

// How bad the news is, among rumours of one incarnation.
int rank(State state) {
  switch (state) {
    case State::kAlive: return 0;
    case State::kSuspect: return 1;
    case State::kDead:
    case State::kLeft: break;
  }
  return 2;
}

bool gone(State state) { return rank(state) == 2; }

// It is shown to people as it is.
bool is_text(const std::string& text) {
  return text.size() <= limits::kSwarmText &&
         std::ranges::all_of(text, [](char c) { return c >= ' ' && c != '\x7f'; });
}

bool is_good(const Rumour& rumour) {
  return !rumour.address.empty() && is_text(rumour.address) && is_text(rumour.name) &&
         is_text(rumour.version) && is_text(rumour.key) && rumour.incarnation < kIncarnations;
}

bool same_profile(const Rumour& a, const Rumour& b) {
  return a.name == b.name && a.version == b.version && a.key == b.key;
}

Duration apart(Duration a, Duration b) { return a > b ? a - b : b - a; }

}  // namespace

const char* state_name(State state) {
  constexpr const char* kNames[] = {"alive", "suspect", "dead", "left"};
  return kNames[static_cast<size_t>(state)];
}

Membership::Membership(std::string swarm, Rumour self, uint64_t seed, Policy policy)
    : swarm_(std::move(swarm)),
      self_(std::move(self)),
      policy_(policy),
      rng_(seed, NodeId{0}, Purpose::kMembership) {}

void Membership::add_first_host(const std::string& address) {
  if (address != self_.address) first_hosts_.push_back({address, {}});
}

void Membership::hint(const std::string& address) {
  if (hints_.size() >= limits::kAcquaintances || std::ranges::count(hints_, address) > 0) return;
  hints_.push_back(address);
}

// ---- time ----

Time Membership::due() const {
  if (left_ || (others_.empty() && first_hosts_.empty() && hints_.empty())) return kNever;
  Time due = next_period_;
  for (const Probe& probe : probes_) {
    if (!probe.over) due = std::min(due, probe.relayed ? probe.judged : probe.relays);
  }
  for (const auto& [address, entry] : others_) {
    if (entry.member.rumour.state == State::kSuspect) due = std::min(due, entry.dies);
  }
  return due;
}

// What was due while this process did not run is no fault of the others.
void Membership::forgive_absence(Time now) {
  const Time wanted = due();
  if (wanted == kNever || now - wanted < policy_.period) return;
  const Duration late = now - wanted;
  next_period_ += late;
  for (Probe& probe : probes_) {
    probe.asked += late;
    probe.relays += late;
    probe.judged += late;
  }
  for (Relayed& relayed : relayed_) relayed.until += late;
  for (auto& [address, entry] : others_) entry.dies += late;
}

void Membership::tick(Time now, std::vector<Packet>& out) {
  forgive_absence(now);
  if (left_ || self_.address.empty()) {
    next_period_ = std::max(next_period_, now + policy_.period);
    return;
  }
  for (const std::string& hint : std::exchange(hints_, {})) sync(hint, out);
  for (Probe& probe : probes_) {
    if (probe.over) continue;
    if (!probe.relayed && now >= probe.relays) ask_helpers(probe, out);
    if (probe.relayed && now >= probe.judged) judge(probe, now);
  }
  std::erase_if(probes_,
                [&](const Probe& p) { return p.over && now - p.asked > 2 * policy_.ceiling; });
  std::erase_if(relayed_, [&](const Relayed& r) { return now >= r.until; });
  bury(now);
  if (now >= next_period_) {
    begin_period(now, out);
    next_period_ = now + policy_.period;
  }
}

void Membership::begin_period(Time now, std::vector<Packet>& out) {
  ++periods_;
  probe_next(now, out);
  for (auto& [address, entry] : others_) {
    if (entry.mine && entry.member.rumour.state == State::kSuspect) probe(address, now, out);
  }
  const std::vector<std::string> one = draw(1, {});
  if (!one.empty() && periods_ % policy_.sync_every == 0) sync(one[0], out);
  if (one.empty() || periods_ % policy_.look_back_every == 0) look_back(out);
}

void Membership::bury(Time now) {
  std::erase_if(others_, [&](const auto& item) {
    const Member& member = item.second.member;
    return gone(member.rumour.state) && now - member.since >= policy_.forget;
  });
  for (auto& [address, entry] : others_) {
    if (entry.member.rumour.state != State::kSuspect || now < entry.dies) continue;
    Rumour rumour = entry.member.rumour;
    rumour.state = State::kDead;
    set(entry, rumour, now);
  }
}

// ---- probing ----

void Membership::probe_next(Time now, std::vector<Packet>& out) {
  const auto wanted = [this](const std::string& address) {
    const auto found = others_.find(address);
    return found != others_.end() && !gone(found->second.member.rumour.state);
  };
  std::erase_if(order_, [&](const std::string& address) { return !wanted(address); });
  if (order_.empty()) order_ = draw(others_.size(), {});
  if (order_.empty()) return;
  const std::string subject = order_.back();
  order_.pop_back();
  probe(subject, now, out);
}

void Membership::probe(const std::string& subject, Time now, std::vector<Packet>& out) {
  Packet ping = addressed(Packet::Kind::kPing, subject);
  ping.sequence = ++sequence_;
  add_rumours(ping);
  out.push_back(std::move(ping));
  const Time relays = now + patience(subject);
  probes_.push_back({subject, sequence_, now, relays, relays});
}

void Membership::ask_helpers(Probe& probe, std::vector<Packet>& out) {
  probe.relayed = true;
  Duration wait{};
  for (const std::string& helper : draw(policy_.helpers, probe.subject)) {
    Packet relay = addressed(Packet::Kind::kRelay, helper);
    relay.subject = probe.subject;
    relay.sequence = probe.sequence;
    add_rumours(relay);
    out.push_back(std::move(relay));
    wait = std::max(wait, patience(helper) + patience(probe.subject));
  }
  probe.judged = probe.relays + wait;
}

void Membership::judge(Probe& probe, Time now) {
  probe.over = true;
  const auto found = others_.find(probe.subject);
  if (found == others_.end() || gone(found->second.member.rumour.state)) return;
  Entry& entry = found->second;
  if (entry.member.rumour.state == State::kAlive) {
    Rumour rumour = entry.member.rumour;
    rumour.state = State::kSuspect;
    set(entry, rumour, now);
  }
  entry.mine = true;
}

// One of those who are not there, in turn.
void Membership::look_back(std::vector<Packet>& out) {
  const auto alive = [this](const std::string& address) {
    const auto found = others_.find(address);
    return address == self_.address ||
           (found != others_.end() && !gone(found->second.member.rumour.state));
  };
  std::vector<std::string> absent;
  for (const auto& [address, entry] : others_) {
    if (gone(entry.member.rumour.state)) absent.push_back(address);
  }
  for (const FirstHost& host : first_hosts_) {
    if (!alive(host.asked) && !alive(host.answered)) absent.push_back(host.asked);
  }
  if (!absent.empty()) sync(absent[looked_back_++ % absent.size()], out);
}

Duration Membership::patience(const std::string& address) const {
  const auto found = others_.find(address);
  if (found == others_.end() || !found->second.edge.known) return policy_.initial;
  const Edge& edge = found->second.edge;
  return std::clamp(edge.mean + 4 * edge.deviation, policy_.floor, policy_.ceiling);
}

Duration Membership::suspicion(const std::string& address) const {
  return 2 * (rounds_of_log() * policy_.period + patience(address));
}

// ---- what comes in ----

Status Membership::heard(const Packet& packet, Time now, std::vector<Packet>& out) {
  forgive_absence(now);
  if (packet.rumours.size() > limits::kSwarm + 1) return Reason::kOversized;
  if (packet.from.empty() || !is_text(packet.from) || !is_text(packet.to) ||
      !is_text(packet.subject) || !std::ranges::all_of(packet.rumours, is_good)) {
    return Reason::kMalformed;
  }
  if (packet.swarm != swarm_) return Reason::kWrongJob;
  if (left_) return {};
  if (packet.from == self_.address) {  // it is a first host itself, by that name
    take_host(packet);
    return {};
  }
  for (const Rumour& rumour : packet.rumours) learn(rumour, now);
  answer(packet, now, out);
  return {};
}

void Membership::answer(const Packet& packet, Time now, std::vector<Packet>& out) {
  switch (packet.kind) {
    case Packet::Kind::kPing: {
      Packet ack = addressed(Packet::Kind::kAck, packet.from);
      ack.subject = self_.address;
      ack.sequence = packet.sequence;
      add_rumours(ack);
      out.push_back(std::move(ack));
      break;
    }
    case Packet::Kind::kAck: take_ack(packet, now, out); break;
    case Packet::Kind::kRelay: relay(packet, now, out); break;
    case Packet::Kind::kSync: {
      Packet all = addressed(Packet::Kind::kSyncAnswer, packet.from);
      all.subject = packet.to;
      add_all(all);
      out.push_back(std::move(all));
      break;
    }
    case Packet::Kind::kSyncAnswer: take_host(packet); break;
  }
}

void Membership::relay(const Packet& packet, Time now, std::vector<Packet>& out) {
  if (relayed_.size() >= kRelayed || !others_.contains(packet.subject)) return;
  Packet ping = addressed(Packet::Kind::kPing, packet.subject);
  ping.sequence = ++sequence_;
  add_rumours(ping);
  out.push_back(std::move(ping));
  relayed_.push_back(
      {packet.from, packet.sequence, packet.subject, sequence_, now + 2 * policy_.ceiling});
}

void Membership::take_ack(const Packet& packet, Time now, std::vector<Packet>& out) {
  const auto probe = std::ranges::find(probes_, packet.sequence, &Probe::sequence);
  if (probe != probes_.end() && probe->subject == packet.subject) {
    probe->over = true;
    const auto found = others_.find(packet.from);
    if (packet.from != probe->subject || found == others_.end()) return;
    Edge& edge = found->second.edge;
    const Duration took = now - probe->asked;
    edge.deviation =
        edge.known ? edge.deviation + (apart(took, edge.mean) - edge.deviation) / 4 : took / 2;
    edge.mean = edge.known ? edge.mean + (took - edge.mean) / 8 : took;
    edge.known = true;
    return;
  }
  const auto relayed = std::ranges::find(relayed_, packet.sequence, &Relayed::sequence);
  if (relayed == relayed_.end() || relayed->subject != packet.from) return;
  Packet ack = addressed(Packet::Kind::kAck, relayed->asker);
  ack.subject = relayed->subject;
  ack.sequence = relayed->asked;
  add_rumours(ack);
  out.push_back(std::move(ack));
  relayed_.erase(relayed);
}

void Membership::take_host(const Packet& packet) {
  const std::string& asked = packet.from == self_.address ? packet.to : packet.subject;
  for (FirstHost& host : first_hosts_) {
    if (host.asked == asked) host.answered = packet.from;
  }
}

// ---- rumours ----

void Membership::learn(const Rumour& rumour, Time now) {
  if (rumour.address == self_.address) return learn_of_self(rumour);
  const auto found = others_.find(rumour.address);
  if (found == others_.end()) {
    // Of the dead nobody needs to hear who did not know them: they would never be forgotten.
    if (rumour.state != State::kAlive || others_.size() >= limits::kSwarm) return;
    Entry& entry = others_[rumour.address];
    set(entry, rumour, now);
    const size_t place = rng_.below(order_.size() + 1);
    order_.insert(order_.begin() + static_cast<ptrdiff_t>(place), rumour.address);
    return;
  }
  const Rumour& known = found->second.member.rumour;
  const bool newer =
      rumour.incarnation > known.incarnation ||
      (rumour.incarnation == known.incarnation && rank(rumour.state) > rank(known.state));
  if (newer) set(found->second, rumour, now);
}

// What is not true, or of an earlier process at this address, is refuted.
void Membership::learn_of_self(const Rumour& rumour) {
  if (rumour.incarnation < self_.incarnation) return;
  const bool mine = rumour.incarnation == self_.incarnation && rumour.state == State::kAlive &&
                    same_profile(rumour, self_);
  // A liar may have gone to the end already; what this daemon says must remain good all the same.
  if (!mine) self_.incarnation = std::min(rumour.incarnation + 1, kIncarnations - 1);
}

void Membership::set(Entry& entry, const Rumour& rumour, Time now) {
  const bool fresh = entry.member.rumour.address.empty();
  const bool changed = fresh || entry.member.rumour.state != rumour.state;
  entry.member.rumour = rumour;
  entry.mine = false;
  if (changed) {
    entry.member.since = now;
    changes_.push_back(rumour);
  }
  if (rumour.state == State::kSuspect) entry.dies = now + suspicion(rumour.address);
  spread(rumour.address);
}

void Membership::spread(const std::string& address) { spreading_[address] = 3 * rounds_of_log(); }

Packet Membership::addressed(Packet::Kind kind, const std::string& to) const {
  Packet packet;
  packet.kind = kind;
  packet.swarm = swarm_;
  packet.from = self_.address;
  packet.to = to;
  packet.rumours.push_back(self_);
  return packet;
}

// What was told least often first; and always what the receiver ought to refute.
void Membership::add_rumours(Packet& packet) {
  const auto receiver = others_.find(packet.to);
  if (receiver != others_.end() && receiver->second.member.rumour.state != State::kAlive) {
    packet.rumours.push_back(receiver->second.member.rumour);
  }
  std::erase_if(spreading_, [this](const auto& item) {
    return item.second == 0 || !others_.contains(item.first);
  });
  std::vector<std::pair<uint32_t, std::string>> left;
  for (const auto& [address, times] : spreading_) {
    if (address != packet.to) left.emplace_back(times, address);
  }
  const size_t count = std::min<size_t>(policy_.rumours, left.size());
  std::ranges::partial_sort(left, left.begin() + static_cast<ptrdiff_t>(count), std::greater<>());
  for (size_t i = 0; i < count; ++i) {
    --spreading_[left[i].second];
    packet.rumours.push_back(others_.find(left[i].second)->second.member.rumour);
  }
}

void Membership::add_all(Packet& packet) const {
  for (const auto& [address, entry] : others_) packet.rumours.push_back(entry.member.rumour);
}

void Membership::sync(const std::string& to, std::vector<Packet>& out) {
  Packet all = addressed(Packet::Kind::kSync, to);
  add_all(all);
  out.push_back(std::move(all));
}

// So many of the living at most, in an order of their own each time.
std::vector<std::string> Membership::draw(size_t count, std::string_view without) {
  std::vector<std::string> living;
  for (const auto& [address, entry] : others_) {
    if (!gone(entry.member.rumour.state) && address != without) living.push_back(address);
  }
  count = std::min(count, living.size());
  for (size_t i = 0; i < count; ++i) {
    std::swap(living[i], living[i + rng_.below(living.size() - i)]);
  }
  living.resize(count);
  return living;
}

uint32_t Membership::rounds_of_log() const {
  return static_cast<uint32_t>(std::bit_width(others_.size() + 1));
}

// ---- for the body ----

void Membership::leave(std::vector<Packet>& out) {
  self_.state = State::kLeft;
  if (!self_.address.empty()) {
    for (const std::string& address : draw(kFarewells, {})) {
      Packet farewell = addressed(Packet::Kind::kAck, address);
      farewell.subject = self_.address;
      out.push_back(std::move(farewell));
    }
  }
  left_ = true;
}

std::vector<Member> Membership::others() const {
  std::vector<Member> members;
  for (const auto& [address, entry] : others_) members.push_back(entry.member);
  return members;
}

std::vector<Rumour> Membership::take_changes() { return std::exchange(changes_, {}); }

}  // namespace kith::swarm
