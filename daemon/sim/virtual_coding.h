// What coding costs in virtual time: so many bytes of floats a second, for every node alike. Nodes
// take turns at it, as they do in the simulator.
#pragma once

#include "daemon/node.h"
#include "protocol/codec_meter.h"

namespace kith {

class VirtualCoding final : public CodecMeter {
 public:
  // Bytes/s of floats; 0 = in no time.
  VirtualCoding(double encode, double decode)
      : encode_seconds_(seconds_of_float(encode)), decode_seconds_(seconds_of_float(decode)) {}

  bool costs() const { return encode_seconds_ > 0 || decode_seconds_ > 0; }

  // What follows is done by `node`, which has spent nothing yet.
  void begin_step(Node& node) {
    node_ = &node;
    spent_ = {};
  }
  Duration spent() const { return spent_; }

  void begin() override {}
  void end() override {}
  void encoded(size_t values) override {
    const Duration takes = from_seconds(encode_seconds_ * static_cast<double>(values));
    node_->encoded(takes);
    spent_ += takes;
  }
  void decoded(NodeId from, size_t values, double) override {
    const Duration takes = from_seconds(decode_seconds_ * static_cast<double>(values));
    node_->decoded(from, takes);
    spent_ += takes;
  }

 private:
  static double seconds_of_float(double rate) { return rate > 0 ? sizeof(float) / rate : 0; }

  double encode_seconds_;
  double decode_seconds_;
  Node* node_ = nullptr;
  Duration spent_{};
};

}  // namespace kith
