// Daemons of one network find each other by multicast, where the operator wants that (--beacon).
//
// A beacon is one datagram, "kith-beacon 1 SWARM HOST:PORT\n", every two seconds on each interface,
// and goes no further than the network that this is in (TTL 1). Nothing of it is secret, and
// nothing of it is believed: an address that is heard is contacted as any other, with keys where
// there are any.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "daemon/real/address.h"
#include "daemon/real/log.h"
#include "daemon/real/loop.h"

namespace kith {

struct BeaconText {
  std::string swarm;
  std::string address;  // HOST:PORT
};
std::string beacon_text(const BeaconText& beacon);
// Untrusted; nothing where it is no beacon.
std::optional<BeaconText> parse_beacon(std::string_view datagram);

class Beacon {
 public:
  using Found = std::function<void(const std::string& address)>;
  // As the others reach this daemon; empty = each interface's own address.
  using Own = std::function<std::string()>;

  // Loop and log outlive it. Throws OperatorError where the port of beacons cannot be had.
  Beacon(Loop& loop, Log& log, std::string swarm, const Address& listen, Own own, Found found);
  ~Beacon();
  Beacon(const Beacon&) = delete;
  Beacon& operator=(const Beacon&) = delete;

 private:
  void light();
  void send_on(const std::string& interface, const std::string& address);
  void drain();
  bool speaks_on(const std::string& interface) const;

  Loop& loop_;
  Log& log_;
  std::string swarm_;
  Address listen_;
  Own own_;
  Found found_;
  int fd_;
  std::set<std::string> joined_;  // addresses of interfaces
  std::unique_ptr<Loop::Timer> timer_;
  std::unique_ptr<Loop::Watch> watch_;
};

}  // namespace kith
