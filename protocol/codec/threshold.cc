// Every value of at least a given magnitude, |x_i| >= T (Strom 2015; Aji, Heafield 2017 take T from
// the data, which is top-k). The wire is that of sparse.h, with the positions themselves, so its
// size varies with the vector: at most that of all n values, at least 8 bytes.
//
// What stays is below T everywhere: ||C(x) - x||^2 = sum of x_i^2 over |x_i| < T <= (n - k) T^2. No
// delta < 1 holds for every x: one that is below T everywhere stays as a whole. With error feedback
// what stays adds up until it is sent, so the memory is below T everywhere, too.
//
// Cost: two passes that read; the first counts, so that the blocks are of the size that is needed.
#include <charconv>
#include <cmath>

#include "protocol/codec/collect.h"
#include "protocol/codec/sparse.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

class Threshold final : public IndexedSparsifier {
 public:
  explicit Threshold(float least) : least_(least) {}

  std::optional<size_t> count(size_t) const override { return std::nullopt; }

  std::string describe() const override {
    char text[32];
    const auto [end, error] = std::to_chars(text, text + sizeof text, least_);
    KITH_ASSERT(error == std::errc());
    return "threshold:" + std::string(text, end);
  }

 private:
  // NaN and infinity reach every threshold, so they are among what is collected.
  Status select(std::span<const float> x, Pool& pool, Buffer& indices,
                Buffer& values) const override {
    const uint32_t least = magnitude_bits(least_);
    const size_t k = count_reaching(x, least);
    indices = pool.acquire(k * sizeof(uint32_t));
    values = pool.acquire_floats(k);
    const size_t found = collect(x, least, k, k, reinterpret_cast<uint32_t*>(indices.data()),
                                 values.floats().data());
    KITH_ASSERT(found == k);
    return kernels::all_finite(values.floats()) ? Status() : Reason::kNotFinite;
  }

  float least_;  // > 0
};

std::unique_ptr<Codec> make_threshold(const std::string& argument, std::unique_ptr<Codec> values) {
  float least = 0;
  const char* const end = argument.data() + argument.size();
  const auto [stop, error] = std::from_chars(argument.data(), end, least);
  if (error != std::errc() || stop != end || !(least > 0) || !std::isfinite(least)) {
    throw OperatorError("codec \"threshold:" + argument +
                        "\": wants a number above 0, as in \"threshold:0.001\"");
  }
  return make_sparse(std::make_unique<Threshold>(least), std::move(values));
}

}  // namespace

extern const CodecInfo threshold_codec = {
    .name = "threshold",
    .argument = "least magnitude, above 0",
    .help = "every value of at least this magnitude; what stays wants error feedback",
    .example = "threshold:0.01",
    .over = make_threshold,
};

}  // namespace kith
