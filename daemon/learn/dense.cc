#include "daemon/learn/dense.h"

#include <algorithm>
#include <cmath>

#include "daemon/learn/gemm.h"
#include "daemon/learn/slots.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

// Of layer l: its output, and the gradient of it where it is hidden.
size_t output_slot(size_t layer) { return slots::kModel + 2 * layer; }
size_t gradient_slot(size_t layer) { return slots::kModel + 2 * layer + 1; }

}  // namespace

DenseNetwork::DenseNetwork(std::vector<size_t> widths, layers::Activation activation, Start start,
                           std::string prefix)
    : widths_(std::move(widths)),
      activation_(activation),
      start_(start),
      prefix_(std::move(prefix)) {
  KITH_ASSERT(widths_.size() >= 2);
  offsets_.push_back(0);
  for (size_t l = 0; l < layer_count(); ++l) {
    offsets_.push_back(offsets_.back() + weights(l) + widths_[l + 1]);
  }
}

Layout DenseNetwork::tensors() const {
  Layout specs;
  for (size_t l = 0; l < layer_count(); ++l) {
    const std::string name = prefix_.empty() ? "" : prefix_ + std::to_string(l) + ".";
    specs.push_back({name + "weight", {widths_[l + 1], widths_[l]}});
    specs.push_back({name + "bias", {widths_[l + 1]}});
  }
  return specs;
}

// He et al. 2015 (N(0, 2 / inputs), for ReLU); Glorot, Bengio 2010 (N(0, 2 / (inputs + outputs)));
// biases 0. The last layer, which has no activation, starts by Glorot's rule.
void DenseNetwork::initialise(Rng& rng, std::span<float> x) const {
  std::ranges::fill(x, 0.0f);
  if (start_ == Start::kZero) return;
  for (size_t l = 0; l < layer_count(); ++l) {
    const std::span<float> weight = x.subspan(offsets_[l], weights(l));
    const bool he = start_ == Start::kHe && l + 1 < layer_count();
    const size_t fan = he ? widths_[l] : widths_[l] + widths_[l + 1];
    const float deviation = std::sqrt(2.0f / static_cast<float>(fan));
    rng.fill_normal(weight);
    for (float& w : weight) w *= deviation;
  }
}

std::span<const float> DenseNetwork::bias(std::span<const float> x, size_t layer) const {
  return x.subspan(offsets_[layer] + weights(layer), widths_[layer + 1]);
}

std::span<const float> DenseNetwork::input(size_t layer, const Batch& batch,
                                           Workspace& workspace) const {
  if (layer == 0) return batch.features;
  return workspace.take(output_slot(layer - 1), batch.rows * widths_[layer]);
}

std::span<float> DenseNetwork::forward(std::span<const float> x, const Batch& batch,
                                       Workspace& workspace) const {
  std::span<float> output;
  for (size_t l = 0; l < layer_count() && !workspace.given_up(); ++l) {
    const size_t in = widths_[l];
    const size_t out = widths_[l + 1];
    output = workspace.take(output_slot(l), batch.rows * out);
    gemm_nt(batch.rows, out, in, {input(l, batch, workspace).data(), in},
            {x.data() + offsets_[l], in}, output.data(), out);
    if (l + 1 < layer_count()) layers::bias_activation(activation_, bias(x, l), output);
  }
  return output;
}

template <class Use>
double DenseNetwork::backward(std::span<const float> x, const Batch& batch, Workspace& workspace,
                              const Use& use) const {
  KITH_ASSERT(x.size() == parameters() && batch.rows > 0);
  const size_t top = layer_count() - 1;
  std::span<float> delta = forward(x, batch, workspace);
  if (workspace.given_up()) return 0;
  const double loss = layers::softmax_cross_entropy(bias(x, top), batch.labels, delta);
  for (size_t l = top; l > 0 && !workspace.given_up(); --l) {
    const size_t in = widths_[l];
    const size_t out = widths_[l + 1];
    const std::span<const float> h = input(l, batch, workspace);
    const std::span<float> below = workspace.take(gradient_slot(l - 1), batch.rows * in);
    gemm_nn(batch.rows, in, out, {delta.data(), out}, {x.data() + offsets_[l], in}, below.data(),
            in);
    use(l, delta, h);
    layers::activation_backward(activation_, h, below);
    delta = below;
  }
  if (workspace.given_up()) return 0;
  use(0, delta, input(0, batch, workspace));
  return loss / static_cast<double>(batch.rows);
}

std::span<float> DenseNetwork::delta(size_t layer, const Batch& batch, Workspace& workspace) const {
  const bool top = layer + 1 == layer_count();
  return workspace.take(top ? output_slot(layer) : gradient_slot(layer),
                        batch.rows * widths_[layer + 1]);
}

void DenseNetwork::layer_gradient(size_t layer, std::span<const float> delta,
                                  std::span<const float> h, size_t rows,
                                  std::span<float> gradient) const {
  const size_t in = widths_[layer];
  const size_t out = widths_[layer + 1];
  gemm_tn(out, in, rows, {delta.data(), out}, {h.data(), in}, gradient.data() + offsets_[layer],
          in);
  layers::column_sums(delta, gradient.subspan(offsets_[layer] + weights(layer), out));
}

double DenseNetwork::gradient(std::span<const float> x, const Batch& batch,
                              std::span<float> gradient, Workspace& workspace) const {
  KITH_ASSERT(gradient.size() == parameters());
  return backward(x, batch, workspace,
                  [&](size_t l, std::span<const float> delta, std::span<const float> h) {
                    layer_gradient(l, delta, h, batch.rows, gradient);
                  });
}

double DenseNetwork::clipped_gradient(double clip, std::span<const float> x, const Batch& batch,
                                      std::span<float> gradient, Workspace& workspace) const {
  KITH_ASSERT(gradient.size() == parameters());
  const std::span<float> squares = workspace.take(slots::kRow, batch.rows);
  std::ranges::fill(squares, 0.0f);
  const auto row = [](std::span<const float> matrix, size_t r, size_t width) {
    return matrix.subspan(r * width, width);
  };
  const auto add_squares = [&](size_t l, std::span<const float> delta, std::span<const float> h) {
    for (size_t r = 0; r < batch.rows; ++r) {
      const double d = kernels::squared_norm(row(delta, r, widths_[l + 1]));
      squares[r] += static_cast<float>(d * (kernels::squared_norm(row(h, r, widths_[l])) + 1));
    }
  };
  const double loss = backward(x, batch, workspace, add_squares);
  if (workspace.given_up()) return 0;
  // dL/dZ is that of the mean loss: a row's own is as many times as long as there are rows.
  const double clip_of_share = clip / static_cast<double>(batch.rows);
  for (size_t l = 0; l < layer_count(); ++l) {
    const size_t out = widths_[l + 1];
    const std::span<float> d = delta(l, batch, workspace);
    for (size_t r = 0; r < batch.rows; ++r) {
      const double length = std::sqrt(static_cast<double>(squares[r]));
      if (length <= clip_of_share) continue;
      const std::span<float> shortened = d.subspan(r * out, out);
      kernels::scale(static_cast<float>(clip_of_share / length), shortened, shortened);
    }
    layer_gradient(l, d, input(l, batch, workspace), batch.rows, gradient);
  }
  return loss;
}

double DenseNetwork::descend(float rate, std::span<const float> x, const Batch& batch,
                             std::span<float> y, Workspace& workspace) const {
  KITH_ASSERT(y.size() == parameters());
  return backward(
      x, batch, workspace, [&](size_t l, std::span<const float> delta, std::span<const float> h) {
        const size_t in = widths_[l];
        const size_t out = widths_[l + 1];
        gemm_tn_step(out, in, batch.rows, {delta.data(), out}, {h.data(), in}, rate,
                     x.data() + offsets_[l], y.data() + offsets_[l]);
        const std::span<float> sums = workspace.take(slots::kGradient, out);
        layers::column_sums(delta, sums);
        kernels::add_scaled(bias(x, l), -rate, sums, y.subspan(offsets_[l] + weights(l), out));
      });
}

Model::Score DenseNetwork::score(std::span<const float> x, const Batch& batch,
                                 Workspace& workspace) const {
  KITH_ASSERT(x.size() == parameters());
  Score score;
  const std::span<float> logits = forward(x, batch, workspace);
  const size_t classes = widths_.back();
  const std::span<const float> b = bias(x, layer_count() - 1);
  layers::bias_activation(layers::Activation::kNone, b, logits);
  for (size_t r = 0; r < batch.rows; ++r) {
    const std::span<const float> row = logits.subspan(r * classes, classes);
    const auto largest = std::ranges::max_element(row);
    double sum = 0;
    for (const float z : row) sum += std::exp(static_cast<double>(z) - *largest);
    const auto label = static_cast<size_t>(batch.labels[r]);
    score.loss += std::log(sum) - (static_cast<double>(row[label]) - *largest);
    score.correct += static_cast<size_t>(largest - row.begin()) == label;
  }
  return score;
}

}  // namespace kith
