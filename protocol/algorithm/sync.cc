// Synchronous SGD with a coordinator: the hub of a star, which is node 0 and trains as well.
//
//   every node:  q_i = C(g_i(x))              hub:  x+ = x - eta opt((1/N) sum_i q_i)
// with C the job's codec on the way up; x+ comes down as it is, so that all replicas are equal bit
// for bit. With error feedback the learning rate stands inside the memory (e is rescaled when eta
// changes), so that sum sent + e = sum of eta g (Stich, Cordonnier, Jaggi 2018).
//
// Keeps: x; the hub one sum, and the optimiser's state; one vector more with error feedback.
// Sends: q to the hub, x to each worker: N - 1 messages each way a round. Waits: for all.
// Invariants: replicas bit-equal; one step equals one node with a batch N times as large.
#include "protocol/algorithm.h"
#include "protocol/algorithm/text.h"
#include "protocol/compressor.h"
#include "protocol/inbox.h"
#include "protocol/weighted_sum.h"
#include "topology/assert.h"

namespace kith {

namespace {

constexpr NodeId kHub{0};
constexpr uint16_t kGradient = 1;  // to the hub; round = the round of x that it was taken at
constexpr uint16_t kModel = 2;     // from the hub; round = the round that it ends

class Sync final : public Algorithm {
 public:
  explicit Sync(const NodeState& state)
      : compressor_(*state.codec, state.error_feedback), optimizer_(*state.optimizer) {
    if (state.self == kHub) {
      for (uint32_t i = 1; i < state.nodes; ++i) senders_.push_back({NodeId{i}, 0});
    } else {
      senders_.push_back({kHub, 0});
    }
  }

  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) override {
    if (std::holds_alternative<Start>(event)) begin_round(state, out);
    if (auto* received = std::get_if<Received>(&event)) {
      if (const Status status = receive(state, std::move(received->message)); !status.ok()) {
        return status;
      }
    }
    if (auto* computed = std::get_if<Computed>(&event)) {
      gradient_done(state, std::move(*computed), out);
    }
    if (!over_ && own_ && inbox_.at(state.round).size() == senders_.size()) {
      if (state.self == kHub) {
        update(state);
        broadcast(state, out);
      } else {
        adopt_model(state);
      }
      end_round(state, out);
    }
    return {};
  }

  void describe(const NodeState& state, std::string& out) const override {
    out += "sync round=" + std::to_string(state.round);
    out += over_ ? " over" : own_ ? " waiting" : " computing";
    out += " inbox=" + std::to_string(inbox_.size());
    describe_vector("x", state.parameters, out);
    describe_vector("e", compressor_.memory(), out);
  }

  void waiting_for(const NodeState& state, std::vector<NodeId>& out) const override {
    if (!over_ && own_) missing_senders(inbox_, state.round, senders_, out);
  }

 private:
  float rate(const NodeState& state, Round round) const {
    return state.optimizer->rate_at(round, state.rounds);
  }

  void begin_round(NodeState& state, std::vector<Effect>& out) {
    if (state.round == state.rounds) {
      over_ = true;
      out.push_back(Finish{Finish::Why::kDone, state.round});
      return;
    }
    out.push_back(Compute{
        .ticket = state.round + 1, .first_batch = state.round, .at = state.parameters, .rule = {}});
  }

  Status receive(const NodeState& state, Message&& message) {
    const bool from_hub = message.from == kHub;
    if (from_hub == (state.self == kHub)) return Reason::kUnknownPeer;
    if (message.kind != (from_hub ? kModel : kGradient)) return Reason::kMalformed;
    if (from_hub) {
      if (message.payload.size() != state.dimension * sizeof(float)) return Reason::kMalformed;
    } else if (const Status status =
                   check(*state.codec, message.payload, state.dimension, *state.pool);
               !status.ok()) {
      return status;
    }
    return inbox_.put(std::move(message), state.round);
  }

  void gradient_done(NodeState& state, Computed&& computed, std::vector<Effect>& out) {
    if (over_ || computed.ticket != state.round + 1) return;
    loss_ = computed.loss;
    const float now = rate(state, state.round);
    const float before = state.round == 0 ? now : rate(state, state.round - 1);
    Rng rng(state.seed, state.self, Purpose::kCodec, state.round);
    const float memory_scale = now > 0 ? before / now : 1.0f;
    if (!computed.finite ||
        !compressor_.encode(computed.result, memory_scale, rng, *state.pool, own_).ok()) {
      over_ = true;
      out.push_back(Finish{Finish::Why::kDiverged, state.round});
      return;
    }
    if (state.self != kHub) {
      out.push_back(Send{.to = kHub, .kind = kGradient, .round = state.round, .payload = own_});
    }
  }

  // Hub: the mean in NodeId order, its own gradient first, then one optimiser step.
  void update(NodeState& state) {
    const float share = 1.0f / static_cast<float>(state.nodes);
    const Payload own = own_;
    terms_.assign(1, {share, {}, &own});
    for (const Message& message : inbox_.at(state.round)) {
      terms_.push_back({share, {}, &message.payload});
    }
    Buffer mean = state.pool->acquire_floats(state.dimension);
    const std::span<float> g = mean.floats();
    weighted_sum(*state.codec, terms_, g, *state.pool);
    Buffer next = state.pool->acquire_floats(state.dimension);
    optimizer_.step(rate(state, state.round), state.parameters.floats(), g, next.floats());
    state.parameters = std::move(next).freeze();
  }

  void broadcast(const NodeState& state, std::vector<Effect>& out) {
    for (const Neighbor& worker : senders_) {
      out.push_back(Send{
          .to = worker.peer, .kind = kModel, .round = state.round, .payload = state.parameters});
    }
  }

  void adopt_model(NodeState& state) {
    state.parameters = floats_of(inbox_.at(state.round).front().payload, *state.pool);
  }

  void end_round(NodeState& state, std::vector<Effect>& out) {
    inbox_.drop_through(state.round);
    own_.reset();
    out.push_back(Report{.round = state.round, .loss = loss_, .parameters = state.parameters});
    ++state.round;
    begin_round(state, out);
  }

  Compressor compressor_;
  Optimizer optimizer_;            // moves at the hub only
  std::vector<Neighbor> senders_;  // whom this node hears from each round, sorted
  Inbox inbox_;
  SharedBuffer own_;  // q of the round under way; empty while it is computed
  double loss_ = 0;
  bool over_ = false;
  std::vector<Term> terms_;  // scratch, kept for its capacity
};

}  // namespace

extern const AlgorithmInfo sync_algorithm;
const AlgorithmInfo sync_algorithm = {
    .name = "sync",
    .help = "synchronous SGD: the hub of a star averages every node's gradient, each round",
    .needs = {.star = true},
    .options = {},
    .make = [](const NodeState& state, const Options&) -> std::unique_ptr<Algorithm> {
      return std::make_unique<Sync>(state);
    },
    .batches_per_round = [](const Options&) -> uint64_t { return 1; },
};

}  // namespace kith
