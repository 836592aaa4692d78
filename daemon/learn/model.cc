#include "daemon/learn/model.h"

#include <algorithm>
#include <cmath>

#include "daemon/learn/slots.h"
#include "protocol/kernels.h"

namespace kith {

double Model::clipped_gradient(double clip, std::span<const float> x, const Batch& batch,
                               std::span<float> gradient, Workspace& workspace) const {
  std::ranges::fill(gradient, 0.0f);
  const size_t width = batch.features.size() / batch.rows;
  const std::span<float> features = workspace.take(slots::kRow, width);
  const std::span<float> g = workspace.take(slots::kRowGradient, gradient.size());
  Batch one = batch;
  one.rows = 1;
  double loss = 0;
  for (size_t r = 0; r < batch.rows && !workspace.given_up(); ++r) {
    std::ranges::copy(batch.features.subspan(r * width, width), features.begin());
    one.features = features;
    one.labels = batch.labels.subspan(r, 1);
    loss += this->gradient(x, one, g, workspace);
    const double length = std::sqrt(kernels::squared_norm(g));
    const double kept = length > clip ? clip / length : 1;
    kernels::axpy(static_cast<float>(kept / static_cast<double>(batch.rows)), g, gradient);
  }
  return loss / static_cast<double>(batch.rows);
}

double Model::descend(float rate, std::span<const float> x, const Batch& batch, std::span<float> y,
                      Workspace& workspace) const {
  const std::span<float> g = workspace.take(slots::kGradient, x.size());
  const double loss = gradient(x, batch, g, workspace);
  kernels::add_scaled(x, -rate, g, y);
  return loss;
}

}  // namespace kith
