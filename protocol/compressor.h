// One outgoing stream of vectors: a codec and what the stream remembers (protocol/memory.h).
//
// kErrorFeedback (Seide et al. 2014; Stich, Cordonnier, Jaggi 2018; Karimireddy et al. 2019):
//   u = x + s*e    q = C(u)    e = u - decode(q)
// so that the sum of what was sent plus what remains equals the sum of what was given, to rounding.
// `s` rescales the memory where x carries a factor that changes between calls (a learning rate
// taken out of a gradient: s = lr_before / lr_now); 1 otherwise.
// Where a share `returning` of x - decode(q) comes back in the next x by itself, because the sender
// keeps it in its own model, the memory holds the rest, so that what is left out comes once:
//   e+ = s*e + (1 - returning) (x - decode(q)) = returning s*e + (1 - returning) (u - decode(q))
//
// kEf21 (Richtarik, Sokolov, Fatkhullin 2021; with momentum m Fatkhullin, Tyurin, Richtarik 2023):
//   v = m v + (1 - m) x    q = C(v - h)    h += decode(q)
// The receiver adds q to an h of its own, which is what x stands for there.
//
// kDgc (Lin, Han, Mao, Wang, Dally 2018):
//   u = m u + clip(x)    v = s*v + u    q = C(v)    v -= decode(q), and u = 0 where q is not
// Momentum is summed up before it is sent, and forgotten with what was sent.
//
// A memory needs a contraction: an unbiased codec with variance bound w is used as
// C(u) = Q(u / (1 + w)), which is one with delta = 1 / (1 + w) (Beznosikov et al. 2020); without
// this the memory of a coarse quantiser grows without bound.
#pragma once

#include "protocol/archive.h"
#include "protocol/codec.h"
#include "protocol/memory.h"

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
  Compressor(const Codec& codec, const MemorySpec& memory, float returning = 0);

  // Of what comes next; loses something where the first one did.
  void use(const Codec& codec) { codec_ = &codec; }

  // Sets `wire`. One vector of memory, two with momentum, allocated from `pool` at the first call.
  Status encode(const SharedBuffer& x, float memory_scale, Rng& rng, Pool& pool,
                SharedBuffer& wire);

  void persist(Archive& archive) {
    archive.vector("memory", memory_);
    archive.vector("momentum", momentum_);
    archive.part("last_sent", last_sent_);
  }

  // e, h or v; empty where nothing is remembered.
  const SharedBuffer& memory() const { return memory_; }
  // v of kEf21, u of kDgc; empty without momentum.
  const SharedBuffer& momentum() const { return momentum_; }

 private:
  Status encode_sum(const SharedBuffer& x, float memory_scale, Rng& rng, Pool& pool,
                    SharedBuffer& wire);
  Status encode_difference(const SharedBuffer& x, Rng& rng, Pool& pool, SharedBuffer& wire);
  Status encode_accumulated(const SharedBuffer& x, float memory_scale, Rng& rng, Pool& pool,
                            SharedBuffer& wire);
  void add_decoded(const SharedBuffer& wire, float scale, std::span<float> y) const;

  const Codec* codec_;
  MemorySpec spec_;
  float returning_;
  SharedBuffer memory_;
  SharedBuffer momentum_;
  LastSent last_sent_;
};

}  // namespace kith
