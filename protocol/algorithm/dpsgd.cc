// Decentralised parallel SGD on any graph, with a step before or after the mixing.
//
//   ATC, adapt then combine (Cooperative SGD, Wang & Joshi 2018; diffusion, Sayed):
//     v_i = T(x_i)               x_i+ = sum_j w_ij v_j
//   CTA, combine then adapt (Lian et al., NeurIPS 2017):
//     x_i+ = sum_j w_ij x_j + T(x_i) - x_i
// where T is `local_steps` steps of the node's own optimiser (one: T(x) = x - eta g(x)).
//
// What is sent is q = C(.), with C the job's codec, with error feedback if asked for. A lossy C is
// mixed in the form that keeps the average of all nodes exactly, whatever C throws away
// (DeepSqueeze, Tang et al. 2019), with consensus step gamma:
//     x_i+ = v_i + gamma sum_j w_ij (q_j - q_i)
// which is the first form when C is lossless and gamma = 1.
//
// Keeps: x and v; one vector more with error feedback. Sends: q to every neighbour, once a round.
// Waits: for its neighbours only. Needs: W doubly stochastic.
// Invariants: the average of x is moved by steps alone; equal nodes without steps stay equal.
#include "protocol/checkpoint.h"
#include "protocol/compressor.h"
#include "protocol/describe.h"
#include "protocol/inbox.h"
#include "protocol/weighted_sum.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr uint16_t kModel = 1;

class Dpsgd final : public Algorithm {
 public:
  Dpsgd(const NodeState& state, const Options& options)
      : adapt_first_(options.text("order") == "atc"),
        local_steps_(static_cast<uint32_t>(options.integer("local_steps"))),
        gamma_(static_cast<float>(options.number("gamma"))),
        compressor_(*state.codec, state.error_feedback) {}

  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) override {
    const bool begins =
        std::holds_alternative<Start>(event) || std::holds_alternative<Resume>(event);
    if (begins) begin_round(state, out);
    if (auto* received = std::get_if<Received>(&event)) {
      if (const Status status = receive(state, std::move(received->message)); !status.ok()) {
        return status;
      }
    }
    if (auto* computed = std::get_if<Computed>(&event)) adapted(state, std::move(*computed), out);
    while (!over_ && ready(state)) combine(state, out);
    return {};
  }

  void persist(Archive& archive) override { archive.part("compressor", compressor_); }

  void describe(const NodeState& state, std::string& out) const override {
    out += "dpsgd round=" + std::to_string(state.round);
    out += over_ ? " over" : adapted_ ? " waiting" : " computing";
    out += " inbox=" + std::to_string(inbox_.size());
    describe_vector("x", state.parameters, out);
    describe_vector("v", adapted_, out);
    describe_vector("e", compressor_.memory(), out);
  }

  void waiting_for(const NodeState& state, std::vector<NodeId>& out) const override {
    if (!over_ && adapted_) missing_senders(inbox_, state.round, row_.neighbors, out);
  }

 private:
  void begin_round(NodeState& state, std::vector<Effect>& out) {
    if (state.round == state.rounds) {
      over_ = true;
      out.push_back(Finish{Finish::Why::kDone, state.round});
      return;
    }
    state.mixing->row(state.self, state.round, row_);
    if (!adapt_first_ && !publish(state, state.parameters, out)) return;
    out.push_back(Compute{.ticket = state.round + 1,
                          .first_batch = state.round * local_steps_,
                          .steps = local_steps_,
                          .at = state.parameters,
                          .rule = LocalRule::local_steps()});
  }

  Status receive(const NodeState& state, Message&& message) {
    if (message.kind != kModel) return Reason::kMalformed;
    if (!hears(state, message)) return Reason::kUnknownPeer;
    if (const Status status = check(*state.codec, message.payload, state.dimension, *state.pool);
        !status.ok()) {
      return status;
    }
    return inbox_.put(std::move(message), state.round);
  }

  // The row of W at hand serves for its own round, and for all of a graph that never changes.
  bool hears(const NodeState& state, const Message& message) {
    const Graph& graph = state.mixing->graph();
    if (message.round == state.round || graph.period() == 1) {
      return std::ranges::binary_search(row_.neighbors, message.from, {}, &Neighbor::peer);
    }
    graph.in(state.self, message.round, peers_);
    return std::ranges::binary_search(peers_, message.from);
  }

  void adapted(NodeState& state, Computed&& computed, std::vector<Effect>& out) {
    if (over_ || computed.ticket != state.round + 1) return;
    if (!computed.finite) return diverge(state, out);
    adapted_ = std::move(computed.result);
    loss_ = computed.loss;
    if (adapt_first_) publish(state, adapted_, out);
  }

  // Encodes x once and sends the same block to every neighbour. False when x is not finite.
  bool publish(NodeState& state, const SharedBuffer& x, std::vector<Effect>& out) {
    Rng rng(state.seed, state.self, Purpose::kCodec, state.round);
    if (!compressor_.encode(x, 1.0f, rng, *state.pool, own_).ok()) {
      diverge(state, out);
      return false;
    }
    state.mixing->graph().out(state.self, state.round, peers_);
    for (NodeId peer : peers_) {
      out.push_back(Send{.to = peer, .kind = kModel, .round = state.round, .payload = own_});
    }
    return true;
  }

  bool ready(const NodeState& state) const {
    return adapted_ && inbox_.at(state.round).size() == row_.neighbors.size();
  }

  void combine(NodeState& state, std::vector<Effect>& out) {
    const Payload own = own_;
    collect_terms(state, own);
    Buffer next = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms_, next.floats(), *state.pool);
    inbox_.drop_through(state.round);
    state.parameters = std::move(next).freeze();
    adapted_.reset();
    out.push_back(Report{.round = state.round, .loss = loss_, .parameters = state.parameters});
    ++state.round;
    checkpoint(*this, state, state.round - 1, state.round, true, out);
    begin_round(state, out);
  }

  // What this node itself brings to the sum, then its neighbours in NodeId order.
  void collect_terms(const NodeState& state, const Payload& own) {
    const float leaves = gamma_ * (1.0f - row_.self);
    terms_.clear();
    if (!state.codec->lossless()) {
      terms_.push_back({1.0f, adapted_.floats(), nullptr});
      terms_.push_back({-leaves, {}, &own, state.self});
    } else if (adapt_first_) {
      terms_.push_back({1.0f - leaves, adapted_.floats(), nullptr});
    } else {
      terms_.push_back({-leaves, state.parameters.floats(), nullptr});
      terms_.push_back({1.0f, adapted_.floats(), nullptr});
    }
    const std::span<const Message> messages = inbox_.at(state.round);
    for (size_t i = 0; i < messages.size(); ++i) {
      KITH_ASSERT(messages[i].from == row_.neighbors[i].peer);
      terms_.push_back(
          {gamma_ * row_.neighbors[i].weight, {}, &messages[i].payload, messages[i].from});
    }
  }

  void diverge(NodeState& state, std::vector<Effect>& out) {
    over_ = true;
    out.push_back(Finish{Finish::Why::kDiverged, state.round});
  }

  const bool adapt_first_;
  const uint32_t local_steps_;
  const float gamma_;
  Compressor compressor_;
  MixingRow row_;  // of the round under way
  Inbox inbox_;
  SharedBuffer adapted_;  // v of the round under way; empty while it is computed
  SharedBuffer own_;      // q of the round under way
  double loss_ = 0;
  bool over_ = false;
  std::vector<NodeId> peers_;  // scratch, kept for their capacity
  std::vector<Term> terms_;
};

}  // namespace

extern const AlgorithmInfo dpsgd_algorithm;
const AlgorithmInfo dpsgd_algorithm = {
    .name = "dpsgd",
    .help = "decentralised SGD: a local step, then averaging with the graph's neighbours",
    .needs = {.doubly_stochastic = true},
    .options =
        {{"order",
          OptionSpec::Type::kText,
          std::string("atc"),
          "atc: step, then mix; cta: mix what is sent before the step",
          0,
          0,
          {"atc", "cta"}},
         {"local_steps", OptionSpec::Type::kInteger, int64_t{1}, "steps between two exchanges", 1,
          limits::kLocalSteps},
         {"gamma", OptionSpec::Type::kNumber, 1.0,
          "consensus step: how far to move towards the neighbours; below 1 for coarse codecs", 0,
          1}},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return std::make_unique<Dpsgd>(state, options);
    },
    .batches_per_round =
        [](const Options& options, uint32_t) {
          return static_cast<double>(options.integer("local_steps"));
        },
    .cancels = false,
};

}  // namespace kith
