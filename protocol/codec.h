// A codec turns a vector of floats into bytes and adds it back, scaled. Stateless and shared by
// all nodes; what a stream remembers (error feedback) lives in a Compressor around it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "protocol/buffer.h"
#include "protocol/kernels.h"
#include "protocol/layout.h"
#include "protocol/status.h"
#include "topology/options.h"
#include "topology/rng.h"
#include "topology/types.h"

namespace kith {

class CodecMeter;

class Codec {
 public:
  virtual ~Codec() = default;

  // `x` holds floats. Sets `wire` to its encoding: `x` itself (no copy) for identity, else a block
  // of `pool`. kNotFinite when x holds NaN or infinity (identity included); `wire` is then unset.
  virtual Status encode(const SharedBuffer& x, Rng& rng, Pool& pool, SharedBuffer& wire) const = 0;

  // The same, where `previous` is what this stream has sent last (its own bytes, or none): a codec
  // that warm_starts() begins its search there.
  virtual Status encode_after(std::span<const std::byte> /*previous*/, const SharedBuffer& x,
                              Rng& rng, Pool& pool, SharedBuffer& wire) const {
    return encode(x, rng, pool, wire);
  }
  virtual bool warm_starts() const { return false; }

  // y += scale * decoded. `wire` is untrusted, of any alignment, and must describe exactly
  // y.size() values; on any error y may hold a part of the sum and must be thrown away.
  [[nodiscard]] virtual Status decode_add(std::span<const std::byte> wire, float scale,
                                          std::span<float> y) const = 0;

  // One of several wires, each of another sender, and the weight of what it holds.
  using Coded = kernels::Scaled;

  // y += sum of scale * decoded over `wires`: with the bits of one after the other, unless the
  // codec decodes_jointly() and makes more of them together.
  [[nodiscard]] virtual Status decode_add_all(std::span<const Coded> wires,
                                              std::span<float> y) const;
  virtual bool decodes_jointly() const { return false; }

  // Checks `wire` for `count` values without decoding: decode_add of a wire that passes cannot
  // fail. Structure only: sizes, counts, indices, and the values that scale others. Where values
  // are coded one by one only the size is looked at: that they are finite is the sender's duty, and
  // encode sees to it.
  [[nodiscard]] virtual Status check(std::span<const std::byte> wire, size_t count) const = 0;

  // Bytes per value where values are coded one by one, so that any whole number of them decodes
  // alone; 0 where the wire must be decoded as a whole.
  virtual size_t bytes_per_value() const { return 0; }

  // w of an unbiased codec, E|decode(encode(x)) - x|^2 <= w |x|^2 for every x of at most `n`
  // values; 0 for a contraction (top-k, rounding), whose error is never larger than the vector. In
  // both cases decode(encode(x / (1 + w))) is a contraction.
  virtual double variance_bound(size_t /*n*/) const { return 0; }

  // E decode(encode(x)) = x for every x, over the codec's own randomness.
  virtual bool unbiased() const { return lossless() || variance_bound(1 << 20) > 0; }

  // Sends some of the values; the others are 0 where it is decoded.
  virtual bool sends_some() const { return false; }

  // E|decode(encode(x)) - x|^2 over the codec's own randomness, as its law has it (in real numbers:
  // what floats add is left out); nothing where no closed form is known, or where nothing is random
  // and one encoding shows it. `x` is finite. Costs a few passes over x.
  virtual std::optional<double> expected_error(std::span<const float> /*x*/) const {
    return std::nullopt;
  }

  // Unbiased, and the expected error of a vector is the sum of those of its values, whichever
  // others are coded with them.
  virtual bool error_is_of_values() const { return false; }

  // decode(encode(x)) == x for every finite x, bit for bit.
  virtual bool lossless() const { return false; }

  // As in a job file, with every parameter: "top-k:0.01". Stable; part of goldens.
  virtual std::string describe() const = 0;

  // Who is told of what coding costs (codec_meter.h); null = nobody. Set by a body before anybody
  // else sees the codec, and outlives its use.
  CodecMeter* meter() const { return meter_; }
  void measure_by(CodecMeter* meter) { meter_ = meter; }

 private:
  CodecMeter* meter_ = nullptr;
};

// Decodes a payload of `from` in the chunks in which it came where the codec can, else in one
// piece.
[[nodiscard]] Status decode_add(const Codec& codec, NodeId from, const Payload& payload,
                                float scale, std::span<float> y, Pool& pool);
[[nodiscard]] Status check(const Codec& codec, const Payload& payload, size_t count, Pool& pool);

// One line of codecs.def: CODEC(name) names `const CodecInfo name_codec` in
// protocol/codec/<name>.cc.
struct CodecInfo {
  const char* name;      // "top-k"
  const char* argument;  // "fraction in (0, 1], or a count": what follows the colon; "" = none
  const char* help;      // one line
  const char* example;   // "top-k:0.01": conformance tests and fuzzers run it
  // One of four is set; each throws OperatorError.
  std::unique_ptr<Codec> (*make)(const std::string& argument) = nullptr;
  // Of a codec that sends some of the values: those are coded by `values`.
  std::unique_ptr<Codec> (*over)(const std::string& argument,
                                 std::unique_ptr<Codec> values) = nullptr;
  // Of one that looks at the tensors of the model.
  std::unique_ptr<Codec> (*shaped)(const std::string& argument, const Layout& layout) = nullptr;
  // Of one that packs what `inner` writes.
  std::unique_ptr<Codec> (*around)(const std::string& argument,
                                   std::unique_ptr<Codec> inner) = nullptr;
};

std::span<const CodecInfo* const> all_codecs();

// "identity", "top-k:0.01", "qsgd:15": name and argument; or a chain, "top-k:0.01 | qsgd:15": the
// first sends some of the values, the second codes these. `layout` of the vectors that it will
// code. Throws OperatorError with the known names.
std::unique_ptr<Codec> make_codec(const std::string& spec, const Layout& layout = {});

}  // namespace kith
