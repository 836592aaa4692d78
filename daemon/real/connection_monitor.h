// Connections that never become one: libzmq closes them by itself and only tells it here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "daemon/real/origin.h"
#include "daemon/real/rate_limit.h"
#include "protocol/status.h"

namespace zmq {
class context_t;
class socket_t;
}  // namespace zmq

namespace kith {

class ConnectionMonitor {
 public:
  // `refused` hears of each connection to `socket` that failed before a frame came through, which
  // it is told as `without_handshake`, and of those beyond limits.h, which are closed. Keys that
  // are not on the list are the ZapServer's to tell.
  ConnectionMonitor(zmq::context_t& context, zmq::socket_t& socket, Reason without_handshake,
                    std::function<void(Reason, const Origin&)> refused);
  ~ConnectionMonitor();

  // Edge-triggered: after every readiness, drain until it returns false.
  int fd() const;
  bool drain();

 private:
  struct Socket;
  // On a clock of its own: only differences count.
  static Duration now();
  struct Connection {
    std::string address;  // as in Origin
    bool shut = false;    // by us
  };
  bool read_one();
  void opened(int fd);
  void closed(int fd);

  const Reason without_handshake_;
  std::function<void(Reason, const Origin&)> refused_;
  std::unique_ptr<Socket> socket_;
  size_t most_;  // connections
  RateLimit opening_;
  std::map<int, Connection> open_;      // by descriptor
  std::map<std::string, size_t> held_;  // connections of each address
  // A connection failed, and the event that follows says which descriptor it was.
  bool failing_ = false;
};

}  // namespace kith
