#include "protocol/coordinator/levels.h"

#include <charconv>

#include "protocol/limits.h"
#include "protocol/theory/error.h"
#include "topology/assert.h"

namespace kith {

namespace {
const std::string kName = "qsgd:";
}

uint32_t Levels::first_of(const std::string& spec) {
  uint32_t levels = 0;
  if (!spec.starts_with(kName)) return 0;
  const char* const end = spec.data() + spec.size();
  const auto [stop, error] = std::from_chars(spec.data() + kName.size(), end, levels);
  return error == std::errc() && spec.find('|') == spec.npos ? levels : 0;
}

Levels::Levels(const Codec& first)
    : first_(&first), begin_(first_of(first.describe())), now_(begin_) {
  KITH_ASSERT(begin_ > 0);
  const std::string spec = first.describe();
  const size_t colon = spec.find(':', kName.size());
  if (colon != spec.npos) bucket_ = spec.substr(colon);
}

void Levels::set(uint32_t levels) {
  KITH_ASSERT(levels >= 1 && levels <= limits::kLevels);
  if (levels == now_) return;
  now_ = levels;
  made_.reset();
  if (now_ == begin_) return;
  made_ = make_codec(kName + std::to_string(now_) + bucket_);
  made_->measure_by(first_->meter());
}

void Levels::observe(double loss) {
  if (!(loss > 0)) return;
  if (first_loss_ == 0) first_loss_ = loss;
  set(adaquant_levels(begin_, loss / first_loss_, limits::kLevels));
}

void Levels::persist(Archive& archive) {
  uint32_t levels = now_;
  archive.number("levels", levels);
  archive.number("first_loss", first_loss_);
  if (levels < 1 || levels > limits::kLevels) return archive.refuse();
  set(levels);
}

double pack_steps_and_levels(uint32_t steps, uint32_t levels) {
  return static_cast<double>(steps) + 0x1p32 * levels;
}

}  // namespace kith
