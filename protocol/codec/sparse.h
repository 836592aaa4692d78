// Codecs that send some of the values: which ones is a Sparsifier's choice, how their positions are
// written too; their values go through any other codec ("top-k:0.01 | qsgd:15").
//
// Wire, little-endian:
//   u32 n | u32 k | positions, as the sparsifier writes them | k values, as the other codec does
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/codec.h"
#include "protocol/codec/position_sink.h"

namespace kith {

// What is sent of one vector.
struct Chosen {
  Buffer positions;  // as they stand on the wire
  Buffer values;     // floats, in the order in which positions() tells them
};

class Sparsifier {
 public:
  virtual ~Sparsifier() = default;

  // k for a vector of n values; nothing where it depends on the values.
  virtual std::optional<size_t> count(size_t n) const = 0;

  // kNotFinite where any value of x is NaN or infinite, sent or not.
  virtual Status choose(std::span<const float> x, Rng& rng, Pool& pool, Chosen& chosen) const = 0;

  virtual size_t position_bytes(size_t n, size_t k) const = 0;

  // Of `coded`, position_bytes(n, k) long, from anyone: k different indices below n, all of a few
  // thousand neighbours before those behind, or kMalformed after some of them.
  virtual Status positions(std::span<const std::byte> coded, size_t n, size_t k, Pool& pool,
                           PositionSink& sink) const = 0;
  virtual Status check_positions(std::span<const std::byte> coded, size_t n, size_t k) const = 0;

  // w of Codec::variance_bound, with values as they are.
  virtual double variance_bound(size_t /*n*/) const { return 0; }

  // Which values are sent is drawn, each as likely as any other and regardless of x; else x
  // decides.
  virtual bool draws() const { return false; }

  // What the receiver multiplies the values by.
  virtual double gain(size_t /*n*/, size_t /*k*/) const { return 1; }

  // All wires of a round are decoded together: what a value that came from m of `wires` senders is
  // multiplied by stands at m = 0 .. wires of joint_gains, in place of gain().
  virtual bool joint() const { return false; }
  virtual std::vector<double> joint_gains(size_t /*n*/, size_t /*k*/, size_t /*wires*/) const {
    return {};
  }

  virtual std::string describe() const = 0;  // "top-k:0.01"
};

// Sends the positions themselves (elias_fano.h).
class IndexedSparsifier : public Sparsifier {
 public:
  Status choose(std::span<const float> x, Rng& rng, Pool& pool, Chosen& chosen) const final;
  size_t position_bytes(size_t n, size_t k) const final;
  Status positions(std::span<const std::byte> coded, size_t n, size_t k, Pool& pool,
                   PositionSink& sink) const final;
  Status check_positions(std::span<const std::byte> coded, size_t n, size_t k) const final;

 private:
  // Sets `indices` (u32) and `values` to blocks of `pool` of the size of what is chosen.
  virtual Status select(std::span<const float> x, Pool& pool, Buffer& indices,
                        Buffer& values) const = 0;
};

// k as an operator gives it: a count, or a fraction of n, rounded; at least one of any, at most n.
class Share {
 public:
  // "1000", "0.01"; nothing where it is neither a count nor a fraction in (0, 1].
  static std::optional<Share> parse(const std::string& text);

  size_t of(size_t n) const;
  std::string text() const;

 private:
  size_t count_ = 0;  // one of the two is 0
  double fraction_ = 0;
};

std::unique_ptr<Codec> make_sparse(std::unique_ptr<Sparsifier> sparsifier,
                                   std::unique_ptr<Codec> values);

}  // namespace kith
