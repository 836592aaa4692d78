#include "daemon/learn/privacy.h"

#include "daemon/learn/noise.h"
#include "topology/assert.h"
#include "topology/rng.h"

namespace kith {

void add_private_noise(const PrivacySpec& privacy, const Batch& batch, std::span<float> g) {
  KITH_ASSERT(batch.rows > 0);
  if (privacy.noise == 0) return;
  Rng rng(batch.seed, batch.node, Purpose::kPrivacy, batch.index);
  const double deviation = privacy.noise * privacy.clip / static_cast<double>(batch.rows);
  add_normal(rng, static_cast<float>(deviation), g);
}

}  // namespace kith
