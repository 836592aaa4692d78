// The link that a job's delays describe, in front of the transport: messages wait for the line, fly
// for as long as they should, or are lost. Emulated by the sender; the receiver knows nothing.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "daemon/link_model.h"
#include "daemon/real/loop.h"
#include "protocol/event.h"
#include "protocol/status.h"

namespace kith {

class EmulatedLink {
 public:
  using Arrived = std::function<void(Message&&)>;

  // `arrived` runs on the loop, never inside send(). `loop` and `model` outlive the link.
  EmulatedLink(Loop& loop, const LinkModel& model, uint64_t seed, NodeId self, Arrived arrived);

  // Takes the message on its way. kBackPressure when too many are (limits.h): it is lost.
  Status send(Message&& message);

  uint64_t lost() const { return lost_; }  // messages, by the model's chance

 private:
  struct Held {
    Time at;
    uint64_t number;  // of equal times the first one first
    Message message;
    bool operator>(const Held& other) const {
      return at != other.at ? at > other.at : number > other.number;
    }
  };

  Time now() const { return Time(loop_.now()); }
  void fire();
  void arm();

  Loop& loop_;
  OutgoingLink link_;
  Arrived arrived_;
  std::vector<Held> held_;  // a heap, the earliest in front
  uint64_t sent_ = 0;
  uint64_t lost_ = 0;
  std::unique_ptr<Loop::Timer> timer_;
};

}  // namespace kith
