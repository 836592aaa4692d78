// Counter-based random numbers: Philox4x64-10 (Salmon, Moraes, Dror, Shaw, SC'11).
//
// One stream for each (seed, node, purpose, index): a draw added in one place moves nothing
// elsewhere, and batch 17 of node 3 is the same whoever asks for it and when. The distributions are
// ours, since those of the standard library are the implementation's choice.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "topology/types.h"

namespace kith {

// What a stream is for. Append only: the numbers are part of every reproducible result.
enum class Purpose : uint32_t {
  kInitialise = 1,
  kBatch = 2,
  kGradientNoise = 3,
  kCodec = 4,
  kPartition = 5,
  kGraph = 6,
  kComputeDelay = 7,
  kLinkDelay = 8,
  kLinkLoss = 9,
  kSplit = 10,
  kSketch = 11,
  kTest = 12,
  kParticipants = 13,
  kDownlink = 14,
  kMatching = 15,
  kAdversary = 16,
  kPrivacy = 17,
  kMembership = 18,
  kView = 19,
};

class Rng {
 public:
  Rng(uint64_t seed, NodeId node, Purpose purpose, uint64_t index = 0);

  uint64_t next();

  // Uniform in [0, 1): 53 random bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  // Uniform in {0, .., n-1}, exactly unbiased (Lemire 2019). Needs n > 0.
  uint64_t below(uint64_t n);

  double normal();             // mean 0, variance 1 (Box-Muller)
  double exponential();        // mean 1
  double gamma(double shape);  // scale 1 (Marsaglia, Tsang 2000); needs shape > 0

  // Independent N(0, 1), two per Box-Muller draw: about 10 ns each.
  void fill_normal(std::span<float> out);

 private:
  void refill();

  std::array<uint64_t, 4> counter_;
  uint64_t key_;
  std::array<uint64_t, 4> block_{};
  uint32_t used_ = 4;
  double spare_normal_ = 0;
  bool has_spare_ = false;
};

}  // namespace kith
