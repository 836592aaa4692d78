#include "daemon/store/laboratory.h"

#include <algorithm>
#include <cmath>

#include "protocol/theory/compressed_laboratory.h"
#include "protocol/theory/decentralised_laboratory.h"
#include "protocol/theory/synchronous_laboratory.h"
#include "topology/mixing.h"

namespace kith {

namespace {

// N^3 times rounds; a second or so.
constexpr double kMostWork = 1e9;

Estimate mean_of(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  double mean = 0;
  for (double v : values) mean += v / count;
  double squares = 0;
  for (double v : values) squares += (v - mean) * (v - mean);
  return {mean, count > 1 ? std::sqrt(squares / (count - 1) / count) : 0};
}

Estimate variance_of(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  const double mean = mean_of(values).value;
  double second = 0;
  double fourth = 0;
  for (double v : values) {
    const double square = (v - mean) * (v - mean);
    second += square / count;
    fourth += square * square / count;
  }
  if (count < 2) return {};
  return {second * count / (count - 1), std::sqrt(std::max(0.0, fourth - second * second) / count)};
}

std::vector<double> per_node(const Job& job, const char* key, uint32_t nodes) {
  std::vector<double> values = job.model.options.numbers(key);
  if (values.size() == 1) values.resize(nodes, values[0]);
  return values;
}

// Plain steps of one length, and sums of what honest nodes send.
bool linear(const Job& job) {
  const OptimizerSpec& optimizer = job.train.optimizer;
  const bool sums = job.aggregate.kind == "mean" && job.adversary.kind == "none";
  return sums && !codes_down(job) && optimizer.plain() && !job.train.svrg_period &&
         optimizer.schedule.kind == Schedule::Kind::kConstant &&
         optimizer.schedule.warm_up_steps == 0;
}

bool alike(const std::vector<double>& values) {
  return std::ranges::all_of(values, [&](double value) { return value == values[0]; });
}

// What all nodes of `lab` are, seen from their optimum.
ScalarQuadratic scalar(const Laboratory& lab) {
  return {.curvature = lab.curvature[0],
          .sigma = lab.sigma,
          .slope_noise = lab.slope_noise,
          .rate = lab.rate,
          .start = lab.start - lab.offset[0]};
}

template <class Process>
LaboratoryMoments run(Process process, const Laboratory& lab, Round rounds) {
  for (Round round = 0; round < rounds; ++round) process.step();
  const ScalarMoments& moments = process.moments();
  return {moments.mean + lab.offset[0], moments.variance(), 0};
}

// The share of the values that rand-k sends; nothing for any other codec.
std::optional<double> share_sent(const Codec& codec, size_t values) {
  const std::string text = codec.describe();
  if (!text.starts_with("rand-k:") || text.find('|') != text.npos) return std::nullopt;
  return 1 / (1 + codec.variance_bound(values));
}

// Of lossy codecs one has a second moment that does not depend on what it codes.
std::optional<LaboratoryMoments> predict_coded(const Job& job, const Codec& codec,
                                               const Laboratory& lab, Round rounds) {
  const auto replicas = static_cast<size_t>(job.model.options.integer("replicas"));
  const std::optional<double> share = share_sent(codec, replicas);
  const auto nodes = static_cast<uint32_t>(lab.curvature.size());
  if (!share || job.algorithm.kind != "sync" || !alike(lab.curvature) || !alike(lab.offset)) {
    return std::nullopt;
  }
  const bool error_feedback = job.memory.kind == MemoryKind::kErrorFeedback;
  if (!error_feedback && job.memory.kind != MemoryKind::kNone) return std::nullopt;
  return run(RandKProcess(scalar(lab), nodes, *share, error_feedback), lab, rounds);
}

// Where nodes are alike it does not matter whose K gradients come first, nor when. (Of asynchronous
// SGD theory gives a mean over timings, and a run has one.)
std::optional<LaboratoryMoments> predict_k_gradients(const Laboratory& lab,
                                                     const Options& algorithm, Round rounds) {
  if (algorithm.flag("adasync") || !alike(lab.curvature) || !alike(lab.offset)) return std::nullopt;
  const auto k = static_cast<uint32_t>(algorithm.integer("k"));
  return run(KSyncProcess(scalar(lab), k), lab, rounds);
}

// The rule of an algorithm that gossips and keeps something beside x; nothing for any other.
std::optional<GossipRule> gossip_rule(const std::string& kind, const Options& algorithm) {
  using Kind = GossipRule::Kind;
  if (kind == "d2") return GossipRule{.kind = Kind::kD2};
  if (kind == "extra") return GossipRule{.kind = Kind::kExtra};
  if (kind == "gradient-tracking") return GossipRule{.kind = Kind::kGradientTracking};
  if (kind == "k-gt") {
    return GossipRule{.kind = Kind::kKGt, .global_rate = algorithm.number("global_learning_rate")};
  }
  if (kind == "dmsgd") return GossipRule{.kind = Kind::kDmsgd, .beta = algorithm.number("beta")};
  if (kind == "quasi-global-momentum") {
    return GossipRule{.kind = Kind::kQuasiGlobalMomentum,
                      .beta = algorithm.number("beta"),
                      .mu = algorithm.number("mu")};
  }
  return std::nullopt;
}

std::unique_ptr<Mixing> mixing_of(const Job& job, uint32_t nodes) {
  return make_mixing(job, make_graph(job, nodes));
}

}  // namespace

LaboratoryResult measure_laboratory(std::span<const std::span<const float>> nodes) {
  const size_t replicas = nodes[0].size();
  const auto n = static_cast<double>(nodes.size());
  std::vector<double> averages(replicas);
  std::vector<double> spreads(replicas);  // mean over the nodes of the squared distance
  for (size_t k = 0; k < replicas; ++k) {
    for (const auto& x : nodes) averages[k] += static_cast<double>(x[k]) / n;
    for (const auto& x : nodes) {
      const double distance = static_cast<double>(x[k]) - averages[k];
      spreads[k] += distance * distance / n;
    }
  }
  LaboratoryResult result;
  result.replicas = replicas;
  result.mean_of_average = mean_of(averages);
  result.variance_of_average = variance_of(averages);
  result.consensus = mean_of(spreads);
  return result;
}

std::optional<LaboratoryMoments> predict_laboratory(const Job& job, uint32_t nodes, Round rounds) {
  const double work = std::pow(nodes, 3) * static_cast<double>(rounds);
  if (job.model.kind != "quadratic" || !linear(job) || work > kMostWork) return std::nullopt;
  const Options& model = job.model.options;
  Laboratory lab;
  lab.curvature = per_node(job, "curvature", nodes);
  lab.offset = per_node(job, "offset", nodes);
  for (uint32_t i = 0; model.text("offsets") == "index" && i < nodes; ++i) lab.offset[i] += i;
  lab.sigma = model.number("noise");
  lab.slope_noise = model.number("slope_noise");
  lab.start = model.number("start");
  lab.rate = static_cast<double>(job.train.optimizer.learning_rate);
  const Options& algorithm = job.algorithm.options;
  if (job.layers.any()) return std::nullopt;
  const std::unique_ptr<Codec> codec = make_codec(job.codec);
  if (!codec->lossless()) return predict_coded(job, *codec, lab, rounds);
  if (job.algorithm.kind == "sync") return predict_synchronous(lab, rounds);
  if (job.algorithm.kind == "local-sgd") {
    if (!algorithm.numbers("stages").empty() || algorithm.number("post_local") > 0) {
      return std::nullopt;
    }
    lab.local_steps = static_cast<uint32_t>(algorithm.integer("local_steps"));
    return predict_synchronous(lab, rounds);
  }
  if (job.algorithm.kind == "k-sync" || job.algorithm.kind == "k-batch-sync") {
    return predict_k_gradients(lab, algorithm, rounds);
  }
  if (const std::optional<GossipRule> rule = gossip_rule(job.algorithm.kind, algorithm)) {
    if (job.algorithm.kind == "k-gt") {
      lab.local_steps = static_cast<uint32_t>(algorithm.integer("local_steps"));
    }
    constexpr double kBlocks = 27;  // three vectors a node
    if (work * kBlocks * lab.local_steps > kMostWork) return std::nullopt;
    return predict_gossip(*rule, lab, *mixing_of(job, nodes), rounds);
  }
  if (job.algorithm.kind != "dpsgd" || algorithm.number("gamma") != 1) {
    return std::nullopt;
  }
  lab.adapt_first = algorithm.text("order") == "atc";
  lab.local_steps = static_cast<uint32_t>(algorithm.integer("local_steps"));
  return predict(lab, *mixing_of(job, nodes), rounds);
}

}  // namespace kith
