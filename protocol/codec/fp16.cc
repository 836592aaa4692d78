// IEEE binary16, little-endian, 2 bytes per value, no header; rounds to the nearest, ties to even.
// A value beyond 65504 is refused as kNotFinite: it would arrive as infinity.
#include "protocol/codec.h"
#include "protocol/float16.h"

namespace kith {

namespace {

class Fp16 final : public Codec {
 public:
  Status encode(const SharedBuffer& x, Rng&, Pool& pool, SharedBuffer& wire) const override {
    wire.reset();
    const std::span<const float> values = x.floats();
    Buffer out = pool.acquire(2 * values.size());
    if (!floats_to_fp16(values, out.bytes())) return Reason::kNotFinite;
    wire = std::move(out).freeze();
    return {};
  }

  Status decode_add(std::span<const std::byte> wire, float scale,
                    std::span<float> y) const override {
    if (Status status = check(wire, y.size()); !status.ok()) return status;
    axpy_fp16(scale, wire, y);
    return {};
  }

  Status check(std::span<const std::byte> wire, size_t count) const override {
    if (wire.size() < 2 * count) return Reason::kTruncated;
    if (wire.size() > 2 * count) return Reason::kOversized;
    return {};
  }

  size_t bytes_per_value() const override { return 2; }
  std::string describe() const override { return "fp16"; }
};

}  // namespace

extern const CodecInfo fp16_codec = {
    .name = "fp16",
    .argument = "",
    .help = "half precision: 2 bytes per value, relative error 2^-11, up to 65504",
    .example = "fp16",
    .make = [](const std::string&) -> std::unique_ptr<Codec> { return std::make_unique<Fp16>(); },
};

}  // namespace kith
