// The floats as they stand: little-endian, 4 bytes each, no header. Encoding shares the block, so a
// message costs no copy; it reads the vector once to refuse NaN and infinity.
#include "protocol/codec.h"
#include "protocol/kernels.h"

namespace kith {

namespace {

class Identity final : public Codec {
 public:
  Status encode(const SharedBuffer& x, Rng&, Pool&, SharedBuffer& wire) const override {
    wire.reset();
    if (!kernels::all_finite(x.floats())) return Reason::kNotFinite;
    wire = x;
    return {};
  }

  Status decode_add(std::span<const std::byte> wire, float scale,
                    std::span<float> y) const override {
    if (Status status = check(wire, y.size()); !status.ok()) return status;
    kernels::axpy_bytes(scale, wire, y);
    return {};
  }

  Status decode_add_all(std::span<const Coded> wires, std::span<float> y) const override {
    for (const Coded& each : wires) {
      if (Status status = check(each.bytes, y.size()); !status.ok()) return status;
    }
    kernels::axpy_all(wires, y);
    return {};
  }

  Status check(std::span<const std::byte> wire, size_t count) const override {
    if (wire.size() < count * sizeof(float)) return Reason::kTruncated;
    if (wire.size() > count * sizeof(float)) return Reason::kOversized;
    return {};
  }

  size_t bytes_per_value() const override { return sizeof(float); }
  std::optional<double> expected_error(std::span<const float>) const override { return 0; }
  bool error_is_of_values() const override { return true; }
  bool lossless() const override { return true; }
  std::string describe() const override { return "identity"; }
};

}  // namespace

extern const CodecInfo identity_codec = {
    .name = "identity",
    .argument = "",
    .help = "the floats as they stand: 4 bytes per value, no copy",
    .example = "identity",
    .make = [](const std::string&) -> std::unique_ptr<Codec> {
      return std::make_unique<Identity>();
    },
};

}  // namespace kith
