// PowerSGD with a coordinator (Vogels, Karimireddy, Jaggi 2019, algorithms 1 and 2): synchronous
// SGD over two averages of low-rank factors.
//
//   M_i = g_i(x) + e_i                                every node, its matrices and memory
//   P_i = M_i Q          P = orth(mean P_i)           first exchange over the hub
//   Q_i = M_i^T P        Q+ = mean Q_i                second
//   Mhat = P Q+^T        x+ = x - eta opt(Mhat)       every node, in step
//   e_i+ = M_i - P Q_i^T
//
// The average of factors is the factor of the average, which makes Mhat = P P^T mean M: one
// projection of the mean, where the codec "powersgd" projects each gradient on its own. A node
// remembers what its own part leaves out (algorithm 2), so that P^T e_i = 0; with M_i - Mhat in its
// place, whose mean is the same, what nodes differ in would pile up along P, too. (It does in
// directions that their mean never has.) Tensors that have no factors (low_rank.h) ride along with
// P, and are averaged as they are. Q is drawn, the same on all nodes, at the start and where the
// rank was lower. With a rate that changes, e_i is rescaled as in gradients.h.
//
// Keeps: x, the optimiser's state and e, on every node; M while a round is under way; P, Q. Sends:
// two messages up and two down for each node and round, together 4 r (rows + columns) bytes of each
// matrix either way. Waits: for all, twice. Needs: a star.
// Invariants: replicas bit-equal; mean e_i+ = mean M_i - Mhat; rank Mhat <= r; P^T e_i+ = 0.
#include <cmath>

#include "protocol/checkpoint.h"
#include "protocol/coordinator/hub.h"
#include "protocol/describe.h"
#include "protocol/kernels.h"
#include "protocol/limits.h"
#include "protocol/low_rank.h"
#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

namespace {

// P and what has no factors, then Q; to the hub, and their means from it.
constexpr uint16_t kLeft = 1;
constexpr uint16_t kLeftMean = 2;
constexpr uint16_t kRight = 3;
constexpr uint16_t kRightMean = 4;

class PowerSgd final : public Algorithm {
 public:
  PowerSgd(const NodeState& state, const Options& options)
      : shape_(state.layout ? *state.layout : Layout(), state.dimension,
               static_cast<size_t>(options.integer("rank"))),
        optimizer_(*state.optimizer) {
    Buffer zero = state.pool->acquire_floats(shape_.q_values());
    std::ranges::fill(zero.floats(), 0.0f);
    right_ = std::move(zero).freeze();
    if (state.self == kHub) parts_.resize(state.nodes);
  }

  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) override {
    if (phase_ == Phase::kOver) return {};
    if (std::holds_alternative<Start>(event)) begin_round(state, out);
    if (std::holds_alternative<Resume>(event)) resume(state, out);
    if (auto* computed = std::get_if<Computed>(&event)) finished(state, *computed, out);
    if (auto* received = std::get_if<Received>(&event)) {
      const Message& message = received->message;
      return state.self == kHub ? collect(state, message, out) : follow(state, message, out);
    }
    return {};
  }

  void persist(Archive& archive) override {
    archive.number("next_batch", next_batch_);
    archive.number("remembered_rate", remembered_rate_);
    archive.number("contributed", contributed_);
    archive.part("optimizer", optimizer_);
    archive.vector("memory", memory_);
    archive.bytes("left", left_);
    archive.bytes("right", right_);
    const bool fits = left_.size() == left_values() * sizeof(float) &&
                      right_.size() == shape_.q_values() * sizeof(float);
    if (!fits || !memory_) archive.refuse();
  }

  void describe(const NodeState& state, std::string& out) const override {
    static constexpr const char* kNames[] = {" computing", " left", " right", " over"};
    out += "powersgd round=" + std::to_string(state.round) + kNames[static_cast<size_t>(phase_)];
    if (state.self == kHub) out += " gathered=" + std::to_string(gathered_);
    describe_vector("x", state.parameters, out);
    describe_vector("e", memory_, out);
  }

  void waiting_for(const NodeState& state, std::vector<NodeId>& out) const override {
    if (phase_ == Phase::kOver) return;
    if (state.self != kHub) {
      if (phase_ != Phase::kComputing) out.push_back(kHub);
      return;
    }
    for (uint32_t i = 1; i < parts_.size(); ++i) {
      if (!parts_[i].values) out.push_back(NodeId{i});
    }
  }

 private:
  // Of a node: what it does, or whose mean it waits for. The hub gathers P while it computes, too.
  enum class Phase : uint8_t { kComputing, kLeft, kRight, kOver };

  // What has come of one node in the exchange under way.
  struct Part {
    SharedBuffer values;
    double loss = 0;
  };

  static bool is_left(uint16_t kind) { return kind == kLeft || kind == kLeftMean; }
  size_t left_values() const { return shape_.p_values() + shape_.plain_values(); }
  std::span<const float> p() const { return left_.floats().first(shape_.p_values()); }

  // ---- every node ----

  void begin_round(const NodeState& state, std::vector<Effect>& out) {
    phase_ = Phase::kComputing;
    out.push_back(Compute{
        .ticket = ++ticket_, .first_batch = next_batch_++, .at = state.parameters, .rule = {}});
  }

  // The hub tells the last mean again; the others wait for it.
  void resume(const NodeState& state, std::vector<Effect>& out) {
    phase_ = Phase::kRight;
    if (state.self != kHub) return;
    tell(state, kRightMean, state.round - 1, right_, out);
    begin_round(state, out);
  }

  void diverge(const NodeState& state, std::vector<Effect>& out) {
    phase_ = Phase::kOver;
    out.push_back(Finish{Finish::Why::kDiverged, state.round});
  }

  void finished(NodeState& state, const Computed& computed, std::vector<Effect>& out) {
    if (phase_ != Phase::kComputing || computed.ticket != ticket_) return;
    if (!computed.finite) return diverge(state, out);
    matrices_ = with_memory(state, computed.result);
    draw_missing(state);
    Buffer left = state.pool->acquire_floats(left_values());
    shape_.project(matrices_.floats(), right_.floats(), left.floats().first(shape_.p_values()));
    shape_.take_plain(matrices_.floats(), left.floats().subspan(shape_.p_values()));
    phase_ = Phase::kLeft;
    contribute(state, kLeft, std::move(left).freeze(), computed.loss, out);
  }

  // The same on every node.
  void draw_missing(const NodeState& state) {
    if (shape_.q_values() == 0) return;
    Buffer before = writable(std::move(right_), *state.pool);
    Rng rng(state.seed, kHub, Purpose::kCodec, state.round);
    shape_.draw_missing(before.floats(), rng);
    right_ = std::move(before).freeze();
  }

  // M = g + s e.
  SharedBuffer with_memory(const NodeState& state, const SharedBuffer& gradient) {
    const float now = rate(state);
    const float scale = now > 0 && remembered_rate_ > 0 ? remembered_rate_ / now : 1.0f;
    remembered_rate_ = now;
    if (!memory_) return gradient;
    Buffer sum = state.pool->acquire_floats(state.dimension);
    kernels::add_scaled(gradient.floats(), scale, memory_.floats(), sum.floats());
    return std::move(sum).freeze();
  }

  float rate(const NodeState& state) const {
    return state.optimizer->rate_at(state.round, state.rounds);
  }

  void contribute(NodeState& state, uint16_t kind, SharedBuffer values, double loss,
                  std::vector<Effect>& out) {
    if (!kernels::all_finite(values.floats())) return diverge(state, out);
    if (state.self == kHub) return gather(state, kHub, {std::move(values), loss}, out);
    send(state, kHub, kind, state.round, loss, values, out);
  }

  // The two messages of an exchange stand for p values together.
  void send(const NodeState& state, NodeId to, uint16_t kind, Round round, double loss,
            const SharedBuffer& values, std::vector<Effect>& out) const {
    const size_t right = shape_.q_values();
    out.push_back(Send{.to = to,
                       .kind = kind,
                       .round = round,
                       .scalar = loss,
                       .payload = values.size() > 0 ? Payload(values) : Payload(),
                       .values = is_left(kind) ? state.dimension - right : right});
  }

  // P has come: Q_i, and what it leaves out.
  void project_right(NodeState& state, SharedBuffer left, std::vector<Effect>& out) {
    left_ = std::move(left);
    Buffer right = state.pool->acquire_floats(shape_.q_values());
    shape_.project_transposed(matrices_.floats(), p(), right.floats());
    Buffer rest = writable(std::move(matrices_), *state.pool);
    add_product(state, right.floats(), -1.0f, rest.floats());
    shape_.clear_plain(rest.floats());
    memory_ = std::move(rest).freeze();
    phase_ = Phase::kRight;
    contribute(state, kRight, std::move(right).freeze(), 0, out);
    if (state.self == kHub || phase_ == Phase::kOver) return;
    const Round done = state.round + 1;
    checkpoint(*this, state, std::exchange(contributed_, done), done, out);
  }

  void add_product(const NodeState& state, std::span<const float> q, float scale,
                   std::span<float> y) const {
    Buffer row = state.pool->acquire_floats(shape_.row_values());
    shape_.add_product(p(), q, scale, y, row.floats());
  }

  // Q has come: the step that all nodes take.
  void apply(NodeState& state, SharedBuffer right) {
    right_ = std::move(right);
    Buffer mean = state.pool->acquire_floats(state.dimension);
    std::ranges::fill(mean.floats(), 0.0f);
    add_product(state, right_.floats(), 1.0f, mean.floats());
    shape_.add_plain(left_.bytes().subspan(p().size_bytes()), 1.0f, mean.floats());
    Buffer next = state.pool->acquire_floats(state.dimension);
    optimizer_.step(rate(state), state.parameters.floats(), mean.floats(), next.floats());
    state.parameters = std::move(next).freeze();
    ++state.round;
  }

  void go_on(const NodeState& state, std::vector<Effect>& out) {
    if (state.round < state.rounds) return begin_round(state, out);
    phase_ = Phase::kOver;
    out.push_back(Finish{Finish::Why::kDone, state.round});
  }

  // The values of a message, where it is one of `kind` for the round under way.
  Status read(const NodeState& state, const Message& message, uint16_t kind,
              SharedBuffer& values) const {
    const size_t count = is_left(kind) ? left_values() : shape_.q_values();
    if (message.round < state.round) return Reason::kStale;
    if (message.round > state.round || message.kind != kind) return Reason::kMalformed;
    if (message.payload.size() != count * sizeof(float)) return Reason::kMalformed;
    if (!std::isfinite(message.scalar)) return Reason::kNotFinite;
    values = count > 0 ? floats_of(message.payload, *state.pool) : state.pool->acquire(0).freeze();
    return kernels::all_finite(values.floats()) ? Status() : Reason::kNotFinite;
  }

  Status follow(NodeState& state, const Message& message, std::vector<Effect>& out) {
    if (message.from != kHub) return Reason::kUnknownPeer;
    if (phase_ == Phase::kComputing) {
      return message.round < state.round ? Reason::kStale : Reason::kMalformed;
    }
    SharedBuffer values;
    const uint16_t kind = phase_ == Phase::kLeft ? kLeftMean : kRightMean;
    if (const Status s = read(state, message, kind, values); !s.ok()) return s;
    if (phase_ == Phase::kLeft) {
      project_right(state, std::move(values), out);
    } else {
      apply(state, std::move(values));
      go_on(state, out);
    }
    return {};
  }

  // ---- the hub ----

  Status collect(NodeState& state, const Message& message, std::vector<Effect>& out) {
    SharedBuffer values;
    const uint16_t kind = phase_ == Phase::kRight ? kRight : kLeft;
    if (const Status s = read(state, message, kind, values); !s.ok()) return s;
    if (parts_[index_of(message.from)].values) return Reason::kDuplicate;
    gather(state, message.from, {std::move(values), message.scalar}, out);
    return {};
  }

  void gather(NodeState& state, NodeId from, Part part, std::vector<Effect>& out) {
    parts_[index_of(from)] = std::move(part);
    if (++gathered_ < parts_.size()) return;
    gathered_ = 0;
    phase_ == Phase::kLeft ? average_left(state, out) : average_right(state, out);
  }

  // In NodeId order; lets go of the parts.
  Buffer mean_of_parts(const NodeState& state) {
    const float share = 1.0f / static_cast<float>(parts_.size());
    Buffer mean = state.pool->acquire(parts_[0].values.size());
    kernels::scale(share, parts_[0].values.floats(), mean.floats());
    for (size_t i = 1; i < parts_.size(); ++i) {
      kernels::axpy(share, parts_[i].values.floats(), mean.floats());
    }
    for (Part& part : parts_) part.values.reset();
    return mean;
  }

  void average_left(NodeState& state, std::vector<Effect>& out) {
    loss_ = 0;
    for (const Part& part : parts_) loss_ += part.loss / static_cast<double>(parts_.size());
    Buffer mean = mean_of_parts(state);
    shape_.orthonormalise(mean.floats().first(shape_.p_values()));
    SharedBuffer left = std::move(mean).freeze();
    tell(state, kLeftMean, state.round, left, out);
    project_right(state, std::move(left), out);
  }

  void average_right(NodeState& state, std::vector<Effect>& out) {
    apply(state, mean_of_parts(state).freeze());
    out.push_back(Report{.round = state.round - 1, .loss = loss_, .parameters = state.parameters});
    checkpoint(*this, state, state.round - 1, state.round, out);
    tell(state, kRightMean, state.round - 1, right_, out);
    go_on(state, out);
  }

  void tell(const NodeState& state, uint16_t kind, Round round, const SharedBuffer& values,
            std::vector<Effect>& out) const {
    for (uint32_t i = 1; i < parts_.size(); ++i) {
      send(state, NodeId{i}, kind, round, 0, values, out);
    }
  }

  const LowRank shape_;
  Optimizer optimizer_;
  Phase phase_ = Phase::kComputing;
  uint64_t ticket_ = 0;        // of the last work
  uint64_t next_batch_ = 0;    // of this node
  Round contributed_ = 0;      // one beyond the round of the last Q_i sent
  float remembered_rate_ = 0;  // that e is scaled by; 0 = none yet
  SharedBuffer matrices_;      // M_i, until Q_i is known
  SharedBuffer memory_;        // e_i; unset before the first
  SharedBuffer left_;          // P, and the mean of what has no factors
  SharedBuffer right_;         // Q

  // Of the hub.
  std::vector<Part> parts_;  // by NodeId, itself included
  size_t gathered_ = 0;      // of them
  double loss_ = 0;          // of the round under way
};

void check(const Setting& setting) {
  if (!setting.coded) return;
  throw OperatorError(
      "[codec] asks for more than identity, but algorithm.kind = \"powersgd\" sends factors of low "
      "rank and nothing "
      "else: leave it out, or take algorithm.kind = \"sync\" with codec.kind = \"powersgd:2\"");
}

}  // namespace

extern const AlgorithmInfo powersgd_algorithm;
const AlgorithmInfo powersgd_algorithm = {
    .name = "powersgd",
    .help = "synchronous SGD over factors of low rank, averaged by the hub of a star",
    .needs = {.star = true},
    .options = {{"rank", OptionSpec::Type::kInteger, int64_t{2},
                 "r: columns of the two factors of each matrix", 1, limits::kRank}},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return std::make_unique<PowerSgd>(state, options);
    },
    .batches_per_round = [](const Options&, uint32_t) { return 1.0; },
    .synchronous = true,
    .central = true,
    .looks_at_tensors = true,
    .cancels = false,
    .check = check,
};

}  // namespace kith
