// Answers libzmq's question about every CURVE handshake, whether this key may come in (ZAP, RFC
// 27). libzmq asks over a socket inside the process that must stand before the first bind.
#pragma once

#include <functional>
#include <memory>

#include "daemon/real/origin.h"
#include "daemon/trust/members.h"

namespace zmq {
class context_t;
class message_t;
}  // namespace zmq

namespace kith {

// What libzmq is told to ask for; a socket with another domain is answered with a refusal.
inline constexpr const char* kZapDomain = "kith";

class ZapServer {
 public:
  // `refused` hears of each key that is turned away. `members` outlives it.
  ZapServer(zmq::context_t& context, const Members& members,
            std::function<void(const Origin&)> refused);
  ~ZapServer();

  // Edge-triggered: after every readiness, drain until it returns false.
  int fd() const;
  bool drain();

  // Whose key a frame came with; null where the connection proved none.
  const Member* sender_of(const zmq::message_t& frame) const;

 private:
  struct Socket;
  bool answer_one();

  const Members& members_;
  std::function<void(const Origin&)> refused_;
  std::unique_ptr<Socket> socket_;
};

}  // namespace kith
