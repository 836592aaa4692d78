// The real body of a swarm::Membership: packets over the daemon's port, time, names of hosts.
//
// A daemon that was not told where another is says nothing until one speaks to it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/learn/workers.h"
#include "daemon/real/log.h"
#include "daemon/real/loop.h"
#include "daemon/real/rate_limit.h"
#include "daemon/real/zmq_transport.h"
#include "protocol/control.h"
#include "protocol/membership.h"

namespace kith {

struct SwarmOptions {
  std::string swarm = "kith";      // its name
  std::string name;                // of this machine, for people
  std::string advertise;           // HOST:PORT as the others reach this daemon; empty = found out
  std::vector<std::string> first;  // HOST:PORT of others that may be there
  bool beacon = false;             // find others by multicast, and be found
};

class SwarmBody {
 public:
  // All outlive this object. `drain` hands over what has come: a ping must not be called unanswered
  // whose ack lies unread. Throws OperatorError where the others could not reach `listen`.
  SwarmBody(Loop& loop, Workers& workers, ZmqTransport& transport, Log& log,
            const SwarmOptions& options, std::shared_ptr<const Identity> identity,
            Loop::Task drain);

  // kForbidden, kImpostor: with keys, from a peer's key and the address listed for it alone.
  Status heard(const swarm::Packet& packet, const Origin& origin);

  // Another may be at this address, untrusted: it is contacted, and believed once it answers.
  void hint(const std::string& address);

  const std::string& address() const { return membership_.self().address; }
  control::NodesReply describe() const;

  // Farewells.
  void leave();

 private:
  struct Host {
    std::optional<PeerEndpoint> endpoint;  // absent while it is looked up
  };

  void tick();
  void carry_out(std::vector<swarm::Packet>& packets);
  void send(const swarm::Packet& packet);
  const PeerEndpoint* endpoint_of(const std::string& address);
  void look_up(const std::string& address);
  void looked_up(const std::string& address, const std::string& dotted);
  Status check_sender(const swarm::Packet& packet, const Origin& origin) const;
  void find_own_address(const std::string& dotted);
  void adopt_address(const std::string& address);
  void log_changes();

  Loop& loop_;
  Workers& workers_;
  ZmqTransport& transport_;
  Log& log_;
  std::shared_ptr<const Identity> identity_;
  std::vector<std::string> first_;
  Loop::Task drain_;
  swarm::Membership membership_;
  std::map<std::string, Host> hosts_;
  RateLimit hints_;
  std::unique_ptr<Loop::Timer> timer_;
};

}  // namespace kith
