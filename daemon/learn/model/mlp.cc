// Multi-layer perceptron under cross-entropy. Weights start by He's rule for ReLU and by Glorot's
// for tanh, biases at 0.
#include <limits>

#include "daemon/learn/dense.h"
#include "protocol/limits.h"
#include "topology/error.h"

namespace kith {

namespace {

using Type = OptionSpec::Type;

constexpr double kAny = std::numeric_limits<double>::infinity();

std::unique_ptr<Model> make(const DataShape& shape, uint32_t, const Options& options) {
  std::vector<size_t> widths = {shape.features};
  for (const double width : options.numbers("hidden")) {
    const auto neurons = static_cast<size_t>(width);
    if (static_cast<double>(neurons) != width) {
      throw OperatorError("model.hidden is " + to_text(options.numbers("hidden")) +
                          ", but must be whole numbers of neurons, such as [128] or [512, 256]");
    }
    widths.push_back(neurons);
  }
  widths.push_back(shape.classes);
  const bool relu = options.text("activation") == "relu";
  auto model = std::make_unique<DenseNetwork>(
      std::move(widths), relu ? layers::Activation::kRelu : layers::Activation::kTanh,
      relu ? DenseNetwork::Start::kHe : DenseNetwork::Start::kGlorot, "layers.");
  if (model->parameters() > limits::kParameters) {
    throw OperatorError("model.hidden gives " + std::to_string(model->parameters()) +
                        " parameters, more than the limit of " +
                        std::to_string(limits::kParameters) + ": make the layers narrower");
  }
  return model;
}

}  // namespace

extern const ModelInfo mlp_model;
const ModelInfo mlp_model = {
    "mlp",
    "dense layers with ReLU or tanh under cross-entropy",
    true,
    {{"hidden", Type::kNumbers, std::vector<double>{128}, "neurons of each hidden layer", 1, 1e6},
     {"activation",
      Type::kText,
      std::string("relu"),
      "of the hidden layers",
      -kAny,
      kAny,
      {"relu", "tanh"}}},
    make};

}  // namespace kith
