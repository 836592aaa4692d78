// Rand-k-Spatial (Jhunjhunwala, Mallick, Gadhikar, Kadhe, Joshi 2021): every node sends rand-k, and
// the hub, which averages N of them, looks at how many copies M_j of value j have come:
//
//   xhat_j = (1/N) (bbar / T(M_j)) sum of the copies,  T(r) = 1 + R (r - 1) / (N - 1)
//   1 / bbar = p sum_{r=1..N} C(N-1, r-1) p^(r-1) (1-p)^(N-r) / T(r),  p = k / n
//
// Unbiased for every T, also with unequal weights in place of 1/N: given that a node sends value j,
// M_j - 1 of the others do, with the binomial law. With R1 = sum_i ||x_i||^2 and R2 = sum_{i != l}
// <x_i, x_l>:
//   E||xhat - mean x||^2 = (bbar^2 (p E1 R1 + p^2 E2 R2) - (R1 + R2)) / N^2
//   E1 = sum_r C(N-1, r-1) p^(r-1) (1-p)^(N-r) / T(r)^2,  E2 likewise with N-2, r-2, p^(r-2)
// T = 1 (R = 0) is rand-k, ||.||^2 (n / k - 1) R1 / N^2; `max` (R = N - 1) best where all vectors
// are equal; `avg` has R = N / 2; `opt:R` the R of the vectors at hand, R2 / R1, is best of all. It
// is given, not estimated: what the hub has are k values of each vector, and an estimate of them
// that chooses its own weights is biased. With R = 0, vectors that have nothing in common, avg and
// max are worse than rand-k (by 10 % and 20 % at N = 10, p = .094).
//
// Wire: that of rand-k. A wire by itself is decoded as rand-k: N = 1 has bbar = n / k and T = 1.
// Needs: all wires of a round in one place (Codec::decode_add_all). No error feedback: what a node
// takes for sent, its wire by itself, is not what the hub makes of it, so the memory would be
// wrong.
//
// Cost: at the hub n / 4 cache lines of counts, and positions are drawn twice.
#include <algorithm>
#include <charconv>

#include "protocol/codec/rand_k.h"
#include "protocol/limits.h"

namespace kith {

namespace {

// Of count independent ones with probability p < 1, in the order 0 .. count. By the ratio of
// neighbours from the largest on, so that no factorial is needed and nothing overflows.
std::vector<double> binomial(size_t count, double p) {
  std::vector<double> mass(count + 1);
  const auto mode = std::min(count, static_cast<size_t>(static_cast<double>(count + 1) * p));
  const double odds = p / (1 - p);
  mass[mode] = 1;
  double total = 1;
  for (size_t r = mode; r < count; ++r) {
    mass[r + 1] = mass[r] * odds * static_cast<double>(count - r) / static_cast<double>(r + 1);
    total += mass[r + 1];
  }
  for (size_t r = mode; r > 0; --r) {
    mass[r - 1] = mass[r] / odds * static_cast<double>(r) / static_cast<double>(count - r + 1);
    total += mass[r - 1];
  }
  for (double& m : mass) m /= total;
  return mass;
}

// R of N vectors, as the operator wants it.
class Correlation {
 public:
  // "1", "max", "avg", "opt:1.5"; nothing for anything else.
  static std::optional<Correlation> parse(const std::string& text) {
    Correlation correlation;
    correlation.text_ = text;
    if (text == "1") return correlation;
    correlation.per_other_ = text == "max" ? 1 : 0;
    correlation.per_node_ = text == "avg" ? 0.5 : 0;
    if (text == "max" || text == "avg") return correlation;
    if (!text.starts_with("opt:")) return std::nullopt;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + 4, end, correlation.fixed_);
    const bool number = error == std::errc() && stop == end;
    // T(N) = 1 + R is a divisor; no vectors have more than N - 1.
    const bool fits = correlation.fixed_ > -1 && correlation.fixed_ <= limits::kNodes;
    return number && fits ? std::optional(correlation) : std::nullopt;
  }

  // T(r) for 1 <= r <= n.
  double divisor(size_t r, size_t n) const {
    if (n == 1) return 1;
    const auto nodes = static_cast<double>(n);
    const double correlation = fixed_ + per_node_ * nodes + per_other_ * (nodes - 1);
    return 1 + correlation * static_cast<double>(r - 1) / (nodes - 1);
  }

  const std::string& text() const { return text_; }

 private:
  double fixed_ = 0;
  double per_node_ = 0;
  double per_other_ = 0;
  std::string text_;
};

class RandKSpatial final : public RandK {
 public:
  RandKSpatial(Share share, Correlation correlation)
      : RandK(share), correlation_(std::move(correlation)) {}

  bool joint() const override { return true; }

  // bbar / T(m)
  std::vector<double> joint_gains(size_t n, size_t k, size_t wires) const override {
    std::vector<double> gains(wires + 1);
    for (size_t m = 1; m <= wires; ++m) gains[m] = 1 / correlation_.divisor(m, wires);
    double mean = gains[wires];  // of 1 / T, where everything is sent
    if (k < n) {
      const double p = static_cast<double>(k) / static_cast<double>(n);
      const std::vector<double> others = binomial(wires - 1, p);
      mean = 0;
      for (size_t m = 1; m <= wires; ++m) mean += p * others[m - 1] * gains[m];
    }
    for (double& gain : gains) gain /= mean;
    return gains;
  }

  std::string describe() const override {
    return "rand-k-spatial:" + share().text() + ":" + correlation_.text();
  }

 private:
  Correlation correlation_;
};

std::unique_ptr<Codec> make_spatial(const std::string& argument, std::unique_ptr<Codec> values) {
  const size_t colon = std::min(argument.find(':'), argument.size());
  const std::optional<Share> share = Share::parse(argument.substr(0, colon));
  const std::optional<Correlation> correlation =
      Correlation::parse(colon < argument.size() ? argument.substr(colon + 1) : "");
  if (!share || !correlation) {
    throw OperatorError(
        "codec \"rand-k-spatial:" + argument +
        "\": wants a fraction in (0, 1] or a count, and 1, max, avg or opt:R with R "
        "above -1, as in \"rand-k-spatial:0.01:avg\" or "
        "\"rand-k-spatial:1000:opt:3.5\"");
  }
  return make_sparse(std::make_unique<RandKSpatial>(*share, *correlation), std::move(values));
}

}  // namespace

extern const CodecInfo rand_k_spatial_codec = {
    .name = "rand-k-spatial",
    .argument = "fraction in (0, 1] or a count:1, max, avg or opt:R",
    .help = "rand-k whose hub decodes all nodes' payloads together; unbiased",
    .example = "rand-k-spatial:0.01:avg",
    .over = make_spatial,
};

}  // namespace kith
