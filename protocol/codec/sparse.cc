#include "protocol/codec/sparse.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "protocol/codec/elias_fano.h"
#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr size_t kHeaderBytes = 8;

std::span<uint32_t> as_indices(Buffer& buffer) {
  return {reinterpret_cast<uint32_t*>(buffer.data()), buffer.size() / sizeof(uint32_t)};
}

uint32_t load_u32(const std::byte* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// The parts of a wire whose sizes are right.
struct Parts {
  size_t k = 0;
  std::span<const std::byte> positions;
  std::span<const std::byte> values;
};

// All positions, one after the other, in a block that has room for them.
class Positions final : public PositionSink {
 public:
  explicit Positions(Buffer& block) : next_(as_indices(block).data()) {}
  void take(std::span<const uint32_t> indices) override {
    next_ = std::ranges::copy(indices, next_).out;
  }

 private:
  uint32_t* next_;
};

// y[index] += factor * value. Each entry of a far vector is a miss in the caches unless it was
// asked for in time: when a block of positions comes its entries are, and those of the block before
// are added.
class ScatterAdd final : public PositionSink {
 public:
  // `values`: floats of any alignment, as many as positions will come.
  ScatterAdd(std::span<const std::byte> values, float factor, float* y)
      : values_(values.data()), factor_(factor), y_(y) {}

  void take(std::span<const uint32_t> indices) override {
    uint32_t* block = blocks_[turn_];
    for (size_t i = 0; i < indices.size(); ++i) {
      block[i] = indices[i];
      // For reading and into the second cache: more of these may be under way at a time than of
      // those into the first, and on a busy memory that halves the time.
      __builtin_prefetch(y_ + indices[i], 0, 2);
    }
    turn_ ^= 1;
    add(blocks_[turn_], waiting_);
    waiting_ = indices.size();
  }

  void finish() {
    add(blocks_[turn_ ^ 1], waiting_);
    waiting_ = 0;
  }

 private:
  void add(const uint32_t* indices, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      float value;
      std::memcpy(&value, values_, sizeof value);
      values_ += sizeof value;
      y_[indices[i]] += factor_ * value;
    }
  }

  const std::byte* values_;
  float factor_;
  float* y_;
  uint32_t blocks_[2][kMost];
  size_t turn_ = 0;     // where the next block is put
  size_t waiting_ = 0;  // positions of the other
};

class Sparse final : public Codec {
 public:
  Sparse(std::unique_ptr<Sparsifier> sparsifier, std::unique_ptr<Codec> values)
      : sparsifier_(std::move(sparsifier)),
        values_(std::move(values)),
        plain_(values_->lossless() && values_->bytes_per_value() == sizeof(float)) {}

  Status encode(const SharedBuffer& x, Rng& rng, Pool& pool, SharedBuffer& wire) const override {
    wire.reset();
    const std::span<const float> all = x.floats();
    KITH_ASSERT(all.size() <= limits::kParameters);
    Chosen chosen;
    if (Status s = sparsifier_->choose(all, rng, pool, chosen); !s.ok()) return s;
    const SharedBuffer sent = std::move(chosen.values).freeze();
    SharedBuffer coded;
    if (Status s = values_->encode(sent, rng, pool, coded); !s.ok()) return s;
    const size_t k = sent.floats().size();
    const size_t position_bytes = chosen.positions.size();
    KITH_ASSERT(position_bytes == sparsifier_->position_bytes(all.size(), k));
    Buffer out = pool.acquire(kHeaderBytes + position_bytes + coded.size());
    const uint32_t header[] = {static_cast<uint32_t>(all.size()), static_cast<uint32_t>(k)};
    std::byte* to = out.data();
    std::memcpy(to, header, sizeof header);
    std::memcpy(to + kHeaderBytes, chosen.positions.data(), position_bytes);
    std::memcpy(to + kHeaderBytes + position_bytes, coded.data(), coded.size());
    wire = std::move(out).freeze();
    return {};
  }

  // Values that are coded are decoded apart, times scale, and then added where they belong.
  Status decode_add(std::span<const std::byte> wire, float scale,
                    std::span<float> y) const override {
    Parts parts;
    if (Status s = split(wire, y.size(), parts); !s.ok()) return s;
    const auto factor = static_cast<float>(scale * sparsifier_->gain(y.size(), parts.k));
    if (plain_) return scatter(parts, parts.values, factor, y);
    Buffer values = scratch_.acquire_floats(parts.k);
    std::ranges::fill(values.floats(), 0.0f);
    if (Status s = values_->decode_add(parts.values, factor, values.floats()); !s.ok()) return s;
    return scatter(parts, values.bytes(), 1, y);
  }

  bool decodes_jointly() const override { return sparsifier_->joint(); }

  // Counts how often each value came, then adds every wire with the gains of its values.
  Status decode_add_all(std::span<const Coded> wires, std::span<float> y) const override {
    if (!decodes_jointly()) return Codec::decode_add_all(wires, y);
    if (wires.empty()) return {};
    Buffer counts = scratch_.acquire(y.size() * sizeof(uint32_t));
    if (!y.empty()) std::memset(counts.data(), 0, counts.size());
    const std::span<uint32_t> times = as_indices(counts);
    for (const Coded& each : wires) {
      Buffer indices;
      if (Status s = unpack(each.bytes, y.size(), indices, nullptr); !s.ok()) return s;
      for (const uint32_t i : as_indices(indices)) ++times[i];
    }
    const std::vector<double> gains =
        sparsifier_->joint_gains(y.size(), *sparsifier_->count(y.size()), wires.size());
    for (const Coded& each : wires) {
      Buffer indices, values;
      if (Status s = unpack(each.bytes, y.size(), indices, &values); !s.ok()) return s;
      const float* value = values.floats().data();
      for (const uint32_t i : as_indices(indices)) {
        y[i] += static_cast<float>(each.scale * gains[times[i]]) * *value++;
      }
    }
    return {};
  }

  Status check(std::span<const std::byte> wire, size_t count) const override {
    Parts parts;
    if (Status s = split(wire, count, parts); !s.ok()) return s;
    return sparsifier_->check_positions(parts.positions, count, parts.k);
  }

  // Of independent ones: the values that are sent carry w of their own codec, (1 + w) of both.
  double variance_bound(size_t n) const override {
    const size_t most = sparsifier_->count(n).value_or(n);
    return (1 + sparsifier_->variance_bound(n)) * (1 + values_->variance_bound(most)) - 1;
  }

  bool sends_some() const override { return true; }
  bool unbiased() const override { return sparsifier_->draws() && values_->unbiased(); }

  std::optional<double> expected_error(std::span<const float> x) const override {
    return sparsifier_->draws() ? error_of_drawn(x) : error_of_chosen(x);
  }

  std::string describe() const override {
    return sparsifier_->describe() + (plain_ ? "" : " | " + values_->describe());
  }

 private:
  Status scatter(const Parts& parts, std::span<const std::byte> values, float factor,
                 std::span<float> y) const {
    ScatterAdd sum(values, factor, y.data());
    const Status status = sparsifier_->positions(parts.positions, y.size(), parts.k, scratch_, sum);
    if (status.ok()) sum.finish();
    return status;
  }

  // With gain g = n / k, values that are sent with probability 1 / g, and an unbiased codec Q:
  //   E|g Q(x_S) - x|^2 = (g - 1) |x|^2 + g^2 E|Q(x_S) - x_S|^2
  // whose last term is g sum_i E(Q(x_i) - x_i)^2 where the error of Q is that of each value. Where
  // it hangs on what else is sent (a norm) there is no closed form.
  std::optional<double> error_of_drawn(std::span<const float> x) const {
    if (!values_->error_is_of_values()) return std::nullopt;
    const std::optional<double> of_values = values_->expected_error(x);
    if (!of_values || x.empty()) return of_values;
    const double gain = sparsifier_->gain(x.size(), *sparsifier_->count(x.size()));
    return (gain - 1) * kernels::squared_norm(x) + gain * *of_values;
  }

  // What stays, and what the codec of the values does to those that are sent.
  std::optional<double> error_of_chosen(std::span<const float> x) const {
    Rng unused(0, NodeId{0}, Purpose::kCodec);
    Chosen chosen;
    if (!sparsifier_->choose(x, unused, scratch_, chosen).ok()) return std::nullopt;
    const std::optional<double> of_values = values_->expected_error(chosen.values.floats());
    if (!of_values) return std::nullopt;
    const size_t k = chosen.values.floats().size();
    Buffer indices = scratch_.acquire(k * sizeof(uint32_t));
    Positions all(indices);
    const Status known =
        sparsifier_->positions(chosen.positions.bytes(), x.size(), k, scratch_, all);
    KITH_ASSERT(known.ok());
    std::vector<float> rest(x.begin(), x.end());
    for (const uint32_t i : as_indices(indices)) rest[i] = 0;
    return kernels::squared_norm(rest) + *of_values;
  }

  // Everything but the positions themselves is checked. Plain values are looked at: they are few.
  Status split(std::span<const std::byte> wire, size_t n, Parts& parts) const {
    if (wire.size() < kHeaderBytes) return Reason::kTruncated;
    if (load_u32(wire.data()) != n) return Reason::kMalformed;
    parts.k = load_u32(wire.data() + 4);
    if (parts.k > n || parts.k != sparsifier_->count(n).value_or(parts.k)) {
      return Reason::kMalformed;
    }
    const size_t position_bytes = sparsifier_->position_bytes(n, parts.k);
    if (wire.size() - kHeaderBytes < position_bytes) return Reason::kTruncated;
    parts.positions = wire.subspan(kHeaderBytes, position_bytes);
    parts.values = wire.subspan(kHeaderBytes + position_bytes);
    if (Status s = values_->check(parts.values, parts.k); !s.ok()) return s;
    return !plain_ || kernels::all_finite_bytes(parts.values) ? Status() : Reason::kNotFinite;
  }

  // The positions of a wire for n values and, where they are wanted, the values as they were sent.
  Status unpack(std::span<const std::byte> wire, size_t n, Buffer& indices, Buffer* values) const {
    Parts parts;
    if (Status s = split(wire, n, parts); !s.ok()) return s;
    indices = scratch_.acquire(parts.k * sizeof(uint32_t));
    Positions all(indices);
    const Status known = sparsifier_->positions(parts.positions, n, parts.k, scratch_, all);
    if (!known.ok() || values == nullptr) return known;
    *values = scratch_.acquire_floats(parts.k);
    std::ranges::fill(values->floats(), 0.0f);
    return values_->decode_add(parts.values, 1.0f, values->floats());
  }

  std::unique_ptr<Sparsifier> sparsifier_;
  std::unique_ptr<Codec> values_;
  bool plain_;            // the values travel as they are
  mutable Pool scratch_;  // decode_add is given none; blocks only, nothing that a result depends on
};

}  // namespace

Status IndexedSparsifier::choose(std::span<const float> x, Rng&, Pool& pool, Chosen& chosen) const {
  Buffer indices;
  if (Status s = select(x, pool, indices, chosen.values); !s.ok()) return s;
  const std::span<const uint32_t> increasing = as_indices(indices);
  chosen.positions = pool.acquire(elias_fano::bytes(x.size(), increasing.size()));
  elias_fano::encode(increasing, x.size(), chosen.positions.bytes());
  return {};
}

size_t IndexedSparsifier::position_bytes(size_t n, size_t k) const {
  return elias_fano::bytes(n, k);
}

Status IndexedSparsifier::positions(std::span<const std::byte> coded, size_t n, size_t k, Pool&,
                                    PositionSink& sink) const {
  return elias_fano::decode(coded, n, k, sink);
}

Status IndexedSparsifier::check_positions(std::span<const std::byte> coded, size_t n,
                                          size_t k) const {
  return elias_fano::check(coded, n, k);
}

std::optional<Share> Share::parse(const std::string& text) {
  const char* const end = text.data() + text.size();
  const auto whole = [&](const std::from_chars_result& result) {
    return result.ec == std::errc() && result.ptr == end;
  };
  Share share;
  if (whole(std::from_chars(text.data(), end, share.count_))) {
    return share.count_ > 0 && share.count_ <= limits::kParameters ? std::optional(share)
                                                                   : std::nullopt;
  }
  share.count_ = 0;
  const bool number = whole(std::from_chars(text.data(), end, share.fraction_));
  return number && share.fraction_ > 0 && share.fraction_ <= 1 ? std::optional(share)
                                                               : std::nullopt;
}

size_t Share::of(size_t n) const {
  if (count_ > 0) return std::min(count_, n);
  const auto rounded = static_cast<size_t>(fraction_ * static_cast<double>(n) + 0.5);
  return std::min(n, std::max(rounded, size_t{1}));
}

std::string Share::text() const {
  if (count_ > 0) return std::to_string(count_);
  if (fraction_ == 1) return "1.0";  // "1" would be a count
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, fraction_);
  KITH_ASSERT(error == std::errc());
  return std::string(text, end);
}

std::unique_ptr<Codec> make_sparse(std::unique_ptr<Sparsifier> sparsifier,
                                   std::unique_ptr<Codec> values) {
  return std::make_unique<Sparse>(std::move(sparsifier), std::move(values));
}

}  // namespace kith
