#include "daemon/real/swarm_body.h"

#include <algorithm>
#include <random>

#include "daemon/real/address.h"
#include "daemon/real/daemon.h"
#include "protocol/limits.h"
#include "topology/error.h"

namespace kith {

namespace {

constexpr Time kNever = Time::max();

// Addresses that are worth a look.
constexpr double kHintsPerSecond = 8;

// Only decides whom this process asks first; no result depends on it.
uint64_t fresh_seed() {
  std::random_device source;
  return uint64_t{source()} << 32 | source();
}

bool is_wildcard(const Address& address) {
  return address.host == "*" || address.host == "0.0.0.0";
}

// As the others reach this daemon; empty where that shows only when it speaks to one of them.
std::string own_address(const SwarmOptions& options, const Identity* identity,
                        const Address& listen) {
  if (!options.advertise.empty()) return options.advertise;
  if (identity != nullptr && !identity->self->address.empty()) return identity->self->address;
  return is_wildcard(listen) ? "" : listen.text();
}

swarm::Rumour self_of(const SwarmOptions& options, const Identity* identity,
                      const Address& listen) {
  swarm::Rumour self;
  self.address = own_address(options, identity, listen);
  self.name = options.name;
  self.version = daemon_version();
  if (identity != nullptr) self.key = identity->keys.open.text();
  return self;
}

void check_reach(const Address& listen, const std::string& first) {
  const std::string host = parse_address(first).host;
  if (!listen.host.starts_with("127.") || !is_dotted(host) || is_local(host)) return;
  throw OperatorError("--join names " + first + ", but nobody beyond this machine could reach " +
                      listen.text() +
                      ": --listen must name an address of the network, or 0.0.0.0.");
}

}  // namespace

SwarmBody::SwarmBody(Loop& loop, Workers& workers, ZmqTransport& transport, Log& log,
                     const SwarmOptions& options, std::shared_ptr<const Identity> identity,
                     Loop::Task drain)
    : loop_(loop),
      workers_(workers),
      transport_(transport),
      log_(log),
      identity_(std::move(identity)),
      first_(options.first),
      drain_(std::move(drain)),
      membership_(options.swarm, self_of(options, identity_.get(), transport.listen()),
                  fresh_seed()),
      hints_(kHintsPerSecond, kHintsPerSecond),
      timer_(loop.timer([this] { tick(); })) {
  if (!options.advertise.empty()) parse_address(options.advertise);
  for (const std::string& first : options.first) {
    check_reach(transport.listen(), first);
    if (identity_ && identity_->members.at(first) == nullptr) {
      throw OperatorError("--join names " + first + ", but '" + identity_->members.path() +
                          "' lists no peer there: write the address as it stands in the list.");
    }
    membership_.add_first_host(first);
    endpoint_of(first);
  }
  timer_->arm(Duration::zero());
}

// ---- time ----

void SwarmBody::tick() {
  drain_();
  if (address().empty()) {
    for (const std::string& first : first_) endpoint_of(first);
  }
  std::vector<swarm::Packet> packets;
  membership_.tick(Time(loop_.now()), packets);
  carry_out(packets);
}

void SwarmBody::carry_out(std::vector<swarm::Packet>& packets) {
  for (const swarm::Packet& packet : packets) send(packet);
  log_changes();
  const Time due = membership_.due();
  if (due == kNever) {
    timer_->disarm();
  } else {
    timer_->arm(std::max(due - Time(loop_.now()), Duration::zero()));
  }
}

void SwarmBody::hint(const std::string& address) {
  if (address == this->address() || membership_.knows(address)) return;
  // Without keys no name server is asked for what anybody says.
  if (identity_ ? identity_->members.at(address) == nullptr
                : !is_dotted(parse_address(address).host)) {
    return;
  }
  if (!hints_.take("", loop_.now())) return;
  membership_.hint(address);
  std::vector<swarm::Packet> none;
  endpoint_of(address);
  carry_out(none);
}

void SwarmBody::leave() {
  std::vector<swarm::Packet> packets;
  membership_.leave(packets);
  carry_out(packets);
}

// ---- packets ----

void SwarmBody::send(const swarm::Packet& packet) {
  if (const PeerEndpoint* to = endpoint_of(packet.to)) {
    transport_.tell(*to, control::encode_request(0, control::GossipRequest{packet}));
  }
}

Status SwarmBody::check_sender(const swarm::Packet& packet, const Origin& origin) const {
  if (!identity_) return {};
  if (origin.member == nullptr || origin.member->role != Role::kPeer) return Reason::kForbidden;
  const Member* named = identity_->members.at(packet.from);
  return named != nullptr && named->key == origin.member->key ? Status() : Reason::kImpostor;
}

Status SwarmBody::heard(const swarm::Packet& packet, const Origin& origin) {
  if (const Status status = check_sender(packet, origin); !status.ok()) return status;
  if (address().empty()) adopt_address(packet.to);
  std::vector<swarm::Packet> answers;
  swarm::Packet listed = packet;
  if (identity_) {  // who is on no list could not even be connected to
    std::erase_if(listed.rumours, [this](const swarm::Rumour& rumour) {
      return identity_->members.at(rumour.address) == nullptr;
    });
  }
  const Status status = membership_.heard(listed, Time(loop_.now()), answers);
  carry_out(answers);
  return status;
}

void SwarmBody::log_changes() {
  for (const swarm::Rumour& rumour : membership_.take_changes()) {
    const std::string event = std::string("member_") + state_name(rumour.state);
    if (rumour.state != swarm::State::kAlive) hosts_.erase(rumour.address);  // it may move
    log_.info(event, {{"address", rumour.address},
                      {"name", rumour.name},
                      {"incarnation", std::to_string(rumour.incarnation)}});
  }
}

// ---- addresses ----

// Null where it is no address, or one that is being looked up: what is sent to it now is lost, and
// comes again in another period.
const PeerEndpoint* SwarmBody::endpoint_of(const std::string& address) {
  const auto [found, fresh] = hosts_.try_emplace(address);
  if (found->second.endpoint) return &*found->second.endpoint;
  if (!fresh) return nullptr;
  if (hosts_.size() > 2 * limits::kSwarm) {
    std::erase_if(hosts_, [&](const auto& host) {
      return host.first != address && !membership_.knows(host.first);
    });
  }
  look_up(address);
  const auto again = hosts_.find(address);
  return again != hosts_.end() && again->second.endpoint ? &*again->second.endpoint : nullptr;
}

void SwarmBody::look_up(const std::string& address) {
  std::string host;
  try {
    host = parse_address(address).host;
  } catch (const OperatorError&) {
    hosts_.erase(address);
    return;
  }
  if (is_dotted(host)) return looked_up(address, host);
  workers_.submit([this, address, host](Workspace&) {
    std::string dotted;
    try {
      dotted = resolve(host);
    } catch (const OperatorError&) {  // not now; it is tried again when it is next wanted
    }
    loop_.post([this, address, dotted] { looked_up(address, dotted); });
  });
}

void SwarmBody::looked_up(const std::string& address, const std::string& dotted) {
  if (dotted.empty()) {
    hosts_.erase(address);
    return;
  }
  PeerEndpoint endpoint;
  endpoint.text = address;
  endpoint.dotted = dotted;
  endpoint.port = parse_address(address).port;
  endpoint.local = is_local(dotted);
  if (identity_) {
    const Member* member = identity_->members.at(address);
    if (member == nullptr) return;
    endpoint.key = member->key;
  }
  hosts_[address].endpoint = std::move(endpoint);
  if (this->address().empty()) find_own_address(dotted);
}

// Of the interface on which the other is reached.
void SwarmBody::find_own_address(const std::string& dotted) {
  const std::string own = address_towards(dotted);
  if (own.empty()) return;
  membership_.set_address(Address{own, transport_.listen().port}.text());
  log_.info("address", {{"own", address()}});
}

// What another calls this daemon, where that can be true.
void SwarmBody::adopt_address(const std::string& text) {
  try {
    const Address called = parse_address(text);
    if (called.port != transport_.listen().port || !is_dotted(called.host)) return;
    if (!is_local(called.host)) return;
    membership_.set_address(text);
    log_.info("address", {{"own", text}});
  } catch (const OperatorError&) {  // it is none
  }
}

control::NodesReply SwarmBody::describe() const {
  const Time now(loop_.now());
  control::NodesReply reply;
  reply.swarm = membership_.swarm();
  const auto add = [&](const swarm::Rumour& r, Time since) {
    reply.nodes.push_back(
        {r.address, r.state, seconds(now - since), r.incarnation, r.name, r.version, r.key});
  };
  add(membership_.self(), Time{});
  if (reply.nodes.front().address.empty()) {
    reply.nodes.front().address = transport_.listen().text();
  }
  for (const swarm::Member& member : membership_.others()) add(member.rumour, member.since);
  return reply;
}

}  // namespace kith
