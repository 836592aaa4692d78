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
  const auto* snapshot = std::get_if<control::SnapshotReply>(&answer.reply);
  const auto* model = std::get_if<control::ModelReply>(&answer.reply);
  if (snapshot != nullptr || model != nullptr) {
    const uint64_t bytes = model != nullptr ? model->bytes : snapshot->bytes;
    if (bytes != bulk.size() || bulk.size() % sizeof(float) != 0) return std::nullopt;
    answer.parameters.resize(bulk.size() / sizeof(float));
    std::memcpy(answer.parameters.data(), bulk.data(), bulk.size());
  }
  return answer;
}

}  // namespace

struct Network::Impl {
  std::shared_ptr<const Identity> identity;
  uint64_t connections = 0;  // so far: names their monitors
  zmq::context_t context;
};

Network::Network(std::shared_ptr<const Identity> identity) : impl_(std::make_unique<Impl>()) {
  impl_->identity = std::move(identity);
}
Network::~Network() = default;

// A DEALER, and what libzmq tells of its handshakes.
struct Connection::Socket {
  Socket(zmq::context_t& context, std::shared_ptr<const Identity> own, uint64_t number)
      : identity(std::move(own)),
        dealer(context, zmq::socket_type::dealer),
        events(context, zmq::socket_type::pair) {
    const std::string name = "inproc://handshakes." + std::to_string(number);
    constexpr int kFailures = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                              ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    if (zmq_socket_monitor(dealer.handle(), name.c_str(), kFailures) != 0) throw zmq::error_t();
    events.set(zmq::sockopt::linger, 0);
    events.connect(name);
    dealer.set(zmq::sockopt::linger, 0);
    // A retry soon after a refusal: daemons are often started just before their client.
    dealer.set(zmq::sockopt::reconnect_ivl, 50);
  }
  ~Socket() { zmq_socket_monitor(dealer.handle(), nullptr, 0); }

  void expect(const PublicKey& server) {
    const KeyPair& keys = identity->keys;
    dealer.set(zmq::sockopt::curve_serverkey, zmq::buffer(server.bytes));
    dealer.set(zmq::sockopt::curve_publickey, zmq::buffer(keys.open.bytes));
    dealer.set(zmq::sockopt::curve_secretkey, zmq::buffer(keys.secret.data(), kKeyBytes));
  }

  void read_event(const std::string& endpoint);

  std::shared_ptr<const Identity> identity;
  zmq::socket_t dealer;
  zmq::socket_t events;
  bool cut_short = false;  // a handshake was, without a reason
};

void Connection::Socket::read_event(const std::string& endpoint) {
  zmq::message_t frame;
  zmq::message_t address;
  (void)events.recv(frame);
  if (frame.more()) (void)events.recv(address);
  uint16_t event = 0;
  uint32_t value = 0;
  if (frame.size() != sizeof event + sizeof value) return;
  std::memcpy(&event, frame.data(), sizeof event);
  std::memcpy(&value, frame.data<char>() + sizeof event, sizeof value);
  if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
    throw OperatorError("the daemon at " + endpoint + " does not know this key: list " +
                        identity->keys.open.text() + " in its members file and start it again");
  }
  if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
    throw OperatorError("the daemon at " + endpoint +
                        (identity ? " was started without keys: leave --key and --members out, or "
                                    "start it with its own"
                                  : " wants a key: give --key and --members"));
  }
  cut_short = true;
}

Connection::Connection(Network& network, std::string endpoint) : endpoint_(std::move(endpoint)) {
  check_endpoint(endpoint_);
  const std::shared_ptr<const Identity>& identity = network.impl_->identity;
  socket_ =
      std::make_unique<Socket>(network.impl_->context, identity, network.impl_->connections++);
  if (identity) {
    const Member* daemon = identity->members.at(endpoint_);
    if (daemon == nullptr) {
      throw OperatorError("'" + identity->members.path() + "' lists no peer at " + endpoint_ +
                          ": write the address as it stands there, or add its line");
    }
    socket_->expect(daemon->key);
  }
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
    zmq::pollitem_t items[] = {{socket_->dealer.handle(), 0, ZMQ_POLLIN, 0},
                               {socket_->events.handle(), 0, ZMQ_POLLIN, 0}};
    if (zmq::poll(items, 2, std::max(left, milliseconds(0))) == 0) return std::nullopt;
    if ((items[1].revents & ZMQ_POLLIN) != 0) socket_->read_event(endpoint_);
    if ((items[0].revents & ZMQ_POLLIN) == 0) continue;
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

void Connection::tell_silence(milliseconds patience) const {
  const std::string within = " within " + std::to_string(patience.count() / 1000) + " s: ";
  if (socket_->cut_short && socket_->identity) {
    throw RunFailed("no answer from " + endpoint_ + within +
                    "it closes the connection, as it does "
                    "where its key is not the one that '" +
                    socket_->identity->members.path() + "' lists");
  }
  throw RunFailed("no answer from " + endpoint_ + within +
                  "is kithd running there, and is the port open?");
}

Answer Connection::ask(const control::Request& request, milliseconds patience) {
  send(request);
  std::optional<Answer> answer = receive(steady_clock::now() + patience);
  if (!answer) tell_silence(patience);
  if (const auto* error = std::get_if<control::ErrorReply>(&answer->reply)) {
    throw OperatorError("the daemon at " + endpoint_ + " refused: " + error->message);
  }
  return std::move(*answer);
}

}  // namespace kith
