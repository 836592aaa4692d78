// Multinomial logistic regression: one dense layer, cross-entropy, from zero. Convex, so that all
// nodes agree on the optimum; p = classes x (features + 1).
#include "daemon/learn/dense.h"

namespace kith {

namespace {

std::unique_ptr<Model> make(const DataShape& shape, uint32_t, const Options&) {
  return std::make_unique<DenseNetwork>(std::vector<size_t>{shape.features, shape.classes},
                                        layers::Activation::kNone, DenseNetwork::Start::kZero, "");
}

}  // namespace

extern const ModelInfo softmax_model;
const ModelInfo softmax_model = {
    "softmax", "linear classifier with bias under cross-entropy", true, {}, make};

}  // namespace kith
