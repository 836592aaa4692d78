// Centred clipping (Karimireddy, He, Jaggi 2021, "Learning from History for Byzantine Robust
// Optimization", ICML), over a graph self-centred clipping (He, Karimireddy, Jaggi 2022,
// "Byzantine-Robust Decentralized Learning via ClippedGossip"):
//
//   c <- c + sum_i w_i min(1, tau / |v_i - c|) (v_i - c), `iterations` times; y = c
//
// At a hub c begins at what the rule has said last (0 at first) and w_i are equal shares; over a
// graph c is the node's own vector and w_i are its row of W, so that a neighbour moves the node by
// w_i tau at the most, and doubly stochastic W keeps the average of all nodes where nothing is
// clipped. Bad vectors of weight b move y by b tau an iteration, whatever they hold; b < 1/2.
//
// Without `radius` tau is the median of the others' |v_i - c|, anew for each iteration: with fewer
// bad vectors than half it is no longer than the longest of a good one. (The papers choose tau by
// hand, or from the variance of the good vectors, which nobody knows; the guarantee of the first
// paper is for momentum of the workers: train.momentum with local steps.) With an infinite radius
// and one iteration it is the weighted mean, to rounding.
//
// Keeps: at a hub one vector. Costs: n vectors decoded, two passes over each for every iteration.
#include <cmath>
#include <vector>

#include "protocol/aggregate.h"
#include "protocol/kernels.h"

namespace kith {

namespace {

class CentredClipping final : public AggregateRule {
 public:
  CentredClipping(double radius, size_t iterations) : radius_(radius), iterations_(iterations) {}

  void combine(std::span<const Candidate> candidates, std::span<const float> centre,
               std::span<float> y, Pool& pool) override {
    Buffer spare;  // the centre of the iterations between; y is where the last one ends
    for (size_t k = 0; k < iterations_; ++k) {
      if (k > 0) {
        if (!spare) spare = pool.acquire_floats(y.size());
        kernels::scale(1.0f, y, spare.floats());
      }
      move(candidates, k > 0 ? std::span<const float>(spare.floats()) : centre, y);
    }
  }

 private:
  // y = (1 - sum_i w_i s_i) c + sum_i w_i s_i v_i, with s_i what clips v_i - c.
  void move(std::span<const Candidate> candidates, std::span<const float> centre,
            std::span<float> y) {
    distances_.clear();
    others_.clear();
    for (const Candidate& candidate : candidates) {
      const double squared = centre.empty() ? kernels::squared_norm(candidate.values)
                                            : kernels::squared_distance(candidate.values, centre);
      distances_.push_back(std::sqrt(squared));
      if (candidate.values.data() != centre.data()) others_.push_back(distances_.back());
    }
    double radius = radius_;
    if (radius == 0) radius = others_.empty() ? 0 : median_length(others_);
    weights_.clear();
    double sum = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      weights_.push_back(candidates[i].weight * clip_to(radius, distances_[i]));
      sum += static_cast<double>(weights_.back());
    }
    if (centre.empty()) {
      kernels::scale(weights_[0], candidates[0].values, y);
    } else {
      kernels::scale(static_cast<float>(1 - sum), centre, y);
      kernels::axpy(weights_[0], candidates[0].values, y);
    }
    for (size_t i = 1; i < candidates.size(); ++i) {
      kernels::axpy(weights_[i], candidates[i].values, y);
    }
  }

  double radius_;  // 0 = chosen anew each time
  size_t iterations_;
  std::vector<double> distances_;  // scratch, kept for their capacity
  std::vector<double> others_;
  std::vector<float> weights_;
};

}  // namespace

extern const AggregateInfo centred_clipping_aggregate;
const AggregateInfo centred_clipping_aggregate = {
    .name = "centred-clipping",
    .help =
        "differences to the last result, over a graph to the node's own vector, clipped "
        "(Karimireddy et al. 2021, He et al. 2022)",
    .options = {option_radius("tau: longest difference that counts in full; 0 = their median"),
                {"iterations", OptionSpec::Type::kInteger, int64_t{1}, "times that it is repeated",
                 1, 1000}},
    .make = [](const Options& options) -> std::unique_ptr<AggregateRule> {
      return std::make_unique<CentredClipping>(options.number("radius"),
                                               static_cast<size_t>(options.integer("iterations")));
    },
    .remembers = true,
};

}  // namespace kith
