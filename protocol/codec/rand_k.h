// The choice of rand-k (rand_k.cc), for the codecs that share it.
#pragma once

#include "protocol/codec/sparse.h"

namespace kith {

class RandK : public Sparsifier {
 public:
  explicit RandK(Share share) : share_(share) {}

  std::optional<size_t> count(size_t n) const override { return share_.of(n); }
  Status choose(std::span<const float> x, Rng& rng, Pool& pool, Chosen& chosen) const override;
  size_t position_bytes(size_t, size_t) const override { return sizeof(uint64_t); }
  Status positions(std::span<const std::byte> coded, size_t n, size_t k, Pool& pool,
                   PositionSink& sink) const override;
  // Every seed is good.
  Status check_positions(std::span<const std::byte>, size_t, size_t) const override { return {}; }
  double variance_bound(size_t n) const override { return n == 0 ? 0 : gain(n, share_.of(n)) - 1; }
  bool draws() const override { return true; }
  double gain(size_t n, size_t k) const override;
  std::string describe() const override { return "rand-k:" + share_.text(); }

 protected:
  const Share& share() const { return share_; }

 private:
  Share share_;
};

}  // namespace kith
