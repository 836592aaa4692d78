#include "daemon/learn/model.h"

#include "daemon/learn/slots.h"
#include "protocol/kernels.h"

namespace kith {

double Model::descend(float rate, std::span<const float> x, const Batch& batch, std::span<float> y,
                      Workspace& workspace) const {
  const std::span<float> g = workspace.take(slots::kGradient, x.size());
  const double loss = gradient(x, batch, g, workspace);
  kernels::add_scaled(x, -rate, g, y);
  return loss;
}

}  // namespace kith
