// signSGD with majority vote (Bernstein, Wang, Azizzadenesheli, Anandkumar 2018; Bernstein, Zhao,
// Azizzadenesheli, Anandkumar 2019):
//
//   m_i+ = beta m_i + (1 - beta) g_i(x)      v_i = sgn m_i+      (beta = 0: of the gradient)
//   x+ = x - eta opt(V),  V = sgn sum_i v_i                      on every node
//
// A vote is one bit, so sgn 0 = +1. Where half of an even number of nodes say plus and half minus,
// `ties` decides: "plus" takes +1, so that V is one bit as well; "zero" takes 0, and says where in
// a second bit a value, which an odd number of nodes never needs. The optimiser of [train] takes V
// for a gradient; without momentum that is the paper's step.
//
// Keeps: x and the optimiser's state on every node, m with beta > 0; the hub N ballots. Sends: a
// ballot (votes.h) of p bits up and V of p bits (or 2 p) down for each node and round. Waits: for
// all. Needs: a star. Costs: the hub N log2 N operations on words for 64 values.
// Invariants: replicas bit-equal, though no model is ever sent; N = 1 is signSGD; V is in
// {-1, 0, 1}; as long as fewer than half of all nodes change their minds where all agreed, V stays.
#include <algorithm>
#include <cmath>
#include <utility>

#include "protocol/checkpoint.h"
#include "protocol/coordinator/hub.h"
#include "protocol/describe.h"
#include "protocol/kernels.h"
#include "protocol/votes.h"
#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

namespace {

constexpr uint16_t kBallot = 1;   // to the hub; both: round = that of the model it is about
constexpr uint16_t kVerdict = 2;  // from the hub

class SignSgd final : public Algorithm {
 public:
  SignSgd(const NodeState& state, const Options& options)
      : beta_(static_cast<float>(options.number("beta"))),
        tells_ties_(options.text("ties") == "zero" && state.nodes % 2 == 0),
        dimension_(state.dimension),
        optimizer_(*state.optimizer) {
    if (state.self == kHub) {
      ballots_.resize(state.nodes);
      losses_.resize(state.nodes);
    }
    measures_.waits_for = state.nodes;
  }

  Status step(NodeState& state, Event&& event, std::vector<Effect>& out) override {
    if (over_) return {};
    if (std::holds_alternative<Start>(event)) begin_work(state, out);
    if (std::holds_alternative<Resume>(event)) resume(state, out);
    if (auto* computed = std::get_if<Computed>(&event)) vote(state, *computed, out);
    if (auto* received = std::get_if<Received>(&event)) {
      Message& message = received->message;
      return state.self == kHub ? collect(state, message, out) : obey(state, message, out);
    }
    return {};
  }

  void persist(Archive& archive) override {
    archive.number("next_batch", next_batch_);
    archive.number("voted", voted_);
    archive.part("optimizer", optimizer_);
    archive.vector("momentum", momentum_);
    if (ballots_.empty()) return;
    archive.part("measures", measures_);
    std::vector<float> told;
    if (verdict_) told = verdict_floats();
    archive.vector("told", told);
    if (!archive.reading()) return;
    if (told.empty()) return archive.refuse();
    told_ = std::move(told);
  }

  void describe(const NodeState& state, std::string& out) const override {
    out += "signsgd round=" + std::to_string(state.round);
    out += over_ ? " over" : computing_ ? " computing" : " waiting";
    if (state.self == kHub) out += " gathered=" + std::to_string(gathered_);
    describe_vector("x", state.parameters, out);
    describe_vector("m", momentum_, out);
  }

  const Measures* measures() const override { return &measures_; }

  void waiting_for(const NodeState& state, std::vector<NodeId>& out) const override {
    if (over_) return;
    if (state.self != kHub) {
      if (!computing_) out.push_back(kHub);
      return;
    }
    for (uint32_t i = 1; i < ballots_.size(); ++i) {
      if (!ballots_[i]) out.push_back(NodeId{i});
    }
  }

 private:
  // ---- every node ----

  void begin_work(const NodeState& state, std::vector<Effect>& out) {
    computing_ = true;
    out.push_back(Compute{
        .ticket = ++ticket_, .first_batch = next_batch_++, .at = state.parameters, .rule = {}});
  }

  // The hub tells its last verdict again; the others wait for it.
  void resume(const NodeState& state, std::vector<Effect>& out) {
    if (state.self != kHub) return;
    Buffer verdict = verdict_block(state);
    votes::cast(told_, minus_part(verdict.bytes()));
    const std::span<std::byte> tied = tied_part(verdict.bytes());
    std::ranges::fill(tied, std::byte{0});
    for (size_t i = 0; i < told_.size() && !tied.empty(); ++i) {
      if (told_[i] == 0) tied[i / 8] |= static_cast<std::byte>(1u << i % 8);
    }
    verdict_ = std::move(verdict).freeze();
    tell(state.round - 1, out);
    begin_work(state, out);
  }

  void vote(NodeState& state, const Computed& computed, std::vector<Effect>& out) {
    if (!computing_ || computed.ticket != ticket_) return;
    computing_ = false;
    if (!computed.finite) return end(state, Finish::Why::kDiverged, out);
    SharedBuffer opinion = computed.result;
    if (beta_ > 0) opinion = momentum_ = moved(state, computed.result);
    Buffer bits = state.pool->acquire(votes::ballot_bytes(state.dimension));
    votes::cast(opinion.floats(), bits.bytes());
    SharedBuffer ballot = std::move(bits).freeze();
    if (state.self == kHub) {
      accept(state, kHub, computed.loss, std::move(ballot), out);
      return;
    }
    out.push_back(Send{.to = kHub,
                       .kind = kBallot,
                       .round = state.round,
                       .scalar = computed.loss,
                       .payload = std::move(ballot)});
    const Round done = state.round + 1;
    checkpoint(*this, state, std::exchange(voted_, done), done, out);
  }

  // beta m + (1 - beta) g
  SharedBuffer moved(const NodeState& state, const SharedBuffer& gradient) const {
    Buffer next = state.pool->acquire_floats(state.dimension);
    kernels::scale(1 - beta_, gradient.floats(), next.floats());
    if (momentum_) kernels::axpy(beta_, momentum_.floats(), next.floats());
    return std::move(next).freeze();
  }

  Status obey(NodeState& state, const Message& message, std::vector<Effect>& out) {
    if (message.from != kHub) return Reason::kUnknownPeer;
    if (message.kind != kVerdict) return Reason::kMalformed;
    if (message.round < state.round) return Reason::kStale;
    if (message.round > state.round || computing_) return Reason::kMalformed;
    const SharedBuffer verdict = message.payload.contiguous(*state.pool);
    if (const Status status = check_verdict(state, verdict.bytes()); !status.ok()) return status;
    follow(state, verdict.bytes());
    state.round == state.rounds ? end(state, Finish::Why::kDone, out) : begin_work(state, out);
    return {};
  }

  Status check_verdict(const NodeState& state, std::span<const std::byte> verdict) const {
    if (!tells_ties_) return votes::check(verdict, state.dimension);
    const size_t half = votes::ballot_bytes(state.dimension);
    if (verdict.size() < 2 * half) return Reason::kTruncated;
    if (verdict.size() > 2 * half) return Reason::kOversized;
    const Status minus = votes::check(verdict.first(half), state.dimension);
    return minus.ok() ? votes::check(verdict.subspan(half), state.dimension) : minus;
  }

  // x+ = x - eta opt(V)
  void follow(NodeState& state, std::span<const std::byte> verdict) {
    Buffer direction = state.pool->acquire_floats(state.dimension);
    votes::announce(minus_part(verdict), tied_part(verdict), direction.floats());
    Buffer next = state.pool->acquire_floats(state.dimension);
    optimizer_.step(state.optimizer->rate_at(state.round, state.rounds), state.parameters.floats(),
                    direction.floats(), next.floats());
    state.parameters = std::move(next).freeze();
    ++state.round;
  }

  // The two halves of a verdict; the second is empty where ties are not told.
  template <class Byte>
  std::span<Byte> minus_part(std::span<Byte> verdict) const {
    return verdict.first(tells_ties_ ? verdict.size() / 2 : verdict.size());
  }
  template <class Byte>
  std::span<Byte> tied_part(std::span<Byte> verdict) const {
    return verdict.subspan(minus_part(verdict).size());
  }

  void end(const NodeState& state, Finish::Why why, std::vector<Effect>& out) {
    over_ = true;
    out.push_back(Finish{why, state.round});
  }

  // ---- the hub ----

  Status collect(NodeState& state, const Message& message, std::vector<Effect>& out) {
    if (message.kind != kBallot) return Reason::kMalformed;
    if (!std::isfinite(message.scalar)) return Reason::kNotFinite;
    if (message.round < state.round) return Reason::kStale;
    if (message.round > state.round) return Reason::kMalformed;
    if (ballots_[index_of(message.from)]) return Reason::kDuplicate;
    SharedBuffer ballot = message.payload.contiguous(*state.pool);
    if (const Status s = votes::check(ballot.bytes(), state.dimension); !s.ok()) return s;
    accept(state, message.from, message.scalar, std::move(ballot), out);
    return {};
  }

  void accept(NodeState& state, NodeId from, double loss, SharedBuffer&& ballot,
              std::vector<Effect>& out) {
    ballots_[index_of(from)] = std::move(ballot);
    losses_[index_of(from)] = loss;
    if (++gathered_ == ballots_.size()) decide(state, out);
  }

  void decide(NodeState& state, std::vector<Effect>& out) {
    std::vector<std::span<const std::byte>> all;
    for (const SharedBuffer& ballot : ballots_) all.push_back(ballot.bytes());
    Buffer verdict = verdict_block(state);
    votes::count(all, minus_part(verdict.bytes()), tied_part(verdict.bytes()));
    verdict_ = std::move(verdict).freeze();
    double loss = 0;
    for (const double of_node : losses_) loss += of_node / static_cast<double>(losses_.size());
    for (SharedBuffer& ballot : ballots_) {
      ballot.reset();
      measures_.apply(0);
    }
    gathered_ = 0;
    follow(state, verdict_.bytes());
    out.push_back(Report{.round = state.round - 1, .loss = loss, .parameters = state.parameters});
    checkpoint(*this, state, state.round - 1, state.round, out);
    tell(state.round - 1, out);
    state.round == state.rounds ? end(state, Finish::Why::kDone, out) : begin_work(state, out);
  }

  void tell(Round round, std::vector<Effect>& out) const {
    for (uint32_t i = 1; i < ballots_.size(); ++i) {
      out.push_back(Send{.to = NodeId{i}, .kind = kVerdict, .round = round, .payload = verdict_});
    }
  }

  Buffer verdict_block(const NodeState& state) const {
    return state.pool->acquire(votes::ballot_bytes(state.dimension) * (tells_ties_ ? 2 : 1));
  }

  // V as a checkpoint holds it.
  std::vector<float> verdict_floats() const {
    std::vector<float> floats(dimension_);
    votes::announce(minus_part(verdict_.bytes()), tied_part(verdict_.bytes()), floats);
    return floats;
  }

  float beta_;
  bool tells_ties_;  // there may be some, and the verdict has a bit for them
  size_t dimension_;
  Optimizer optimizer_;
  SharedBuffer momentum_;    // m; empty without
  uint64_t ticket_ = 0;      // of the last work
  uint64_t next_batch_ = 0;  // of this node
  Round voted_ = 0;          // rounds in which this node has voted
  bool computing_ = false;
  bool over_ = false;
  Measures measures_;

  // Of the hub.
  std::vector<SharedBuffer> ballots_;  // by NodeId; empty = not there yet
  std::vector<double> losses_;         // by NodeId
  size_t gathered_ = 0;
  SharedBuffer verdict_;     // the last one, as it was sent
  std::vector<float> told_;  // the same from a checkpoint, until Resume
};

void check_signsgd(const Setting& setting) {
  if (!setting.coded) return;
  throw OperatorError(
      "algorithm.kind = \"signsgd\" sends one bit a value as it is: leave codec.kind out, or take "
      "algorithm.kind = \"sync\" with codec.kind = \"sign\" and codec.memory = \"error-feedback\"");
}

}  // namespace

extern const AlgorithmInfo signsgd_algorithm;
const AlgorithmInfo signsgd_algorithm = {
    .name = "signsgd",
    .help = "signs of gradients up, their majority down: one bit a value both ways",
    .needs = {.star = true},
    .options = {{"beta", OptionSpec::Type::kNumber, 0.0,
                 "a node votes by m = beta m + (1 - beta) g; 0 = by its gradient", 0, 0.999999},
                {.key = "ties",
                 .type = OptionSpec::Type::kText,
                 .fallback = std::string("plus"),
                 .help =
                     "half the nodes against half: plus = as +1; zero = 0, told in a second bit",
                 .choices = {"plus", "zero"}}},
    .make = [](const NodeState& state, const Options& options) -> std::unique_ptr<Algorithm> {
      return std::make_unique<SignSgd>(state, options);
    },
    .batches_per_round = [](const Options&, uint32_t) { return 1.0; },
    .synchronous = true,
    .central = true,
    .cancels = false,
    .check = check_signsgd,
    .run_time = [](const Options&,
                   const ClusterTiming& cluster) { return std::optional(sync_time(cluster)); },
};

}  // namespace kith
