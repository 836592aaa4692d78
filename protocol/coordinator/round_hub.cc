#include "protocol/coordinator/round_hub.h"

#include <algorithm>
#include <cmath>

#include "protocol/coordinator/accumulation.h"
#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr double kMostRows = 0x1p53;  // what a double counts

}  // namespace

RoundHub::RoundHub(const NodeState& state, const RoundRule& rule)
    : rule_(rule),
      period_(rule.period),
      optimizer_(rule.outer),
      aggregator_(state),
      rows_(state.nodes, kUnknown),
      batches_(state.nodes) {
  rows_[index_of(kHub)] = state.rows;
  if (needs_rows(rule)) {
    for (uint32_t i = 1; i < state.nodes; ++i) untold_.push_back(NodeId{i});
  }
  if (rule.adapt_levels) levels_.emplace(*state.codec);
  begin(state);
}

void RoundHub::begin(const NodeState& state) {
  gathering_.expect(participants(state.seed, state.round, state.nodes, rule_.participants),
                    state.dimension);
}

void RoundHub::persist(Archive& archive) {
  archive.part("period", period_);
  archive.part("optimizer", optimizer_);
  if (aggregator_.on()) archive.part("aggregator", aggregator_);
  if (levels_) archive.part("levels", *levels_);
  archive.vector("control", control_);
  std::vector<uint64_t> rows(rows_.begin(), rows_.end());
  archive.numbers("rows", rows);
  rows_.assign(rows.begin(), rows.end());
  archive.numbers("batches", batches_);
  if (archive.reading()) untold_.clear();  // there was a step, and none is taken without them
}

Status RoundHub::receive(const NodeState& state, Message&& message) {
  if (!std::isfinite(message.scalar)) return Reason::kNotFinite;
  if (message.kind == kRows) {
    if (message.payload || !(message.scalar >= 0 && message.scalar <= kMostRows)) {
      return Reason::kMalformed;
    }
    const auto place = std::ranges::lower_bound(untold_, message.from);
    if (place == untold_.end() || *place != message.from) return Reason::kDuplicate;
    rows_[index_of(message.from)] = static_cast<size_t>(message.scalar);
    untold_.erase(place);
    return {};
  }
  if (message.kind != kDisplacement) return Reason::kMalformed;
  if (message.round < state.round) return Reason::kStale;
  if (message.round > state.round) return Reason::kTooEarly;
  if (!gathering_.expects(message.from)) return Reason::kMalformed;
  if (gathering_.holds(message.from)) return Reason::kDuplicate;
  const Status status = aggregator_.admit(codec(state), state, message);
  if (!status.ok() && status.reason() != Reason::kLeftOut) return status;
  gathering_.add({message.from, message.scalar, std::move(message.payload)});
  return status;
}

bool RoundHub::complete() const { return gathering_.complete() && untold_.empty(); }

void RoundHub::missing(std::vector<NodeId>& out) const {
  std::vector<NodeId> late;
  gathering_.missing(late);
  std::ranges::set_union(late, untold_, std::back_inserter(out));
}

uint32_t RoundHub::steps(const NodeState& state, NodeId node) const {
  return period_.steps(state, node, rows_[index_of(node)], batches_[index_of(node)]);
}

// c_i of those who are in the round, in NodeId order.
std::vector<double> RoundHub::weights(const NodeState& state) const {
  const std::span<const Contribution> all = gathering_.all();
  double rows = 0;
  if (rule_.by_rows) {
    for (const Contribution& each : all) rows += static_cast<double>(rows_[index_of(each.from)]);
  }
  std::vector<double> weights;
  for (const Contribution& each : all) {
    const double share = rows > 0 ? static_cast<double>(rows_[index_of(each.from)]) / rows
                                  : 1 / static_cast<double>(all.size());
    weights.push_back(rule_.total * share);
  }
  if (rule_.normalise) normalise(state, weights);
  return weights;
}

// p_i to p_i n / n_i; with n written so that equal n_i leave p_i as it is.
void RoundHub::normalise(const NodeState& state, std::vector<double>& weights) const {
  std::vector<double> reach;  // n_i
  for (const Contribution& each : gathering_.all()) {
    const uint64_t first = batches_[index_of(each.from)];
    reach.push_back(accumulated_rate(*state.optimizer, static_cast<double>(rule_.proximal), first,
                                     steps(state, each.from), state.total_batches));
    if (!(reach.back() > 0)) return;  // steps of length 0: all is equal
  }
  double mean = reach[0];
  for (size_t k = 0; k < reach.size(); ++k) mean += weights[k] * (reach[k] - reach[0]);
  for (size_t k = 0; k < reach.size(); ++k) weights[k] *= mean / reach[k];
}

// c+ = c + (1/N) sum_S (c_i+ - c_i), with c_i+ - c_i = q_i / rates_i - c.
void RoundHub::move_control(const NodeState& state) {
  OptimizerSpec plain = *state.optimizer;
  plain.momentum = 0;
  std::vector<double> weights;
  double kept = 1;
  for (const Contribution& each : gathering_.all()) {
    const double rates = accumulated_rate(plain, 0, batches_[index_of(each.from)],
                                          steps(state, each.from), state.total_batches);
    weights.push_back(rates > 0 ? 1 / (rates * state.nodes) : 0);
    if (rates > 0) kept -= 1.0 / state.nodes;
  }
  const SharedBuffer sum = gathering_.sum(codec(state), state, weights);
  if (!control_) {
    control_ = sum;
    return;
  }
  Buffer next = state.pool->acquire_floats(state.dimension);
  kernels::add_scaled(sum.floats(), static_cast<float>(kept), control_.floats(), next.floats());
  control_ = std::move(next).freeze();
}

// The schedule's multiple of the learning rate for the steps that come next.
double RoundHub::schedule(const NodeState& state) const {
  const uint64_t batch = batches_[index_of(gathering_.expected().front())];
  return state.optimizer->schedule.at(batch, state.total_batches);
}

bool RoundHub::step(NodeState& state, std::vector<Effect>& out) {
  Report report{.round = state.round, .loss = gathering_.mean_loss(), .parameters = {}};
  if (is_reported(state.round, state.report_every, state.rounds)) {
    report.disagreement = gathering_.disagreement(codec(state), state);
  }
  const bool scaled = rule_.per_rate && rule_.outer.momentum != 0;
  const double multiple = scaled ? schedule(state) : 1;
  std::vector<double> weights = this->weights(state);
  for (double& weight : weights) weight /= multiple;
  const SharedBuffer sum = gathering_.bring_together(aggregator_, codec(state), state, weights);
  Buffer next = state.pool->acquire_floats(state.dimension);
  optimizer_.step(static_cast<float>(multiple * static_cast<double>(rule_.outer.learning_rate)),
                  state.parameters.floats(), sum.floats(), next.floats());
  // An adaptive optimiser whose second moment overflows would stand still without a word.
  if (!kernels::all_finite(next.floats()) || !kernels::all_finite(optimizer_.second_moment())) {
    return false;
  }
  if (rule_.control_variates) move_control(state);
  for (const NodeId node : gathering_.expected()) {
    batches_[index_of(node)] += steps(state, node);
  }
  period_.observe(state.now, report.loss, schedule(state));
  if (levels_) levels_->observe(report.loss);
  state.parameters = std::move(next).freeze();
  report.parameters = state.parameters;
  out.push_back(std::move(report));
  ++state.round;
  if (state.round < state.rounds) begin(state);
  return true;
}

bool RoundHub::publish(const NodeState& state, Downlink& downlink, std::vector<Effect>& out) const {
  const bool coded = downlink.on() && state.round < state.rounds;
  SharedBuffer news = state.parameters;
  if (coded && !downlink.encode(state, news)) return false;
  const auto send = [&](NodeId to, uint32_t steps) {
    if (to == kHub) return;
    if (rule_.control_variates && state.round < state.rounds) {
      out.push_back(Send{.to = to, .kind = kControl, .round = state.round, .payload = control_});
    }
    out.push_back(Send{.to = to,
                       .kind = coded ? kDifference : kModel,
                       .round = state.round,
                       .scalar = steps > 0 ? pack_steps_and_levels(steps, levels()) : 0,
                       .payload = news});
  };
  if (state.round == state.rounds) {
    for (uint32_t i = 0; i < state.nodes; ++i) send(NodeId{i}, 0);
  } else {
    for (const NodeId node : gathering_.expected()) send(node, steps(state, node));
  }
  return true;
}

}  // namespace kith
