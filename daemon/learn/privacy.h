// Differentially private gradients of one node (Abadi, Chu, Goodfellow, McMahan, Mironov, Talwar,
// Zhang 2016, "Deep Learning with Differential Privacy", algorithm 1):
//
//   g = (1/B) (sum over the B rows of the batch of g_r min(1, C / |g_r|) + N(0, (sigma C)^2 I))
//
// with g_r the gradient of row r alone. Whatever is made of such gradients afterwards (momentum,
// codecs, memories, averages) tells no more of the rows than they do. What they tell is in
// protocol/theory/privacy.h; the training loss, which nodes report, is not covered.
#pragma once

#include <cstdint>
#include <span>

#include "daemon/learn/model.h"
#include "topology/types.h"

namespace kith {

struct PrivacySpec {
  double clip = 0;      // C, above 0
  double noise = 0;     // sigma, in units of C; 0 = gradients are clipped and nothing else
  double delta = 1e-5;  // that epsilon is stated for
  // Noise and the order of rows come from a number that a real daemon draws for itself and tells
  // nobody; else from the job's seed, so that whoever knows the job can take the noise off again.
  bool secret = true;
};

// g += N(0, (sigma C / rows)^2) in every coordinate, a function of (seed, node, batch index).
void add_private_noise(const PrivacySpec& privacy, const Batch& batch, std::span<float> g);

}  // namespace kith
