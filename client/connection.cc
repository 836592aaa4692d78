#include "client/connection.h"

#include <bit>
#include <cstring>
#include <zmq.hpp>

#include "client/command/command.h"
#include "topology/error.h"

namespace kith {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

static_assert(std::endian::native == std::endian::little, "parameters travel little-endian");

void check_endpoint(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  const std::string port = colon == std::string::npos ? "" : endpoint.substr(colon + 1);
  const bool digits = !port.empty() && port.size() <= 5 &&
                      port.find_first_not_of("0123456789") == std::string::npos;
  if (digits && colon > 0 && std::stoul(port) > 0 && std::stoul(port) < 65536) return;
  throw OperatorError("\"" + endpoint +
                      "\" is not the address of a daemon: give HOST:PORT, such as 10.0.0.5:7400");
}

std::optional<Answer> decode(const zmq::message_t& head, const zmq::message_t& bulk, uint64_t id) {
  Answer answer;
  uint64_t answered = 0;
  const std::span<const std::byte> frame(head.data<std::byte>(), head.size());
  if (!control::decode_reply(frame, answered, answer.reply).ok()) return std::nullopt;
  if (answered != id) return std::nullopt;
  if (const auto* snapshot = std::get_if<control::SnapshotReply>(&answer.reply)) {
    if (snapshot->bytes != bulk.size() || bulk.size() % sizeof(float) != 0) return std::nullopt;
    answer.parameters.resize(bulk.size() / sizeof(float));
    std::memcpy(answer.parameters.data(), bulk.data(), bulk.size());
  }
  return answer;
}

}  // namespace

struct Network::Impl {
  zmq::context_t context;
};

Network::Network() : impl_(std::make_unique<Impl>()) {}
Network::~Network() = default;

struct Connection::Socket {
  zmq::socket_t dealer;
};

Connection::Connection(Network& network, std::string endpoint)
    : endpoint_(std::move(endpoint)), socket_(std::make_unique<Socket>()) {
  check_endpoint(endpoint_);
  socket_->dealer = zmq::socket_t(network.impl_->context, zmq::socket_type::dealer);
  socket_->dealer.set(zmq::sockopt::linger, 0);
  // A retry soon after a refusal: daemons are often started just before their client.
  socket_->dealer.set(zmq::sockopt::reconnect_ivl, 50);
  try {
    socket_->dealer.connect("tcp://" + endpoint_);
  } catch (const zmq::error_t& error) {
    throw OperatorError("cannot connect to " + endpoint_ + ": " + error.what());
  }
}

Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;

void Connection::send(const control::Request& request) {
  const std::string frame = control::encode_request(++last_id_, request);
  // Fails only when the queue is full: the deadline of receive() then says so.
  (void)socket_->dealer.send(zmq::buffer(frame), zmq::send_flags::dontwait);
}

std::optional<Answer> Connection::receive(Deadline deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    zmq::pollitem_t item = {socket_->dealer.handle(), 0, ZMQ_POLLIN, 0};
    if (zmq::poll(&item, 1, std::max(left, milliseconds(0))) == 0) return std::nullopt;
    zmq::message_t head;
    zmq::message_t bulk;
    (void)socket_->dealer.recv(head);
    if (head.more()) (void)socket_->dealer.recv(bulk);
    for (bool more = bulk.more(); more;) {  // frames that no answer has
      zmq::message_t excess;
      (void)socket_->dealer.recv(excess);
      more = excess.more();
    }
    if (auto answer = decode(head, bulk, last_id_)) return answer;
  }
}

Answer Connection::ask(const control::Request& request, milliseconds patience) {
  send(request);
  std::optional<Answer> answer = receive(steady_clock::now() + patience);
  if (!answer) {
    throw RunFailed("no answer from " + endpoint_ + " within " +
                    std::to_string(patience.count() / 1000) +
                    " s: is kithd running there, and is the port open?");
  }
  if (const auto* error = std::get_if<control::ErrorReply>(&answer->reply)) {
    throw OperatorError("the daemon at " + endpoint_ + " refused: " + error->message);
  }
  return std::move(*answer);
}

}  // namespace kith
