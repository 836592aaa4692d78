// Takes the time of what a node encodes and decodes.
#pragma once

#include <chrono>

#include "daemon/node.h"
#include "protocol/codec_meter.h"

namespace kith {

class CodingStopwatch final : public CodecMeter {
 public:
  // The node need not be there yet, only when it codes something.
  explicit CodingStopwatch(Node& node) : node_(node) {}

  void begin() override { begun_ = Clock::now(); }
  void end() override { took_ = Clock::now() - begun_; }
  void encoded(size_t) override { node_.encoded(took_); }
  void decoded(NodeId from, size_t, double share) override {
    node_.decoded(from, from_seconds(seconds(took_) * share));
  }

 private:
  using Clock = std::chrono::steady_clock;

  Node& node_;
  Clock::time_point begun_;
  Duration took_{};
};

}  // namespace kith
