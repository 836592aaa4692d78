// A chain of dense layers under softmax and cross-entropy: what `softmax` (no hidden layer) and
// `mlp` are. Layer l: H_{l+1} = activation(H_l W_l^T + b_l); W_l is [outputs, inputs], as
// PyTorch's.
//
// One gradient costs 4 rows W flops a layer (2 in the first, whose input gradient nobody needs) and
// rows x (all layer widths) floats of workspace, twice.
#pragma once

#include <string>
#include <vector>

#include "daemon/learn/layers.h"
#include "daemon/learn/model.h"

namespace kith {

class DenseNetwork : public Model {
 public:
  enum class Start : uint8_t { kZero, kHe, kGlorot };

  // `widths`: features, hidden layers, classes. Tensors are named `prefix`(layer), e.g.
  // "layers.0."; an empty prefix serves a single layer ("weight", "bias").
  DenseNetwork(std::vector<size_t> widths, layers::Activation activation, Start start,
               std::string prefix);

  size_t parameters() const override { return offsets_.back(); }
  Layout tensors() const override;
  void initialise(Rng& rng, std::span<float> x) const override;
  double gradient(std::span<const float> x, const Batch& batch, std::span<float> gradient,
                  Workspace& workspace) const override;
  // As fast as gradient(), but for a pass over what it has computed: row r's gradient of layer l is
  // the product of a column of dL/dZ and a row of the layer's input, so that its square is
  // |dL/dZ_r|^2 (|h_r|^2 + 1), bias included (Goodfellow 2015, "Efficient Per-Example Gradient
  // Computations"), and clipped rows are those of dL/dZ made shorter.
  double clipped_gradient(double clip, std::span<const float> x, const Batch& batch,
                          std::span<float> gradient, Workspace& workspace) const override;
  double descend(float rate, std::span<const float> x, const Batch& batch, std::span<float> y,
                 Workspace& workspace) const override;
  Score score(std::span<const float> x, const Batch& batch, Workspace& workspace) const override;

 private:
  size_t layer_count() const { return widths_.size() - 1; }
  size_t weights(size_t layer) const { return widths_[layer] * widths_[layer + 1]; }
  std::span<const float> bias(std::span<const float> x, size_t layer) const;

  // Input of `layer`: the features, or the output of the layer before as forward() left it.
  std::span<const float> input(size_t layer, const Batch& batch, Workspace& workspace) const;
  // dL/dZ of `layer` as backward() left it.
  std::span<float> delta(size_t layer, const Batch& batch, Workspace& workspace) const;
  // dL/dW and dL/db of `layer`, into their places.
  void layer_gradient(size_t layer, std::span<const float> delta, std::span<const float> h,
                      size_t rows, std::span<float> gradient) const;
  // Runs all layers; returns the logits without their bias. Once given up: anything.
  std::span<float> forward(std::span<const float> x, const Batch& batch,
                           Workspace& workspace) const;
  // Forward and back; hands each layer, from the top, to use(layer, dL/dZ, input) once nothing
  // below needs its weights any more. Returns the mean loss.
  template <class Use>
  double backward(std::span<const float> x, const Batch& batch, Workspace& workspace,
                  const Use& use) const;

  std::vector<size_t> widths_;
  std::vector<size_t> offsets_;  // of the weights of each layer, then the end
  layers::Activation activation_;
  Start start_;
  std::string prefix_;
};

}  // namespace kith
