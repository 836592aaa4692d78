// One client's line to one daemon: requests out, answers back, never waiting for ever.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/trust/identity.h"
#include "protocol/control.h"

namespace kith {

using Deadline = std::chrono::steady_clock::time_point;

// What all connections of a process share.
class Network {
 public:
  // `identity`: null where the daemons ask for no keys. With one a daemon must prove the key that
  // the members file gives for its address, and everything is encrypted.
  explicit Network(std::shared_ptr<const Identity> identity = nullptr);
  ~Network();

 private:
  friend class Connection;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct Answer {
  control::Reply reply;
  std::vector<float> parameters;  // of a SnapshotReply or ModelReply
};

class Connection {
 public:
  // `endpoint` is "HOST:PORT". Throws OperatorError where that is no address, or one without a key
  // among keys. `network` outlives it.
  Connection(Network& network, std::string endpoint);
  ~Connection();
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;

  const std::string& endpoint() const { return endpoint_; }

  // Never blocks. The answer to an earlier request is then passed over.
  void send(const control::Request& request);

  // The answer to the last request, or nothing by the deadline. Throws OperatorError where the
  // daemon turns the connection away because of its key.
  std::optional<Answer> receive(Deadline deadline);

  // Both. Throws RunFailed with a sentence that names the endpoint when there is no answer in time,
  // and OperatorError with the daemon's own sentence when it refuses.
  Answer ask(const control::Request& request, std::chrono::milliseconds patience);

 private:
  struct Socket;
  [[noreturn]] void tell_silence(std::chrono::milliseconds patience) const;

  std::string endpoint_;
  std::unique_ptr<Socket> socket_;
  uint64_t last_id_ = 0;
};

// How long a person waits for a daemon that should answer at once.
inline constexpr std::chrono::milliseconds kPatience{3000};

}  // namespace kith
