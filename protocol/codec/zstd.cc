// The wire of another codec packed without loss (Zstandard, RFC 8878): the last stage of a chain,
// "top-k:0.01 | qsgd:15 | zstd"; alone it packs the floats themselves.
//
// Wire, little-endian:
//   u64 bytes of the frame | one Zstandard frame that tells the size of its content
//
// Pays where bytes repeat: vectors with zeros, few levels, bf16 (its upper bytes are exponents).
// What is coded to the last bit already (positions, QSGD of few levels) hardly shrinks.
//
// A frame of a few bytes may claim any size: none is unpacked that claims more than two vectors and
// 4 KiB, which no codec writes.
//
// Cost: that of the other codec, and some 0.5 GB/s to pack, 1 GB/s to unpack, each time that a wire
// is checked or decoded. The bytes depend on the version of libzstd; what they decode to does not.
#include <zstd.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "protocol/codec.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr size_t kHeaderBytes = sizeof(uint64_t);
constexpr int kDefaultLevel = 1;
constexpr int kLargestLevel = 19;

constexpr size_t most_bytes(size_t count) { return 2 * count * sizeof(float) + 4096; }

struct Free {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// Working memory of libzstd, made once for each thread that is at it at the same time. No result
// depends on what was done with it before.
template <class Context>
class Contexts {
 public:
  using Owned = std::unique_ptr<Context, Free>;

  explicit Contexts(Context* (*make)()) : make_(make) {}

  template <class Use>
  size_t with(Use use) {
    Owned context = take();
    KITH_ASSERT(context != nullptr);
    const size_t result = use(context.get());
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(context));
    return result;
  }

 private:
  Owned take() {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) return Owned(make_());
    Owned context = std::move(idle_.back());
    idle_.pop_back();
    return context;
  }

  Context* (*make_)();
  std::mutex mutex_;
  std::vector<Owned> idle_;
};

class Zstd final : public Codec {
 public:
  Zstd(int level, std::unique_ptr<Codec> inner)
      : level_(level),
        inner_(std::move(inner)),
        plain_(inner_->lossless() && inner_->bytes_per_value() == sizeof(float)) {}

  Status encode(const SharedBuffer& x, Rng& rng, Pool& pool, SharedBuffer& wire) const override {
    return encode_after({}, x, rng, pool, wire);
  }

  Status encode_after(std::span<const std::byte> previous, const SharedBuffer& x, Rng& rng,
                      Pool& pool, SharedBuffer& wire) const override {
    wire.reset();
    Buffer before;
    if (!inner_->warm_starts() || !unpack(previous, x.floats().size(), before).ok()) before = {};
    SharedBuffer whole;
    if (Status s = inner_->encode_after(before.bytes(), x, rng, pool, whole); !s.ok()) return s;
    KITH_ASSERT(whole.size() <= most_bytes(x.floats().size()));
    const size_t room = ZSTD_compressBound(whole.size());
    Buffer out = pool.acquire(kHeaderBytes + room);
    const uint64_t size = packers_.with([&](ZSTD_CCtx* context) {
      return ZSTD_compressCCtx(context, out.data() + kHeaderBytes, room, whole.data(), whole.size(),
                               level_);
    });
    KITH_ASSERT(!ZSTD_isError(size));
    std::memcpy(out.data(), &size, sizeof size);
    out.resize(kHeaderBytes + size);
    wire = std::move(out).freeze();
    return {};
  }

  Status decode_add(std::span<const std::byte> wire, float scale,
                    std::span<float> y) const override {
    Buffer whole;
    if (Status s = unpack(wire, y.size(), whole); !s.ok()) return s;
    return inner_->decode_add(whole.bytes(), scale, y);
  }

  bool decodes_jointly() const override { return inner_->decodes_jointly(); }

  Status decode_add_all(std::span<const Coded> wires, std::span<float> y) const override {
    std::vector<Buffer> whole(wires.size());
    std::vector<Coded> inside;
    for (size_t i = 0; i < wires.size(); ++i) {
      if (Status s = unpack(wires[i].bytes, y.size(), whole[i]); !s.ok()) return s;
      inside.push_back({whole[i].bytes(), wires[i].scale});
    }
    return inner_->decode_add_all(inside, y);
  }

  Status check(std::span<const std::byte> wire, size_t count) const override {
    Buffer whole;
    if (Status s = unpack(wire, count, whole); !s.ok()) return s;
    return inner_->check(whole.bytes(), count);
  }

  double variance_bound(size_t n) const override { return inner_->variance_bound(n); }
  std::optional<double> expected_error(std::span<const float> x) const override {
    return inner_->expected_error(x);
  }
  bool error_is_of_values() const override { return inner_->error_is_of_values(); }
  bool lossless() const override { return inner_->lossless(); }
  bool unbiased() const override { return inner_->unbiased(); }
  bool sends_some() const override { return inner_->sends_some(); }
  bool warm_starts() const override { return inner_->warm_starts(); }

  std::string describe() const override {
    return (plain_ ? "" : inner_->describe() + " | ") + "zstd:" + std::to_string(level_);
  }

 private:
  // `wire` holds a frame, from anyone, for `count` values; `whole` its content.
  Status unpack(std::span<const std::byte> wire, size_t count, Buffer& whole) const {
    if (wire.size() < kHeaderBytes) return Reason::kTruncated;
    uint64_t size;
    std::memcpy(&size, wire.data(), sizeof size);
    const auto frame = wire.subspan(kHeaderBytes);
    if (frame.size() < size) return Reason::kTruncated;
    if (frame.size() > size) return Reason::kOversized;
    const unsigned long long content = ZSTD_getFrameContentSize(frame.data(), frame.size());
    if (content == ZSTD_CONTENTSIZE_ERROR || content == ZSTD_CONTENTSIZE_UNKNOWN) {
      return Reason::kMalformed;
    }
    if (content > most_bytes(count)) return Reason::kOversized;
    whole = scratch_.acquire(content);
    const size_t written = unpackers_.with([&](ZSTD_DCtx* context) {
      return ZSTD_decompressDCtx(context, whole.data(), whole.size(), frame.data(), frame.size());
    });
    return written == content ? Status() : Reason::kMalformed;
  }

  int level_;
  std::unique_ptr<Codec> inner_;
  bool plain_;  // packs the floats themselves
  mutable Contexts<ZSTD_CCtx> packers_{ZSTD_createCCtx};
  mutable Contexts<ZSTD_DCtx> unpackers_{ZSTD_createDCtx};
  mutable Pool scratch_;  // decode_add is given none; blocks only
};

std::unique_ptr<Codec> make_zstd(const std::string& argument, std::unique_ptr<Codec> inner) {
  int level = kDefaultLevel;
  const char* const end = argument.data() + argument.size();
  if (!argument.empty()) {
    const auto [stop, error] = std::from_chars(argument.data(), end, level);
    if (error != std::errc() || stop != end) level = 0;
  }
  if (level < 1 || level > kLargestLevel) {
    throw OperatorError("codec \"zstd:" + argument +
                        "\": wants a level in 1..19, as in \"zstd:3\", or none: \"zstd\"");
  }
  return std::make_unique<Zstd>(level, std::move(inner));
}

}  // namespace

extern const CodecInfo zstd_codec = {
    .name = "zstd",
    .argument = "level in 1..19; 1 if absent",
    .help = "packs what the codec before it wrote, without loss",
    .example = "zstd",
    .around = make_zstd,
};

}  // namespace kith
