#include "daemon/real/emulated_link.h"

#include <algorithm>

#include "protocol/limits.h"
#include "protocol/wire.h"

namespace kith {

EmulatedLink::EmulatedLink(Loop& loop, const LinkModel& model, uint64_t seed, NodeId self,
                           Arrived arrived)
    : loop_(loop),
      link_(model, seed, self),
      arrived_(std::move(arrived)),
      timer_(loop.timer([this] { fire(); })) {}

Status EmulatedLink::send(Message&& message) {
  if (held_.size() >= limits::kHeldMessages) return Reason::kBackPressure;
  const std::optional<Time> at = link_.arrival(wire_size(message), now());
  if (!at) {
    ++lost_;
    return {};
  }
  const uint64_t number = sent_++;
  held_.push_back({*at, number, std::move(message)});
  std::ranges::push_heap(held_, std::greater<>());
  if (held_.front().number == number) arm();
  return {};
}

void EmulatedLink::arm() { timer_->arm(std::max(held_.front().at - now(), Duration::zero())); }

void EmulatedLink::fire() {
  while (!held_.empty() && held_.front().at <= now()) {
    std::ranges::pop_heap(held_, std::greater<>());
    Message message = std::move(held_.back().message);
    held_.pop_back();
    arrived_(std::move(message));
  }
  if (!held_.empty()) arm();
}

}  // namespace kith
