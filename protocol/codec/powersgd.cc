// Every matrix of the model as a product of two thin ones (PowerSGD: Vogels, Karimireddy, Jaggi
// 2019), by one step of power iteration that goes on where the last message of the stream ended:
//
//   P = orth(M Q)    Q+ = M^T P    decoded: P Q+^T = P P^T M
// (protocol/low_rank.h). A stream whose M stays the same converges to the best approximation of
// rank r. Tensors whose factors would be no smaller, such as vectors, travel as they are. Where no
// layout is known, or for a vector of another length (a part of a model), the values are one matrix
// of about as many rows as columns, filled up with zeros.
//
// Here each node codes its own matrix, on any graph; the algorithm "powersgd" averages the factors
// of all nodes over two exchanges.
//
// Wire, little-endian: u32 number of values | P of all matrices | Q+ of all | the other tensors, as
// f32, in the order of the layout.
//
// Biased: ||C(x) - x||^2 = sum ||M||^2 - ||P^T M||^2 <= ||x||^2; use it with a memory.
//
// Cost: 2 r products of a row with a vector for each row to encode, r to decode. No block but the
// wire's, one of Q's size and one of a row's.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "protocol/codec.h"
#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "protocol/low_rank.h"

namespace kith {

namespace {

constexpr size_t kLargestRank = limits::kRank;
constexpr size_t kHeaderBytes = sizeof(uint32_t);

size_t floats_of(const LowRank& shape) {
  return shape.p_values() + shape.q_values() + shape.plain_values();
}

// The parts of a wire behind its header.
struct Parts {
  Parts(const LowRank& shape, std::span<const std::byte> wire)
      : p(wire.subspan(kHeaderBytes, shape.p_values() * sizeof(float))),
        q(wire.subspan(kHeaderBytes + p.size(), shape.q_values() * sizeof(float))),
        plain(wire.subspan(kHeaderBytes + p.size() + q.size())) {}

  std::span<const std::byte> p, q, plain;
};

class PowerSgd final : public Codec {
 public:
  PowerSgd(size_t rank, Layout layout)
      : rank_(rank), layout_(std::move(layout)), whole_(layout_, values_of(layout_), rank) {}

  Status encode(const SharedBuffer& x, Rng& rng, Pool& pool, SharedBuffer& wire) const override {
    return encode_after({}, x, rng, pool, wire);
  }

  bool warm_starts() const override { return true; }

  Status encode_after(std::span<const std::byte> previous, const SharedBuffer& x, Rng& rng,
                      Pool& pool, SharedBuffer& wire) const override {
    wire.reset();
    const std::span<const float> values = x.floats();
    if (!kernels::all_finite(values)) return Reason::kNotFinite;
    const LowRank shape = shape_of(values.size());
    Buffer start = search_from(shape, previous, values.size(), rng, pool);
    Buffer out = pool.acquire(kHeaderBytes + floats_of(shape) * sizeof(float));
    const auto count = static_cast<uint32_t>(values.size());
    std::memcpy(out.data(), &count, sizeof count);
    const std::span<float> body = out.floats().subspan(1);
    const std::span<float> p = body.first(shape.p_values());
    const std::span<float> q = body.subspan(p.size(), shape.q_values());
    shape.project(values, start.floats(), p);
    if (!kernels::all_finite(p)) return Reason::kNotFinite;  // a sum beyond the range of floats
    shape.orthonormalise(p);
    shape.project_transposed(values, p, q);
    if (!kernels::all_finite(q)) return Reason::kNotFinite;
    shape.take_plain(values, body.subspan(p.size() + q.size()));
    wire = std::move(out).freeze();
    return {};
  }

  Status decode_add(std::span<const std::byte> wire, float scale,
                    std::span<float> y) const override {
    const LowRank shape = shape_of(y.size());
    if (const Status status = check(wire, shape, y.size()); !status.ok()) return status;
    const Parts parts(shape, wire);
    // Wires are of any alignment.
    Buffer factors = scratch_.acquire(parts.p.size() + parts.q.size());
    if (factors.size() > 0) std::memcpy(factors.data(), parts.p.data(), factors.size());
    Buffer row = scratch_.acquire_floats(shape.row_values());
    const std::span<const float> p = factors.floats().first(shape.p_values());
    shape.add_product(p, factors.floats().subspan(p.size()), scale, y, row.floats());
    shape.add_plain(parts.plain, scale, y);
    return {};
  }

  Status check(std::span<const std::byte> wire, size_t count) const override {
    return check(wire, shape_of(count), count);
  }

  std::string describe() const override { return "powersgd:" + std::to_string(rank_); }

 private:
  LowRank shape_of(size_t values) const {
    return values == values_of(layout_) ? whole_ : LowRank(layout_, values, rank_);
  }

  static Status check(std::span<const std::byte> wire, const LowRank& shape, size_t values) {
    const size_t bytes = kHeaderBytes + floats_of(shape) * sizeof(float);
    if (wire.size() < bytes) return Reason::kTruncated;
    if (wire.size() > bytes) return Reason::kOversized;
    uint32_t count;
    std::memcpy(&count, wire.data(), sizeof count);
    if (count != values) return Reason::kMalformed;
    return kernels::all_finite_bytes(wire.subspan(kHeaderBytes)) ? Status() : Reason::kNotFinite;
  }

  // The Q of the stream's last message; random where there is none, or where a column is zero.
  static Buffer search_from(const LowRank& shape, std::span<const std::byte> previous,
                            size_t values, Rng& rng, Pool& pool) {
    Buffer q = pool.acquire_floats(shape.q_values());
    if (!previous.empty() && q.size() > 0 && check(previous, shape, values).ok()) {
      std::memcpy(q.data(), Parts(shape, previous).q.data(), q.size());
    } else {
      std::ranges::fill(q.floats(), 0.0f);
    }
    shape.draw_missing(q.floats(), rng);
    return q;
  }

  size_t rank_;
  Layout layout_;
  LowRank whole_;         // of whole vectors
  mutable Pool scratch_;  // decode_add is given none; blocks only
};

std::unique_ptr<Codec> make_powersgd(const std::string& argument, const Layout& layout) {
  size_t rank = 0;
  const char* const end = argument.data() + argument.size();
  const auto [stop, error] = std::from_chars(argument.data(), end, rank);
  if (error != std::errc() || stop != end || rank < 1 || rank > kLargestRank) {
    throw OperatorError("codec \"powersgd:" + argument + "\": wants a rank in 1.." +
                        std::to_string(kLargestRank) + ", as in \"powersgd:2\"");
  }
  return std::make_unique<PowerSgd>(rank, layout);
}

}  // namespace

extern const CodecInfo powersgd_codec;
const CodecInfo powersgd_codec = {
    .name = "powersgd",
    .argument = "rank in 1..1024",
    .help = "every matrix as a product of two thin ones; biased, wants error feedback",
    .example = "powersgd:2",
    .shaped = make_powersgd,
};

}  // namespace kith
