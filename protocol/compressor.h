// One outgoing stream of vectors: a codec and what the stream remembers.
//
// With error feedback (Seide et al. 2014; Stich, Cordonnier, Jaggi 2018; Karimireddy et al. 2019):
//   u = x + s*e    q = C(u)    e = u - decode(q)
// so that the sum of what was sent plus what remains equals the sum of what was given, to rounding.
// Error feedback needs a contraction: an unbiased codec with variance bound w is used as
// C(u) = Q(u / (1 + w)), which is one with delta = 1 / (1 + w) (Beznosikov et al. 2020); without
// this the memory of a coarse quantiser grows without bound.
// `s` rescales the memory where x carries a factor that changes between calls (a learning rate
// taken out of a gradient: s = lr_before / lr_now); 1 otherwise.
//
// Where a share `returning` of x - decode(q) comes back in the next x by itself, because the sender
// keeps it in its own model, the memory holds the rest, so that what is left out comes once:
//   e+ = s*e + (1 - returning) (x - decode(q)) = returning s*e + (1 - returning) (u - decode(q))
#pragma once

#include "protocol/archive.h"
#include "protocol/codec.h"

namespace kith {

// What a stream has sent last, where its codec begins its search there.
class LastSent {
 public:
  Status encode(const Codec& codec, const SharedBuffer& x, Rng& rng, Pool& pool,
                SharedBuffer& wire);
  // C(x) with C a contraction: an unbiased codec gets x / (1 + w).
  Status encode_contraction(const Codec& codec, const SharedBuffer& x, Rng& rng, Pool& pool,
                            SharedBuffer& wire);
  void persist(Archive& archive) { archive.bytes("wire", wire_); }

 private:
  SharedBuffer wire_;  // empty where the codec does not care
};

class Compressor {
 public:
  // The codec must outlive the stream. A lossless codec keeps no memory, whatever is asked.
  Compressor(const Codec& codec, bool error_feedback, float returning = 0);

  // Sets `wire`. One vector of memory with error feedback, allocated from `pool` at the first call.
  Status encode(const SharedBuffer& x, float memory_scale, Rng& rng, Pool& pool,
                SharedBuffer& wire);

  const Codec& codec() const { return *codec_; }

  void persist(Archive& archive) {
    archive.vector("memory", memory_);
    archive.part("last_sent", last_sent_);
  }

  // e; empty where nothing is remembered.
  const SharedBuffer& memory() const { return memory_; }

 private:
  const Codec* codec_;
  bool error_feedback_;
  float returning_;
  SharedBuffer memory_;
  LastSent last_sent_;
};

}  // namespace kith
