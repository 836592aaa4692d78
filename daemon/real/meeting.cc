#include "daemon/real/meeting.h"

#include <algorithm>

namespace kith {

namespace {
constexpr Duration kLongestPause = std::chrono::milliseconds(500);
}

Message Meeting::ready(NodeId to, bool question) const {
  Message message;
  message.from = self_;
  message.to = to;
  message.kind = kReady;
  message.scalar = question ? 1 : 0;
  return message;
}

void Meeting::ask(std::vector<Message>& out) const {
  for (const NodeId peer : absent_) out.push_back(ready(peer, true));
}

Duration Meeting::pause() {
  const Duration now = pause_;
  pause_ = std::min(2 * pause_, kLongestPause);
  return now;
}

void Meeting::heard(const Message& message, std::vector<Message>& out) {
  std::erase(absent_, message.from);
  if (message.scalar == 1) out.push_back(ready(message.from, false));
}

}  // namespace kith
