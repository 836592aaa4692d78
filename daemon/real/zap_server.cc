#include "daemon/real/zap_server.h"

#include <array>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>
#include <zmq.hpp>

namespace kith {

namespace {

constexpr const char* kEndpoint = "inproc://zeromq.zap.01";
constexpr std::string_view kVersion = "1.0";
constexpr int kAnswersPerDrain = 64;

// version, request, domain, address, routing id, mechanism, key
constexpr size_t kRequestFrames = 7;
enum Frame : size_t { kVersionFrame, kRequest, kDomain, kAddress, kRoute, kMechanism, kKey };

using Frames = std::vector<zmq::message_t>;

// Nothing that does not look like a question about a CURVE key lets anybody in.
bool is_question(const Frames& frames) {
  return frames.size() == kRequestFrames && frames[kVersionFrame].to_string_view() == kVersion &&
         frames[kDomain].to_string_view() == kZapDomain &&
         frames[kMechanism].to_string_view() == "CURVE" && frames[kKey].size() == kKeyBytes;
}

}  // namespace

struct ZapServer::Socket {
  explicit Socket(zmq::context_t& context) : rep(context, zmq::socket_type::rep) {
    rep.set(zmq::sockopt::linger, 0);
    rep.bind(kEndpoint);
  }

  // 200 = come in, 400 = do not come again.
  void answer(const zmq::message_t& request, bool yes, const std::string& user) {
    const std::array<std::string_view, 6> frames = {
        kVersion, request.to_string_view(), yes ? "200" : "400", yes ? "" : "unknown key", user,
        ""};
    for (size_t i = 0; i < frames.size(); ++i) {
      const auto more = i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
      (void)rep.send(zmq::buffer(frames[i]), more | zmq::send_flags::dontwait);
    }
  }

  zmq::socket_t rep;
};

ZapServer::ZapServer(zmq::context_t& context, const Members& members,
                     std::function<void(const Origin&)> refused)
    : members_(members), refused_(std::move(refused)), socket_(std::make_unique<Socket>(context)) {}

ZapServer::~ZapServer() = default;

int ZapServer::fd() const { return socket_->rep.get(zmq::sockopt::fd); }

bool ZapServer::drain() {
  for (int i = 0; i < kAnswersPerDrain; ++i) {
    if (!answer_one()) return false;
  }
  return true;
}

bool ZapServer::answer_one() {
  Frames frames(1);
  if (!socket_->rep.recv(frames[0], zmq::recv_flags::dontwait)) return false;
  while (frames.back().more()) {
    zmq::message_t next;
    (void)socket_->rep.recv(next);
    frames.push_back(std::move(next));
  }
  PublicKey key;
  const bool asked = is_question(frames);
  if (asked) std::memcpy(key.bytes.data(), frames[kKey].data(), kKeyBytes);
  const Member* member = asked ? members_.find(key) : nullptr;
  const zmq::message_t none;
  // The index comes back with every frame of the connection, as its user.
  socket_->answer(frames.size() > kRequest ? frames[kRequest] : none, member != nullptr,
                  member == nullptr ? "" : std::to_string(members_.index_of(*member)));
  if (asked && member == nullptr) {
    refused_({nullptr, key.text(), frames[kAddress].to_string()});
  }
  return true;
}

const Member* ZapServer::sender_of(const zmq::message_t& frame) const {
  const char* user = zmq_msg_gets(frame.handle(), "User-Id");
  if (user == nullptr) return nullptr;
  size_t index = 0;
  const auto [stop, error] = std::from_chars(user, user + std::strlen(user), index);
  return error == std::errc() && stop != user && index < members_.size() ? &members_[index]
                                                                         : nullptr;
}

}  // namespace kith
