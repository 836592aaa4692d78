#include "protocol/warm_up.h"

#include <charconv>

#include "topology/error.h"

namespace kith {

namespace {

constexpr double kFirst = 0.25;
constexpr int kStages = 4;

// The fraction of "top-k:0.01 | int8"; `rest` is what follows it.
double fraction_of(const std::string& spec, std::string& rest) {
  static const std::string kBegins = "top-k:";
  double fraction = 0;
  if (spec.starts_with(kBegins)) {
    const char* const end = spec.data() + spec.size();
    const auto [stop, error] = std::from_chars(spec.data() + kBegins.size(), end, fraction);
    if (error == std::errc()) rest = spec.substr(static_cast<size_t>(stop - spec.data()));
    if (fraction > 0 && fraction < 1) return fraction;
  }
  throw OperatorError(
      "codec.warm_up needs a codec that begins with a share of the values, such as "
      "\"top-k:0.01\", but codec.kind is \"" +
      spec + "\"");
}

}  // namespace

WarmUp::WarmUp(const std::string& spec, Round rounds) : rounds_(rounds) {
  std::string rest;
  const double target = fraction_of(spec, rest);
  double fraction = kFirst;
  for (int stage = 0; stage < kStages && fraction > target; ++stage, fraction /= 4) {
    stages_.push_back(make_codec("top-k:" + std::to_string(fraction) + rest));
  }
}

const Codec* WarmUp::at(Round round) const {
  if (round >= rounds_ || stages_.empty()) return nullptr;
  return stages_[round * stages_.size() / rounds_].get();
}

void WarmUp::measure_by(CodecMeter* meter) {
  for (const auto& stage : stages_) stage->measure_by(meter);
}

}  // namespace kith
