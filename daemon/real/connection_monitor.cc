#include "daemon/real/connection_monitor.h"

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>
#include <zmq.hpp>

#include "protocol/limits.h"

namespace kith {

namespace {

constexpr const char* kEndpoint = "inproc://kith.connections";
constexpr int kEventsPerDrain = 256;
// Events that wait for a loop that is busy. libzmq's I/O thread blocks where there is no room, so
// it is enough for a thousand connections a second over twenty seconds.
constexpr int kWaitingEvents = 1 << 16;
constexpr int kEvents = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
                        ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;

// As libzmq lays it out: number and value in the first frame, what was connected to in the second.
struct SocketEvent {
  uint16_t event = 0;
  uint32_t value = 0;
  bool tcp = false;
};
constexpr size_t kEventBytes = 6;

// Empty where the connection is over already, or no TCP.
std::string peer_address(int fd) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return {};
  if (peer.ss_family != AF_INET) return {};
  char text[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&peer)->sin_addr, text, sizeof text);
  return text;
}

// At most half of the descriptors that this process may have, so that it always has some for
// itself.
size_t most_connections() {
  rlimit descriptors{};
  if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return limits::kConnections;
  return std::min<size_t>(limits::kConnections, descriptors.rlim_cur / 2);
}

}  // namespace

struct ConnectionMonitor::Socket {
  Socket(zmq::context_t& context, zmq::socket_t& watched)
      : pair(context, zmq::socket_type::pair), source(watched) {
    pair.set(zmq::sockopt::linger, 0);
    pair.set(zmq::sockopt::rcvhwm, kWaitingEvents);
    if (zmq_socket_monitor(source.handle(), kEndpoint, kEvents) != 0) throw zmq::error_t();
    pair.connect(kEndpoint);
  }
  ~Socket() { zmq_socket_monitor(source.handle(), nullptr, 0); }

  bool read(SocketEvent& event) {
    zmq::message_t frame;
    if (!pair.recv(frame, zmq::recv_flags::dontwait)) return false;
    event = {};
    if (frame.size() == kEventBytes) {
      std::memcpy(&event.event, frame.data(), sizeof event.event);
      std::memcpy(&event.value, frame.data<char>() + sizeof event.event, sizeof event.value);
    }
    while (frame.more()) {
      zmq::message_t next;
      (void)pair.recv(next);
      frame = std::move(next);
      event.tcp = frame.to_string_view().starts_with("tcp:");
    }
    return true;
  }

  zmq::socket_t pair;
  zmq::socket_t& source;
};

ConnectionMonitor::ConnectionMonitor(zmq::context_t& context, zmq::socket_t& socket,
                                     Reason without_handshake,
                                     std::function<void(Reason, const Origin&)> refused)
    : without_handshake_(without_handshake),
      refused_(std::move(refused)),
      socket_(std::make_unique<Socket>(context, socket)),
      most_(most_connections()),
      opening_(limits::kConnectionsPerSecond, limits::kConnectionsOfOne) {}

ConnectionMonitor::~ConnectionMonitor() = default;

Duration ConnectionMonitor::now() { return std::chrono::steady_clock::now().time_since_epoch(); }

int ConnectionMonitor::fd() const { return socket_->pair.get(zmq::sockopt::fd); }

bool ConnectionMonitor::drain() {
  for (int i = 0; i < kEventsPerDrain; ++i) {
    if (!read_one()) return false;
  }
  return true;
}

bool ConnectionMonitor::read_one() {
  SocketEvent event;
  if (!socket_->read(event)) return false;
  const auto fd = static_cast<int>(event.value);
  switch (event.event) {
    case ZMQ_EVENT_ACCEPTED: opened(fd); break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      // A peer on this machine looks whether a Unix socket answers, and says nothing (address.h).
      failing_ = event.tcp;
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: failing_ = true; break;
    case ZMQ_EVENT_DISCONNECTED: closed(fd); break;
    default: break;
  }
  return true;
}

// A connection that is one too many is shut down under libzmq, which then drops it. Should it be
// over already and its number another's, that one connects again.
void ConnectionMonitor::opened(int fd) {
  closed(fd);
  Connection& connection = open_[fd];
  connection = {peer_address(fd), false};
  const size_t held = ++held_[connection.address];
  if (connection.address.empty()) return;  // a Unix socket is this machine's own
  const bool few = open_.size() <= most_ && held <= limits::kConnectionsOfOne;
  if (few && opening_.take(connection.address, now())) return;
  connection.shut = true;
  shutdown(fd, SHUT_RDWR);
  refused_(Reason::kOverLimit, {nullptr, {}, connection.address});
}

void ConnectionMonitor::closed(int fd) {
  const bool failed = std::exchange(failing_, false);
  Connection connection;
  if (const auto found = open_.find(fd); found != open_.end()) {
    connection = std::move(found->second);
    open_.erase(found);
    const auto held = held_.find(connection.address);
    if (--held->second == 0) held_.erase(held);
  }
  if (failed && !connection.shut) refused_(without_handshake_, {nullptr, {}, connection.address});
}

}  // namespace kith
