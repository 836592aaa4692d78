// The exact laboratory: f_i(x) = h_i / 2 (x - b_i)^2 on node i, in `replicas` independent copies
// side by side (one coordinate each), so that variances are measured over many runs at once.
//
//   gradient_j = (h_i + xi1_j)(x_j - b_i) + xi2_j,   Var xi1 = slope_noise, Var xi2 = sigma^2
//
// The loss is the mean of f_i over the replicas, without noise; so is the gradient of an exact
// batch. No data, no accuracy. The optimum of the mean of all f_i is sum h_i b_i / sum h_i.
#include <algorithm>
#include <cmath>
#include <limits>

#include "daemon/learn/model.h"
#include "daemon/learn/slots.h"
#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

namespace {

using Type = OptionSpec::Type;

constexpr double kAny = std::numeric_limits<double>::infinity();

// One value for all nodes, or one for each.
float of_node(const std::vector<float>& values, NodeId node) {
  return values.size() == 1 ? values[0] : values[index_of(node)];
}

std::vector<float> per_node(const Options& options, const char* key, uint32_t nodes) {
  const std::vector<double>& given = options.numbers(key);
  if (given.size() != 1 && given.size() != nodes) {
    throw OperatorError("model." + std::string(key) + " has " + std::to_string(given.size()) +
                        " numbers, but must have one, or one for each of the " +
                        std::to_string(nodes) + " nodes");
  }
  return {given.begin(), given.end()};
}

class Quadratic : public Model {
 public:
  Quadratic(uint32_t nodes, const Options& options)
      : replicas_(static_cast<size_t>(options.integer("replicas"))),
        curvature_(per_node(options, "curvature", nodes)),
        offset_(per_node(options, "offset", nodes)),
        offset_step_(options.text("offsets") == "index" ? 1.0f : 0.0f),
        noise_(static_cast<float>(options.number("noise"))),
        slope_deviation_(static_cast<float>(std::sqrt(options.number("slope_noise")))),
        start_(static_cast<float>(options.number("start"))) {}

  size_t parameters() const override { return replicas_; }
  Layout tensors() const override { return {{"x", {replicas_}}}; }
  bool needs_data() const override { return false; }

  void initialise(Rng&, std::span<float> x) const override { std::ranges::fill(x, start_); }

  double gradient(std::span<const float> x, const Batch& batch, std::span<float> gradient,
                  Workspace& workspace) const override {
    KITH_ASSERT(x.size() == replicas_ && gradient.size() == replicas_);
    const float h = of_node(curvature_, batch.node);
    const float b = offset(batch.node);
    Rng rng(batch.seed, batch.node, Purpose::kGradientNoise, batch.index);
    if (noise_ > 0 && !batch.exact) {
      rng.fill_normal(gradient);
      for (size_t j = 0; j < replicas_; ++j) gradient[j] = h * (x[j] - b) + noise_ * gradient[j];
    } else {
      for (size_t j = 0; j < replicas_; ++j) gradient[j] = h * (x[j] - b);
    }
    if (slope_deviation_ > 0 && !batch.exact) {
      const std::span<float> slope = workspace.take(slots::kModel, replicas_);
      rng.fill_normal(slope);
      for (size_t j = 0; j < replicas_; ++j) {
        gradient[j] += slope_deviation_ * slope[j] * (x[j] - b);
      }
    }
    return loss(x, batch.node);
  }

  // As of one row.
  Score score(std::span<const float> x, const Batch& batch, Workspace&) const override {
    return {loss(x, batch.node), 0};
  }

 private:
  float offset(NodeId node) const {
    return of_node(offset_, node) + offset_step_ * static_cast<float>(index_of(node));
  }

  double loss(std::span<const float> x, NodeId node) const {
    const float b = offset(node);
    double sum = 0;
    for (const float value : x) {
      const double distance = static_cast<double>(value) - b;
      sum += distance * distance;
    }
    return 0.5 * of_node(curvature_, node) * sum / static_cast<double>(replicas_);
  }

  size_t replicas_;
  std::vector<float> curvature_;
  std::vector<float> offset_;
  float offset_step_;  // b_i = offset + this * i
  float noise_;
  float slope_deviation_;
  float start_;
};

std::unique_ptr<Model> make(const DataShape&, uint32_t nodes, const Options& options) {
  return std::make_unique<Quadratic>(nodes, options);
}

}  // namespace

extern const ModelInfo quadratic_model;
const ModelInfo quadratic_model = {
    "quadratic",
    "exact laboratory: f_i(x) = h_i/2 (x - b_i)^2 with chosen gradient noise, no data",
    false,
    {{"replicas", Type::kInteger, int64_t{1}, "independent copies = parameters", 1, 1e9},
     {"curvature", Type::kNumbers, std::vector<double>{1}, "h: one, or one for each node", 0},
     {"offset", Type::kNumbers, std::vector<double>{0}, "b: one, or one for each node"},
     {"offsets",
      Type::kText,
      std::string("same"),
      "\"index\" adds the node's index to b",
      -kAny,
      kAny,
      {"same", "index"}},
     {"noise", Type::kNumber, 0.0, "standard deviation of the additive gradient noise", 0},
     {"slope_noise", Type::kNumber, 0.0, "variance of the noise on the curvature", 0},
     {"start", Type::kNumber, 0.0, "initial x"}},
    make};

}  // namespace kith
