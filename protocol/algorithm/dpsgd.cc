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
// With a rule R of [aggregate] in place of W (aggregator.h), clipped around q_i where it clips:
//     x_i+ = v_i + gamma (R(q_i; q_j) - q_i)
// With self-centred clipping that is ClippedGossip (He, Karimireddy, Jaggi 2022).
//
// Keeps: x and v; one vector more with error feedback. Sends: q to every neighbour, once a round.
// Waits: for its neighbours only. Needs: W doubly stochastic.
// Invariants: the average of x is moved by steps alone; equal nodes without steps stay equal.
#include <algorithm>

#include "protocol/aggregator.h"
#include "protocol/compressor.h"
#include "protocol/describe.h"
#include "protocol/gossip/lockstep.h"
#include "protocol/kernels.h"
#include "topology/assert.h"

namespace kith {

namespace {

class Dpsgd final : public LockstepGossip {
 public:
  Dpsgd(const NodeState& state, const Options& options)
      : LockstepGossip({.name = "dpsgd",
                        .sends = sends_of(options),
                        .local_steps = static_cast<uint32_t>(options.integer("local_steps"))}),
        gamma_(static_cast<float>(options.number("gamma"))),
        adapts_first_(sends_of(options) == Sends::kAdapted),
        compressor_(*state.codec, state.memory),
        aggregator_(state) {}

  void persist(Archive& archive) override {
    archive.part("compressor", compressor_);
    persist_absent(archive);
  }

 private:
  bool encode(NodeState& state, const SharedBuffer& x, Wires wires) override {
    Rng rng(state.seed, state.self, Purpose::kCodec, state.round);
    return compressor_.encode(x, 1.0f, rng, *state.pool, wires[0]).ok();
  }

  Status check_message(const NodeState& state, Message& message) const override {
    return aggregator_.admit(*state.codec, state, message);
  }

  SharedBuffer combine(NodeState& state, const Exchange& exchange) override {
    if (aggregator_.on()) return combine_by_rule(state, exchange);
    collect_terms(state, exchange);
    Buffer next = state.pool->acquire_floats(state.dimension);
    weighted_sum(*state.codec, terms_, next.floats(), *state.pool);
    return std::move(next).freeze();
  }

  void describe_memory(std::string& out) const override {
    describe_vector("e", compressor_.memory(), out);
  }

  // What this node itself brings to the sum, then its neighbours in NodeId order.
  void collect_terms(const NodeState& state, const Exchange& exchange) {
    const Exchanged& heard = exchange.vectors[0];
    const float leaves = gamma_ * (1.0f - exchange.row.self);
    terms_.clear();
    if (!state.codec->lossless()) {
      terms_.push_back({1.0f, exchange.computed.floats()});
      terms_.push_back({-leaves, {}, &heard.own, state.self});
    } else {
      append_own(state, exchange.computed, leaves, terms_);
    }
    append_heard(exchange.row, heard.messages, gamma_, terms_);
  }

  // q_i, as the neighbours have it.
  SharedBuffer own_sent(const NodeState& state, const Exchange& exchange) const {
    if (state.codec->lossless()) return adapts_first_ ? exchange.computed : state.parameters;
    Buffer own = state.pool->acquire_floats(state.dimension);
    std::ranges::fill(own.floats(), 0.0f);
    const Status status = decode_add(*state.codec, state.self, exchange.vectors[0].own, 1.0f,
                                     own.floats(), *state.pool);
    KITH_ASSERT(status.ok());  // a codec must understand what it wrote
    return std::move(own).freeze();
  }

  SharedBuffer combine_by_rule(NodeState& state, const Exchange& exchange) {
    const SharedBuffer own = own_sent(state, exchange);
    terms_.clear();
    terms_.push_back({exchange.row.self, own.floats()});
    append_heard(exchange.row, exchange.vectors[0].messages, 1.0f, terms_);
    const SharedBuffer result = aggregator_.combine(*state.codec, state, terms_, own.floats());
    if (own.same_block(exchange.computed) && gamma_ == 1.0f) return result;
    Buffer next = state.pool->acquire_floats(state.dimension);
    kernels::subtract(result.floats(), own.floats(), next.floats());
    kernels::add_scaled(exchange.computed.floats(), gamma_, next.floats(), next.floats());
    return std::move(next).freeze();
  }

  const float gamma_;
  const bool adapts_first_;
  Compressor compressor_;
  Aggregator aggregator_;
  std::vector<Term> terms_;  // scratch, kept for its capacity
};

}  // namespace

extern const AlgorithmInfo dpsgd_algorithm;
const AlgorithmInfo dpsgd_algorithm = {
    .name = "dpsgd",
    .help = "decentralised SGD: a local step, then averaging with the graph's neighbours",
    .needs = {.doubly_stochastic = true},
    .options =
        {option_gossip_order(),
         option_gossip_steps(),
         {"gamma", OptionSpec::Type::kNumber, 1.0,
          "consensus step: how far to move towards the neighbours; below 1 for coarse codecs", 0,
          1}},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return std::make_unique<Dpsgd>(state, options);
    },
    .batches_per_round = batches_of_gossip,
    .goes_on = GoesOn::kAnyGraph,
    .cancels = false,
    .run_time = gossip_run_time,
    .aggregates = Aggregates::kModels,
};

}  // namespace kith
