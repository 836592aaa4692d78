// Transports with keys: who comes in, who may speak as whom, and that nothing is read off the wire.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <zmq.hpp>

#include "daemon/real/log.h"
#include "daemon/real/rate_limit.h"
#include "daemon/real/refusal_log.h"
#include "daemon/real/zmq_transport.h"
#include "protocol/control.h"
#include "protocol/limits.h"

namespace kith {
namespace {

constexpr uint64_t kJob = 77;
constexpr size_t kMaxPayload = 2 * limits::kChunkBytes + 13;
constexpr int kPatienceMs = 10000;

KeyPair fresh() {
  char open[41];
  char secret[41];
  KeyPair keys;
  EXPECT_EQ(zmq_curve_keypair(open, secret), 0);
  zmq_z85_decode(keys.open.bytes.data(), open);
  zmq_z85_decode(keys.secret.data(), secret);
  return keys;
}

// What was refused, and from whom.
struct Refusal {
  Reason reason;
  std::string key;
  std::string address;
};

struct End final : ZmqTransport::Handler {
  End(bool ipc, std::shared_ptr<const Identity> identity)
      : transport({{"127.0.0.1", 0}, ipc, std::move(identity)}, *this) {}

  void message(Message&& message) override { messages.push_back(std::move(message)); }
  void stranger(const WireHeader& header, std::span<const std::byte>, const Origin&) override {
    strangers.push_back(header);
  }
  void refused(Status status, const Origin& origin) override {
    refusals.push_back(
        {status.reason(), origin.member ? origin.member->key.text() : origin.key, origin.address});
  }
  void request(const std::string&, std::span<const std::byte>, const Origin& origin) override {
    callers.push_back(origin.member ? role_name(origin.member->role) : "");
  }

  std::vector<Message> messages;
  std::vector<WireHeader> strangers;
  std::vector<Refusal> refusals;
  std::vector<std::string> callers;
  ZmqTransport transport;
};

// All are drained: a handshake needs both ends.
template <typename F>
bool wait(std::vector<End*> ends, F done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::vector<pollfd> ready;
    for (End* end : ends) {
      while (end->transport.drain()) {
      }
      for (const int fd : end->transport.fds()) ready.push_back({fd, POLLIN, 0});
    }
    if (!done()) poll(ready.data(), ready.size(), 20);
  }
  return true;
}

// Two nodes that list each other, an operator and a viewer; and whoever is asked for.
class Keys : public testing::Test {
 protected:
  enum Who { kA, kB, kOperator, kViewer, kStranger, kCount };

  Keys() {
    for (KeyPair& keys : keys_) keys = fresh();
    list_ = "peer " + keys_[kA].open.text() + " node-a:1\npeer " + keys_[kB].open.text() +
            " node-b:1\noperator " + keys_[kOperator].open.text() + "\nviewer " +
            keys_[kViewer].open.text() + "\n";
  }

  // Only a stranger's own list holds the stranger.
  std::shared_ptr<const Identity> identity(Who who) const {
    const std::string more = who == kStranger ? "peer " + keys_[who].open.text() : "";
    auto made = std::make_shared<Identity>(Identity{{}, Members(list_ + more, "list"), nullptr});
    made->keys.open = keys_[who].open;
    std::memcpy(made->keys.secret.data(), keys_[who].secret.data(), kKeyBytes);
    return made;
  }

  PeerEndpoint endpoint(const End& end, NodeId node, Who who) const {
    const Address& address = end.transport.listen();
    return {node, address.text(), "127.0.0.1", address.port, true, keys_[who].open};
  }

  // Node 0 and node 1 of a run.
  void join(End& a, End& b) const {
    a.transport.join({kJob, NodeId{0}, kMaxPayload, {endpoint(b, NodeId{1}, kB)}});
    b.transport.join({kJob, NodeId{1}, kMaxPayload, {endpoint(a, NodeId{0}, kA)}});
  }

  // A bare DEALER to `end`, with the key of `who`; kCount = without any.
  zmq::socket_t dealer(zmq::context_t& context, const End& end, Who who) const {
    zmq::socket_t socket(context, zmq::socket_type::dealer);
    socket.set(zmq::sockopt::linger, 0);
    if (who != kCount) {
      socket.set(zmq::sockopt::curve_serverkey, zmq::buffer(keys_[kA].open.bytes));
      socket.set(zmq::sockopt::curve_publickey, zmq::buffer(keys_[who].open.bytes));
      socket.set(zmq::sockopt::curve_secretkey, zmq::buffer(keys_[who].secret.data(), kKeyBytes));
    }
    socket.connect("tcp://" + end.transport.listen().text());
    return socket;
  }

  static Message message(uint32_t from, uint32_t to) {
    Message made;
    made.from = NodeId{from};
    made.to = NodeId{to};
    made.sequence = 1;
    return made;
  }

  static zmq::message_t header(const Message& message, uint64_t job = kJob) {
    const WireHeaderBytes bytes = encode_header(header_of(message, job));
    return {bytes.data(), bytes.size()};
  }

  KeyPair keys_[kCount];
  std::string list_;
};

class KeysOverLinks : public Keys, public testing::WithParamInterface<bool> {};

INSTANTIATE_TEST_SUITE_P(Links, KeysOverLinks, testing::Values(true, false), [](const auto& param) {
  return std::string(param.param ? "ipc" : "tcp");
});

TEST_P(KeysOverLinks, PeersOfTheListReachEachOther) {
  End a(GetParam(), identity(kA));
  End b(GetParam(), identity(kB));
  join(a, b);
  ASSERT_TRUE(a.transport.send(message(0, 1)).ok());
  ASSERT_TRUE(b.transport.send(message(1, 0)).ok());
  EXPECT_EQ(a.transport.links()[0].ipc, GetParam());
  ASSERT_TRUE(wait({&a, &b}, [&] { return !a.messages.empty() && !b.messages.empty(); }));
  EXPECT_TRUE(a.refusals.empty());
  EXPECT_TRUE(b.refusals.empty());
}

// Encrypted, a full chunk is longer than a chunk.
TEST_P(KeysOverLinks, PayloadsOfSeveralChunksArriveBitForBit) {
  End a(GetParam(), identity(kA));
  End b(GetParam(), identity(kB));
  join(a, b);
  Pool pool;
  Buffer buffer = pool.acquire(kMaxPayload);
  for (size_t i = 0; i < kMaxPayload; ++i) buffer.data()[i] = static_cast<std::byte>(i * i >> 8);
  const SharedBuffer sent = std::move(buffer).freeze();
  Message big = message(0, 1);
  big.payload = Payload(sent);
  ASSERT_TRUE(a.transport.send(big).ok());
  ASSERT_TRUE(wait({&a, &b}, [&] { return !b.messages.empty(); }));
  EXPECT_TRUE(std::ranges::equal(b.messages[0].payload.contiguous(pool).bytes(), sent.bytes()));
}

TEST_P(KeysOverLinks, AKeyThatIsNotOnTheListIsTurnedAwayAndNamed) {
  End a(GetParam(), identity(kA));
  End b(GetParam(), identity(kStranger));
  join(a, b);
  ASSERT_TRUE(b.transport.send(message(1, 0)).ok());
  ASSERT_TRUE(wait({&a, &b}, [&] { return !a.refusals.empty(); }));
  EXPECT_EQ(a.refusals[0].reason, Reason::kUnknownKey);
  EXPECT_EQ(a.refusals[0].key, keys_[kStranger].open.text());
  EXPECT_TRUE(a.refusals[0].address.starts_with(GetParam() ? "localhost:" : "127.0.0.1"));
  EXPECT_TRUE(a.messages.empty());
}

TEST_F(Keys, WithoutAKeyNobodyComesIn) {
  End a(false, identity(kA));
  End b(false, nullptr);
  join(a, b);
  ASSERT_TRUE(b.transport.send(message(1, 0)).ok());
  ASSERT_TRUE(wait({&a, &b}, [&] { return !a.refusals.empty(); }));
  EXPECT_EQ(a.refusals[0].reason, Reason::kNoKey);
  EXPECT_TRUE(a.messages.empty());
  EXPECT_TRUE(a.strangers.empty());
}

// A peer's key proves which node speaks; another node's number is no use to it.
TEST_F(Keys, APeerCannotSpeakAsAnotherNode) {
  End a(false, identity(kA));
  End b(false, identity(kB));
  a.transport.join(
      {kJob, NodeId{2}, 1000, {endpoint(b, NodeId{0}, kA), endpoint(b, NodeId{1}, kB)}});
  zmq::context_t context;
  zmq::socket_t from_b = dealer(context, a, kB);
  (void)from_b.send(header(message(0, 2)), zmq::send_flags::none);  // as node 0
  (void)from_b.send(header(message(0, 2), kJob + 1), zmq::send_flags::none);
  (void)from_b.send(header(message(1, 2)), zmq::send_flags::none);  // as itself
  (void)from_b.send(header(message(1, 2), kJob + 1), zmq::send_flags::none);
  (void)from_b.send(header(message(5, 2)), zmq::send_flags::none);  // as nobody
  ASSERT_TRUE(wait({&a}, [&] { return a.refusals.size() == 3 && a.strangers.size() == 1; }));
  EXPECT_EQ(a.refusals[0].reason, Reason::kImpostor);
  EXPECT_EQ(a.refusals[0].key, keys_[kB].open.text());
  EXPECT_EQ(a.refusals[1].reason, Reason::kWrongJob);
  EXPECT_EQ(a.refusals[2].reason, Reason::kUnknownPeer);
  ASSERT_EQ(a.messages.size(), 1u);
  EXPECT_EQ(a.messages[0].from, NodeId{1});
}

TEST_F(Keys, AClientsKeyIsNoPeers) {
  End a(false, identity(kA));
  a.transport.join({kJob, NodeId{0}, 1000, {endpoint(a, NodeId{1}, kB)}});
  zmq::context_t context;
  for (const Who who : {kOperator, kViewer}) {
    a.refusals.clear();
    zmq::socket_t client = dealer(context, a, who);
    (void)client.send(header(message(1, 0)), zmq::send_flags::none);
    ASSERT_TRUE(wait({&a}, [&] { return !a.refusals.empty(); }));
    EXPECT_EQ(a.refusals[0].reason, Reason::kForbidden);
  }
  EXPECT_TRUE(a.messages.empty());
}

TEST_F(Keys, ARequestComesWithItsRole) {
  End a(false, identity(kA));
  zmq::context_t context;
  const std::string request = control::encode_request(1, control::StopJobRequest{});
  for (const Who who : {kOperator, kViewer, kB}) {
    zmq::socket_t client = dealer(context, a, who);
    (void)client.send(zmq::buffer(request), zmq::send_flags::none);
    const size_t before = a.callers.size();
    ASSERT_TRUE(wait({&a}, [&] { return a.callers.size() > before; }));
  }
  EXPECT_EQ(a.callers, (std::vector<std::string>{"operator", "viewer", "peer"}));
}

// A process that may have so many descriptors, for as long as this object lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t most) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit limit{most, before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

int connect_to(const Address& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  return fd;
}

// Connections that say nothing take no more than half of the descriptors; who is in stays in.
TEST_F(Keys, SilentConnectionsAreLimited) {
  constexpr size_t kMost = 60;
  std::optional<End> a;
  {
    const DescriptorLimit few(2 * kMost);
    a.emplace(false, identity(kA));
  }
  zmq::context_t context;
  zmq::socket_t client = dealer(context, *a, kViewer);
  const std::string request = control::encode_request(1, control::HelloRequest{});
  (void)client.send(zmq::buffer(request), zmq::send_flags::none);
  ASSERT_TRUE(wait({&*a}, [&] { return a->callers.size() == 1; }));
  std::vector<int> silent;
  for (size_t i = 0; i < 2 * kMost; ++i) silent.push_back(connect_to(a->transport.listen()));
  ASSERT_TRUE(wait({&*a}, [&] { return a->refusals.size() >= kMost; }));
  for (const Refusal& refusal : a->refusals) {
    EXPECT_EQ(refusal.reason, Reason::kOverLimit);
    EXPECT_EQ(refusal.address, "127.0.0.1");
  }
  (void)client.send(zmq::buffer(request), zmq::send_flags::none);
  ASSERT_TRUE(wait({&*a}, [&] { return a->callers.size() == 2; }));
  for (const int fd : silent) close(fd);
}

TEST(RateLimit, SoManyASecondAndNoMore) {
  RateLimit limit(10, 100);
  const auto taken = [&](const std::string& who, Duration now) {
    size_t count = 0;
    while (limit.take(who, now)) ++count;
    return count;
  };
  EXPECT_EQ(taken("a", {}), 100u);
  EXPECT_EQ(taken("b", {}), 100u);
  EXPECT_EQ(taken("a", std::chrono::seconds(2)), 20u);
  EXPECT_EQ(taken("a", std::chrono::hours(1)), 100u);
}

TEST(RateLimit, RemembersNoMoreThanTheLimit) {
  RateLimit limit(10, 10);
  for (size_t i = 0; i < limits::kCallers; ++i) EXPECT_TRUE(limit.take(std::to_string(i), {}));
  EXPECT_FALSE(limit.take("one too many", {}));
  EXPECT_TRUE(limit.take("0", {}));
  EXPECT_TRUE(limit.take("one too many", std::chrono::seconds(1)));
}

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(RefusalLog, SaysEachOnceAndNotForEver) {
  const std::string path = testing::TempDir() + "kith-refusals-" + std::to_string(getpid());
  {
    Log log(Log::Level::kQuiet, path);
    RefusalLog refusals(log);
    Member member;
    member.name = "x\nevent=stopped";
    for (int i = 0; i < 3; ++i) {
      refusals.note(Reason::kNoKey, {nullptr, {}, "10.0.0.7"});
      refusals.note(Reason::kForbidden, {&member, {}, "10.0.0.7"});
      refusals.note(Reason::kDuplicate, {&member, {}, "10.0.0.7"});
    }
  }
  const std::string text = text_of(path);
  EXPECT_EQ(std::ranges::count(text, '\n'), 2) << text;
  EXPECT_NE(text.find("reason=no_key address=10.0.0.7"), std::string::npos) << text;
  EXPECT_NE(text.find("reason=forbidden"), std::string::npos) << text;
  EXPECT_EQ(text.find("\nevent=stopped"), std::string::npos) << text;
  std::remove(path.c_str());
  {
    Log log(Log::Level::kQuiet, path);
    RefusalLog refusals(log);
    for (size_t i = 0; i < 2 * limits::kRefusalsLogged; ++i) {
      refusals.note(Reason::kUnknownKey, {nullptr, std::to_string(i), {}});
    }
  }
  EXPECT_EQ(std::ranges::count(text_of(path), '\n'), limits::kRefusalsLogged + 1);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace kith
