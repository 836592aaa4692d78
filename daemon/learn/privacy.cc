#include "daemon/learn/privacy.h"

#include "daemon/learn/slots.h"
#include "protocol/kernels.h"
#include "topology/assert.h"
#include "topology/rng.h"

namespace kith {

void add_private_noise(const PrivacySpec& privacy, const Batch& batch, std::span<float> g,
                       Workspace& workspace) {
  KITH_ASSERT(batch.rows > 0);
  if (privacy.noise == 0) return;
  const std::span<float> noise = workspace.take(slots::kNoise, g.size());
  Rng rng(batch.seed, batch.node, Purpose::kPrivacy, batch.index);
  rng.fill_normal(noise);
  const double deviation = privacy.noise * privacy.clip / static_cast<double>(batch.rows);
  kernels::axpy(static_cast<float>(deviation), noise, g);
}

}  // namespace kith
