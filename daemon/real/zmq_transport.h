// Messages and control frames over ZeroMQ: one ROUTER, bound on TCP and, for peers on this machine,
// on Unix sockets of the abstract namespace; one DEALER connected to each peer that is sent to.
//
// All calls on one thread. Nothing blocks. No payload is copied: outgoing frames refer to the
// sender's blocks, incoming ones are moved into blocks.
//
// With an identity every connection, on Unix sockets too, proves its key by CURVE before a frame of
// it is read, and every frame is encrypted.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/real/address.h"
#include "daemon/real/origin.h"
#include "daemon/trust/identity.h"
#include "protocol/event.h"
#include "protocol/status.h"
#include "protocol/wire.h"

namespace kith {

struct TransportOptions {
  Address listen;                                      // port 0 = any free one
  bool use_ipc = true;                                 // false: TCP to peers on this machine too
  std::shared_ptr<const Identity> identity = nullptr;  // null: nobody is asked for a key
};

// Where a peer is. Resolved beforehand: name servers are slow.
struct PeerEndpoint {
  NodeId node{};
  std::string text;    // as the operator wrote it
  std::string dotted;  // IPv4
  uint16_t port = 0;
  bool local = false;  // this machine's own address
  PublicKey key = {};  // its messages must come with it; unused without an identity
};

// What this daemon is within one run.
struct Membership {
  uint64_t job = 0;  // WireHeader::job of the run
  NodeId self{};
  size_t max_payload = 0;           // bytes; larger messages are refused
  std::vector<PeerEndpoint> peers;  // sorted by node
};

struct LinkState {
  NodeId peer{};
  bool connected = false;  // a DEALER exists
  bool ipc = false;
  size_t queued_bytes = 0;  // waiting because the peer does not keep up
};

class ZmqTransport {
 public:
  // Called from drain() alone.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void message(Message&& message) = 0;  // from a peer of this run, to this node
    // A well-formed header of another run, whatever it is addressed to, and the frame behind it.
    virtual void stranger(const WireHeader& header, std::span<const std::byte> body,
                          const Origin& origin) = 0;
    // A frame, or a connection that was turned away before it could send one.
    virtual void refused(Status status, const Origin& origin) = 0;
    // `caller` is what reply() takes.
    virtual void request(const std::string& caller, std::span<const std::byte> frame,
                         const Origin& origin) = 0;
  };

  // Binds. Throws OperatorError when the address is taken or not this machine's.
  ZmqTransport(const TransportOptions& options, Handler& handler);
  ~ZmqTransport();

  // The address in use, with the port that was chosen.
  const Address& listen() const;

  // One is readable when drain() may find something. Edge-triggered, as ZMQ_FD is: after every
  // readiness and every reply, drain until it returns false.
  std::vector<int> fds() const;

  // Hands on what has come, at most a few hundred frames; true = there is more.
  bool drain();

  // Messages of this run are taken from now on; DEALERs are made at the first send to a peer.
  void join(Membership membership);
  // Closes all DEALERs. What was sent lingers for a fraction of a second.
  void leave();

  // To a peer of the run. kUnknownPeer, or kBackPressure when the peer's queue is full: the
  // message is lost as a whole.
  Status send(const Message& message);

  // Descriptors of peers that do not keep up: when one becomes readable, flush(peer).
  struct Blocked {
    NodeId peer{};
    int fd = -1;
  };
  // A peer that became blocked since the last call.
  std::optional<Blocked> take_blocked();
  // Sends on what waits for the peer; true = still blocked.
  bool flush(NodeId peer);

  // A frame to a daemon that need not be of the run; lost where it does not keep up. Connections to
  // those that were told something last are kept, limits::kAcquaintances of them.
  void tell(const PeerEndpoint& to, std::string frame);

  // Answers a request. A caller that is gone is no error.
  void reply(const std::string& caller, std::string frame, SharedBuffer second = {});

  std::vector<LinkState> links() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kith
