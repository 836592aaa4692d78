#include "daemon/real/zmq_transport.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <zmq.hpp>

#include "daemon/real/connection_monitor.h"
#include "daemon/real/zap_server.h"
#include "protocol/control.h"
#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

namespace {

// Chunks that ZeroMQ holds per connection. On the sending side by reference, without copies.
constexpr int kSendHighWater = 32;
constexpr int kReceiveHighWater = 32;
// ms. What was sent just before the end still leaves; a daemon ends within a second.
constexpr int kLinger = 300;
// ms between attempts to connect, doubling from the first to the second.
constexpr int kReconnect = 20;
constexpr int kReconnectMax = 1000;
// ms for a connection to prove that it speaks ZMTP.
constexpr int kHandshake = 5000;
// s; a peer whose machine is gone is noticed after idle + interval * count.
constexpr int kKeepaliveIdle = 10;
constexpr int kKeepaliveInterval = 5;
constexpr int kKeepaliveCount = 3;
// ms for sent bytes to be acknowledged by the peer's kernel.
constexpr int kAcknowledge = 20000;
// Send buffers towards peers on this machine. Unix sockets do not tune themselves as TCP does; TCP
// tunes itself so large that the bytes leave the cache before they are read: with this one an
// exchange of 100 MB took 0.6 of the time. Across a network TCP knows better.
constexpr int kIpcBuffer = 1 << 20;
constexpr int kLoopbackBuffer = 512 * 1024;
constexpr int kSockets = 8192;
// What CURVE adds to a frame: command name, nonce, flags and authenticator, 33 bytes (RFC 26).
constexpr size_t kCurveBytes = 33;
// One drain() lets other work of the loop in between.
constexpr int kFramesPerDrain = 256;

zmq::message_t owning(SharedBuffer block, size_t offset, size_t size) {
  auto* data = const_cast<std::byte*>(block.data()) + offset;
  return {data, size, [](void*, void* hint) { SharedBuffer(static_cast<Block*>(hint)); },
          block.release()};
}

zmq::message_t owning(std::string text) {
  auto* held = new std::string(std::move(text));
  return {held->data(), held->size(),
          [](void*, void* hint) { delete static_cast<std::string*>(hint); }, held};
}

SharedBuffer adopted(zmq::message_t&& frame) {
  auto* held = new zmq::message_t(std::move(frame));
  return adopt(
      static_cast<std::byte*>(held->data()), held->size(),
      [](void* owner) { delete static_cast<zmq::message_t*>(owner); }, held);
}

std::span<const std::byte> bytes_of(const zmq::message_t& frame) {
  return {static_cast<const std::byte*>(frame.data()), frame.size()};
}

void keep_alive(zmq::socket_t& socket) {
  socket.set(zmq::sockopt::tcp_keepalive, 1);
  socket.set(zmq::sockopt::tcp_keepalive_idle, kKeepaliveIdle);
  socket.set(zmq::sockopt::tcp_keepalive_intvl, kKeepaliveInterval);
  socket.set(zmq::sockopt::tcp_keepalive_cnt, kKeepaliveCount);
  socket.set(zmq::sockopt::tcp_maxrt, kAcknowledge);
}

void show_key(zmq::socket_t& socket, const Identity& identity) {
  const KeyPair& keys = identity.keys;
  socket.set(zmq::sockopt::curve_publickey, zmq::buffer(keys.open.bytes));
  socket.set(zmq::sockopt::curve_secretkey, zmq::buffer(keys.secret.data(), kKeyBytes));
}

void ask_for_keys(zmq::socket_t& socket, const Identity& identity) {
  socket.set(zmq::sockopt::curve_server, 1);
  socket.set(zmq::sockopt::curve_secretkey, zmq::buffer(identity.keys.secret.data(), kKeyBytes));
  socket.set(zmq::sockopt::zap_domain, kZapDomain);
}

// One peer that is sent to.
struct Link {
  // What a newer message makes pointless; not one that is under way already.
  void drop_superseded() {
    const auto begin = waiting.begin() + (next_chunk > 0 && !waiting.empty() ? 1 : 0);
    waiting.erase(std::remove_if(begin, waiting.end(),
                                 [](const Message& m) { return m.kind < kFirstNodeKind; }),
                  waiting.end());
    waiting_bytes = 0;
    for (const Message& message : waiting) waiting_bytes += message.payload.size();
  }

  zmq::socket_t dealer;
  bool ipc = false;
  bool blocked = false;
  std::deque<Message> waiting;  // while blocked
  uint32_t next_chunk = 0;      // of waiting.front()
  size_t waiting_bytes = 0;
};

// One daemon that is told something outside runs.
struct Acquaintance {
  Link link;
  std::string dotted;  // where the link leads
  uint64_t told = 0;   // number of the last frame for it
};

}  // namespace

struct ZmqTransport::Impl {
  Impl(const TransportOptions& transport_options, Handler& transport_handler)
      : options(transport_options), handler(transport_handler) {}

  void bind();
  void bind_ipc(const std::string& dotted);
  void bind_tcp(const std::string& dotted);
  bool read_one();
  bool drain_frames();
  const Member* sender_of(const zmq::message_t& frame) const;
  Origin origin_of(const zmq::message_t& frame) const;
  const PeerEndpoint* peer(NodeId node) const;
  void take_message(const zmq::message_t& head, zmq::message_t&& body, bool has_body);
  Status check_sender(const WireHeader& header, const zmq::message_t& head) const;
  Status accept(const WireHeader& header) const;
  Status link_to(NodeId node, Link*& link);
  void connect(Link& link, const PeerEndpoint& endpoint);
  Link* acquaintance(const PeerEndpoint& endpoint);
  bool send_chunk(Link& link, const Message& message, uint32_t chunk);
  uint32_t send_chunks(Link& link, const Message& message, uint32_t first);

  TransportOptions options;
  Handler& handler;
  zmq::context_t context;
  std::optional<ZapServer> zap;  // with an identity
  zmq::socket_t router;
  std::optional<ConnectionMonitor> monitor;
  Address listen;
  Pool pool;  // of payloads that are not laid out in wire chunks
  std::optional<Membership> membership;
  std::optional<Reassembler> reassembler;
  std::map<NodeId, Link> links;
  std::deque<Blocked> newly_blocked;
  std::map<std::string, Acquaintance> acquaintances;  // by PeerEndpoint::text
  uint64_t told = 0;
};

void ZmqTransport::Impl::bind() {
  context.set(zmq::ctxopt::max_sockets, kSockets);
  router = zmq::socket_t(context, zmq::socket_type::router);
  router.set(zmq::sockopt::linger, kLinger);
  router.set(zmq::sockopt::sndhwm, kSendHighWater);
  router.set(zmq::sockopt::rcvhwm, kReceiveHighWater);
  router.set(zmq::sockopt::handshake_ivl, kHandshake);
  router.set(zmq::sockopt::maxmsgsize,
             static_cast<int64_t>(std::max(limits::kChunkBytes, limits::kRequestBytes) +
                                  (options.identity ? kCurveBytes : 0)));
  keep_alive(router);
  if (options.identity) {
    const auto turned_away = [this](const Origin& origin) {
      handler.refused(Reason::kUnknownKey, origin);
    };
    zap.emplace(context, options.identity->members, turned_away);
    ask_for_keys(router, *options.identity);
  }
  monitor.emplace(context, router, options.identity ? Reason::kNoKey : Reason::kNoHandshake,
                  [this](Reason reason, const Origin& origin) { handler.refused(reason, origin); });
  const std::string host = options.listen.host == "*" ? "0.0.0.0" : options.listen.host;
  const std::string dotted = resolve(host);
  bind_tcp(dotted);
  if (!options.use_ipc) return;
  if (dotted == "0.0.0.0") {
    for (const std::string& address : local_addresses()) bind_ipc(address);
  } else {
    bind_ipc(dotted);
  }
}

void ZmqTransport::Impl::bind_tcp(const std::string& dotted) {
  try {
    router.bind(options.listen.port == 0 ? "tcp://" + dotted + ":*"
                                         : tcp_endpoint(dotted, options.listen.port));
  } catch (const zmq::error_t& error) {
    if (error.num() == EADDRINUSE) {
      throw OperatorError("The address " + options.listen.text() +
                          " is taken by another program; stop it or choose another port with "
                          "--listen (port 0 = any free one).");
    }
    throw OperatorError("Cannot listen on " + options.listen.text() + ": " + error.what() +
                        "; --listen takes an address of this machine.");
  }
  listen = parse_address(router.get(zmq::sockopt::last_endpoint).substr(sizeof("tcp://") - 1));
}

void ZmqTransport::Impl::bind_ipc(const std::string& dotted) {
  try {
    router.bind(ipc_endpoint(dotted, listen.port));
  } catch (const zmq::error_t& error) {
    throw OperatorError("The local socket " + ipc_endpoint(dotted, listen.port) +
                        " cannot be bound: " + error.what() +
                        "; choose another port with --listen, or --transport tcp.");
  }
}

// One multipart message: caller, header, payload or not. False = nothing there.
bool ZmqTransport::Impl::read_one() {
  zmq::message_t caller;
  if (!router.recv(caller, zmq::recv_flags::dontwait)) return false;
  zmq::message_t head;
  zmq::message_t body;
  if (!caller.more()) return true;
  (void)router.recv(head);
  const bool has_body = head.more();
  if (has_body) (void)router.recv(body);
  const zmq::message_t& last = has_body ? body : head;
  if (last.more()) {
    zmq::message_t rest;
    do {
      (void)router.recv(rest);
    } while (rest.more());
    handler.refused(Reason::kMalformed, origin_of(head));
    return true;
  }
  if (!has_body && control::is_control(bytes_of(head))) {
    handler.request(caller.to_string(), bytes_of(head), origin_of(head));
    return true;
  }
  take_message(head, std::move(body), has_body);
  return true;
}

const Member* ZmqTransport::Impl::sender_of(const zmq::message_t& frame) const {
  return zap ? zap->sender_of(frame) : nullptr;
}

Origin ZmqTransport::Impl::origin_of(const zmq::message_t& frame) const {
  const char* address = zmq_msg_gets(frame.handle(), "Peer-Address");
  return {sender_of(frame), {}, address == nullptr ? "" : address};
}

// Null where the run has no such peer.
const PeerEndpoint* ZmqTransport::Impl::peer(NodeId node) const {
  if (!membership) return nullptr;
  const auto found = std::ranges::lower_bound(membership->peers, node, {}, &PeerEndpoint::node);
  return found != membership->peers.end() && found->node == node ? &*found : nullptr;
}

// With keys: a peer, and the one that the header names. Another run may number its nodes otherwise.
Status ZmqTransport::Impl::check_sender(const WireHeader& header,
                                        const zmq::message_t& head) const {
  if (!options.identity) return {};
  const Member* sender = sender_of(head);
  if (sender == nullptr || sender->role != Role::kPeer) return Reason::kForbidden;
  const PeerEndpoint* named = peer(header.from);
  if (named == nullptr || named->key == sender->key) return {};
  return header.job == membership->job ? Reason::kImpostor : Reason::kWrongJob;
}

// For this node, from another node of the run?
Status ZmqTransport::Impl::accept(const WireHeader& header) const {
  if (header.to != membership->self || header.from == membership->self) {
    return Reason::kUnknownPeer;
  }
  return peer(header.from) != nullptr ? Status() : Reason::kUnknownPeer;
}

void ZmqTransport::Impl::take_message(const zmq::message_t& head, zmq::message_t&& body,
                                      bool has_body) {
  const auto refuse = [&](Status status) { handler.refused(status, origin_of(head)); };
  WireHeader header;
  if (const Status status = decode_header(bytes_of(head), header); !status.ok()) {
    return refuse(status);
  }
  if (const Status status = check_sender(header, head); !status.ok()) return refuse(status);
  if (!membership || header.job != membership->job) {
    handler.stranger(header, bytes_of(body), origin_of(head));
    return;
  }
  if (const Status status = accept(header); !status.ok()) return refuse(status);
  if (has_body != (header.payload_bytes > 0)) {
    return refuse(has_body ? Reason::kOversized : Reason::kTruncated);
  }
  std::optional<Message> complete;
  const Status status =
      reassembler->add(header, has_body ? adopted(std::move(body)) : SharedBuffer(), complete);
  if (!status.ok()) refuse(status);
  if (complete) handler.message(std::move(*complete));
}

// kUnknownPeer, or kBackPressure when the process has no more sockets.
Status ZmqTransport::Impl::link_to(NodeId node, Link*& link) {
  const auto [found, fresh] = links.try_emplace(node);
  link = &found->second;
  if (!fresh) return {};
  Reason reason = Reason::kUnknownPeer;
  if (const PeerEndpoint* endpoint = peer(node)) {
    try {
      connect(*link, *endpoint);
      return {};
    } catch (const zmq::error_t&) {
      reason = Reason::kBackPressure;
    }
  }
  links.erase(found);
  return reason;
}

void ZmqTransport::Impl::connect(Link& link, const PeerEndpoint& endpoint) {
  // An address of this machine may lead elsewhere, to a container: then nobody listens on the
  // Unix socket, and TCP finds the way.
  link.ipc = options.use_ipc && endpoint.local && ipc_answers(endpoint.dotted, endpoint.port);
  link.dealer = zmq::socket_t(context, zmq::socket_type::dealer);
  link.dealer.set(zmq::sockopt::linger, kLinger);
  link.dealer.set(zmq::sockopt::sndhwm, kSendHighWater);
  link.dealer.set(zmq::sockopt::rcvhwm, 1);  // nothing is ever read from it
  link.dealer.set(zmq::sockopt::reconnect_ivl, kReconnect);
  link.dealer.set(zmq::sockopt::reconnect_ivl_max, kReconnectMax);
  link.dealer.set(zmq::sockopt::handshake_ivl, kHandshake);
  link.dealer.set(zmq::sockopt::maxmsgsize, static_cast<int64_t>(limits::kHeaderBytes));
  if (options.identity) {
    show_key(link.dealer, *options.identity);
    link.dealer.set(zmq::sockopt::curve_serverkey, zmq::buffer(endpoint.key.bytes));
  }
  if (link.ipc) {
    link.dealer.set(zmq::sockopt::sndbuf, kIpcBuffer);
    link.dealer.connect(ipc_endpoint(endpoint.dotted, endpoint.port));
  } else {
    keep_alive(link.dealer);
    if (endpoint.local) link.dealer.set(zmq::sockopt::sndbuf, kLoopbackBuffer);
    link.dealer.connect(tcp_endpoint(endpoint.dotted, endpoint.port));
  }
}

// Null when the process has no more sockets.
Link* ZmqTransport::Impl::acquaintance(const PeerEndpoint& endpoint) {
  const auto found = acquaintances.try_emplace(endpoint.text).first;
  Acquaintance& known = found->second;
  known.told = ++told;
  if (known.dotted == endpoint.dotted) return &known.link;
  known.link = {};
  known.dotted = endpoint.dotted;
  if (acquaintances.size() > limits::kAcquaintances) {
    acquaintances.erase(std::ranges::min_element(
        acquaintances, {}, [](const auto& item) { return item.second.told; }));
  }
  try {
    connect(known.link, endpoint);
    return &known.link;
  } catch (const zmq::error_t&) {
    acquaintances.erase(found);
    return nullptr;
  }
}

// False = the high-water mark is reached and nothing was sent.
bool ZmqTransport::Impl::send_chunk(Link& link, const Message& message, uint32_t chunk) {
  WireHeader header = header_of(message, membership->job);
  header.chunk = chunk;
  const WireHeaderBytes bytes = encode_header(header);
  const bool has_body = header.payload_bytes > 0;
  const auto more = has_body ? zmq::send_flags::sndmore : zmq::send_flags::none;
  zmq::message_t head(bytes.data(), bytes.size());
  if (!link.dealer.send(head, more | zmq::send_flags::dontwait)) return false;
  if (has_body) {
    const ChunkView view = chunk_of(message.payload, chunk, pool);
    zmq::message_t body = owning(view.block, view.offset, view.size);
    // The second frame of a message whose first was taken is always taken.
    KITH_ASSERT(link.dealer.send(body, zmq::send_flags::dontwait).has_value());
  }
  return true;
}

// Returns the first chunk that was not taken. A socket that refuses may have unread news from its
// I/O thread, of which its descriptor will not speak again: only an empty ZMQ_EVENTS is final.
uint32_t ZmqTransport::Impl::send_chunks(Link& link, const Message& message, uint32_t first) {
  const uint32_t count = chunk_count(message.payload.size());
  while (first < count) {
    if (send_chunk(link, message, first)) {
      ++first;
    } else if ((link.dealer.get(zmq::sockopt::events) & ZMQ_POLLOUT) == 0) {
      break;
    }
  }
  return first;
}

ZmqTransport::ZmqTransport(const TransportOptions& options, Handler& handler)
    : impl_(std::make_unique<Impl>(options, handler)) {
  impl_->bind();
}

ZmqTransport::~ZmqTransport() = default;

const Address& ZmqTransport::listen() const { return impl_->listen; }

std::vector<int> ZmqTransport::fds() const {
  std::vector<int> fds = {impl_->router.get(zmq::sockopt::fd), impl_->monitor->fd()};
  if (impl_->zap) fds.push_back(impl_->zap->fd());
  return fds;
}

// False = all have been read.
bool ZmqTransport::Impl::drain_frames() {
  for (int i = 0; i < kFramesPerDrain; ++i) {
    if (!read_one()) {
      // The descriptor may fall silent only once ZMQ_EVENTS has been seen empty.
      if ((router.get(zmq::sockopt::events) & ZMQ_POLLIN) == 0) return false;
    }
  }
  return true;
}

bool ZmqTransport::drain() {
  bool more = impl_->drain_frames();
  more |= impl_->monitor->drain();
  if (impl_->zap) more |= impl_->zap->drain();
  return more;
}

void ZmqTransport::join(Membership membership) {
  KITH_ASSERT(std::ranges::is_sorted(membership.peers, {}, &PeerEndpoint::node));
  leave();
  impl_->reassembler.emplace(membership.max_payload);
  impl_->membership = std::move(membership);
}

void ZmqTransport::leave() {
  impl_->links.clear();
  impl_->newly_blocked.clear();
  impl_->reassembler.reset();
  impl_->membership.reset();
}

Status ZmqTransport::send(const Message& message) {
  Link* link = nullptr;
  if (const Status status = impl_->link_to(message.to, link); !status.ok()) return status;
  uint32_t sent = 0;
  if (!link->blocked) {
    sent = impl_->send_chunks(*link, message, 0);
    if (sent == chunk_count(message.payload.size())) return {};
    link->blocked = true;
    link->next_chunk = sent;
    impl_->newly_blocked.push_back({message.to, link->dealer.get(zmq::sockopt::fd)});
  }
  if (supersedes(message.kind)) link->drop_superseded();
  if (link->waiting.size() >= limits::kQueuedMessages) return Reason::kBackPressure;
  link->waiting_bytes += message.payload.size();
  link->waiting.push_back(message);
  return {};
}

std::optional<ZmqTransport::Blocked> ZmqTransport::take_blocked() {
  if (impl_->newly_blocked.empty()) return std::nullopt;
  const Blocked blocked = impl_->newly_blocked.front();
  impl_->newly_blocked.pop_front();
  return blocked;
}

bool ZmqTransport::flush(NodeId peer) {
  const auto found = impl_->links.find(peer);
  if (found == impl_->links.end()) return false;
  Link& link = found->second;
  while (!link.waiting.empty()) {
    const Message& message = link.waiting.front();
    link.next_chunk = impl_->send_chunks(link, message, link.next_chunk);
    if (link.next_chunk < chunk_count(message.payload.size())) return true;
    link.next_chunk = 0;
    link.waiting_bytes -= message.payload.size();
    link.waiting.pop_front();
  }
  link.blocked = false;
  return false;
}

void ZmqTransport::tell(const PeerEndpoint& to, std::string frame) {
  Link* link = impl_->acquaintance(to);
  if (link == nullptr) return;
  zmq::message_t message = owning(std::move(frame));
  if (link->dealer.send(message, zmq::send_flags::dontwait)) return;
  // As in send_chunks: only an empty ZMQ_EVENTS is final.
  if ((link->dealer.get(zmq::sockopt::events) & ZMQ_POLLOUT) == 0) return;
  (void)link->dealer.send(message, zmq::send_flags::dontwait);
}

void ZmqTransport::reply(const std::string& caller, std::string frame, SharedBuffer second) {
  zmq::message_t to(caller.data(), caller.size());
  zmq::message_t head = owning(std::move(frame));
  const auto more = second ? zmq::send_flags::sndmore : zmq::send_flags::none;
  try {
    if (!impl_->router.send(to, zmq::send_flags::sndmore | zmq::send_flags::dontwait)) return;
    (void)impl_->router.send(head, more | zmq::send_flags::dontwait);
    if (!second) return;
    const size_t size = second.size();
    zmq::message_t body = owning(std::move(second), 0, size);
    (void)impl_->router.send(body, zmq::send_flags::dontwait);
  } catch (const zmq::error_t&) {
    // EHOSTUNREACH and the like: the caller has gone.
  }
}

std::vector<LinkState> ZmqTransport::links() const {
  std::vector<LinkState> states;
  if (!impl_->membership) return states;
  for (const PeerEndpoint& peer : impl_->membership->peers) {
    LinkState state;
    state.peer = peer.node;
    if (const auto found = impl_->links.find(peer.node); found != impl_->links.end()) {
      state.connected = true;
      state.ipc = found->second.ipc;
      state.queued_bytes = found->second.waiting_bytes;
    }
    states.push_back(state);
  }
  return states;
}

}  // namespace kith
