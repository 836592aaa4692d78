// The passes of a dense layer beside its matrix products. Row-major matrices of `rows` rows with no
// gap between them; run-time dispatch over the instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kith::layers {

enum class Activation : uint8_t { kNone, kRelu, kTanh };

// z <- activation(z + bias), bias.size() columns.
void bias_activation(Activation activation, std::span<const float> bias, std::span<float> z);

// gradient <- gradient * activation'(z), where `output` = activation(z).
void activation_backward(Activation activation, std::span<const float> output,
                         std::span<float> gradient);

// sums[j] = sum over the rows of x(., j), in ascending order of rows.
void column_sums(std::span<const float> x, std::span<float> sums);

// Adds `bias` to the logits and replaces them by the gradient of the mean cross-entropy,
// (softmax(z) - onehot(label)) / rows. Returns the sum of the losses.
double softmax_cross_entropy(std::span<const float> bias, std::span<const int32_t> labels,
                             std::span<float> logits);

// y = x * scale + shift with a scale and a shift for each feature.
void normalise_bytes(std::span<const uint8_t> x, std::span<const float> scale,
                     std::span<const float> shift, std::span<float> y);
void normalise_floats(std::span<const float> x, std::span<const float> scale,
                      std::span<const float> shift, std::span<float> y);

}  // namespace kith::layers
