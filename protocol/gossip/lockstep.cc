#include "protocol/gossip/lockstep.h"

#include <algorithm>

#include "protocol/checkpoint.h"
#include "protocol/codec_meter.h"
#include "protocol/describe.h"
#include "protocol/kernels.h"
#include "topology/assert.h"
#include "topology/prefetch.h"

namespace kith {

namespace {
// The kind of a message says which of the vectors it brings.
constexpr uint16_t kFirstVector = 1;
constexpr uint16_t kFirstIntroduction = 0x100;
constexpr TimerId kPace = 1;
// Weight of a round in the average, and the most that one counts: this machine may have slept in
// it. No less, for where messages are combined late rounds come in bursts, a long one after many
// short.
constexpr int64_t kRoundsAveraged = 64;
constexpr int64_t kMostTimesUsual = 16;
}  // namespace

LockstepGossip::LockstepGossip(const Spec& spec) : spec_(spec) {
  KITH_ASSERT(spec.vectors >= 1 && spec.vectors <= kMostVectors);
  KITH_ASSERT(!spec.each_edge || (spec.vectors == 1 && spec.lag == 0));
  KITH_ASSERT(spec.introduces == 0 || (spec.introduces <= kMostVectors && spec.lag == 0));
}

bool LockstepGossip::encode(NodeState&, const SharedBuffer&, Wires) {
  KITH_ASSERT(!"an algorithm that sends all neighbours the same");
  return false;
}

bool LockstepGossip::encode_for(NodeState&, const SharedBuffer&, NodeId, SharedBuffer&) {
  KITH_ASSERT(!"an algorithm whose edges have wires of their own");
  return false;
}

void LockstepGossip::introduce(const NodeState&, Wires) {
  KITH_ASSERT(!"an algorithm that introduces itself");
}

void LockstepGossip::introduced(const NodeState&, NodeId, Wires) {
  KITH_ASSERT(!"an algorithm that introduces itself");
}

LockstepGossip::Sends LockstepGossip::sends_of(const Options& options) {
  return options.text("order") == "atc" ? Sends::kAdapted : Sends::kCurrent;
}

Status LockstepGossip::step(NodeState& state, Event&& event, std::vector<Effect>& out) {
  const bool begins = std::holds_alternative<Start>(event) || std::holds_alternative<Resume>(event);
  if (std::holds_alternative<Start>(event)) start(state);
  if (std::holds_alternative<Resume>(event)) send_again(state, out);
  if (begins) begin_round(state, out);
  Status status;
  if (auto* received = std::get_if<Received>(&event)) {
    status = receive(state, std::move(received->message));
    if (!status.ok() && status.reason() != Reason::kLeftOut) return status;
  }
  if (auto* computed = std::get_if<Computed>(&event)) take(state, std::move(*computed), out);
  if (const auto* left = std::get_if<PeerLeft>(&event)) leave(state, left->peer);
  if (const auto* joined = std::get_if<PeerJoined>(&event)) {
    absent_.join(joined->peer, joined->from);
    skip_to_ = std::max(skip_to_, joined->skip_to);
  }
  end_rounds(state, out);
  return status;
}

void LockstepGossip::prefetch() const {
  prefetch_bytes(row_.neighbors.data(), row_.neighbors.size() * sizeof(Neighbor));
  inboxes_[0].prefetch();
}

void LockstepGossip::describe(const NodeState& state, std::string& out) const {
  out += spec_.name;
  out += " round=" + std::to_string(state.round);
  out += over_ ? " over" : computed_ ? " waiting" : " computing";
  size_t waiting = 0;
  for (const Inbox& inbox : inboxes_) waiting += inbox.size();
  out += " inbox=" + std::to_string(waiting);
  describe_vector("x", state.parameters, out);
  const bool gradient = rule().kind == LocalRule::Kind::kGradient;
  describe_vector(gradient ? "g" : "v", computed_, out);
  describe_memory(out);
}

void LockstepGossip::waiting_for(const NodeState& state, std::vector<NodeId>& out) const {
  if (over_ || !computed_ || !combines(state)) return;
  for (uint32_t k = 0; k < spec_.vectors; ++k) {
    missing_senders(inboxes_[k], combined(state), row_.neighbors, out);
  }
  if (!all_introduced(state)) out.insert(out.end(), joined_.begin(), joined_.end());
  if (spec_.vectors == 1 && joined_.empty()) return;
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
}

void LockstepGossip::end_rounds(NodeState& state, std::vector<Effect>& out) {
  while (!over_ && ready(state)) {
    if (alone() && state.now < due_) {
      out.push_back(SetTimer{kPace, due_ - state.now});
      return;
    }
    keep_pace(state.now);
    end_round(state, out);
  }
}

// At the end of a round. What one has taken too long the next one may make good.
void LockstepGossip::keep_pace(Time now) {
  if (!alone()) due_ = now;
  was_whole_ = was_whole_ || absent_.empty();
  // Beside somebody absent a round may be a short one: this node catches up with who is back.
  const bool typical = absent_.empty() || !was_whole_;
  if (!alone() && !somebody_left_ && typical) {
    paced_ = std::min(paced_ + 1, kRoundsAveraged);
    usual_ += (std::min(now - begun_, kMostTimesUsual * usual_) - usual_) / paced_;
  }
  due_ = std::max(due_, now - usual_) + usual_;
}

void LockstepGossip::leave(const NodeState& state, NodeId peer) {
  somebody_left_ = true;
  absent_.leave(peer);
  absent_.fold(row_, combined(state));
  for (Inbox& inbox : inboxes_) inbox.drop_from(peer);
  for (Inbox& inbox : introductions_) inbox.drop_from(peer);
  std::erase(joined_, peer);
  forget(state, peer);
}

// The rounds between are nobody's.
void LockstepGossip::skip(NodeState& state) {
  state.round = std::min(skip_to_, state.rounds);
  if (combined(state) == 0) return;
  for (Inbox& inbox : inboxes_) inbox.drop_through(combined(state) - 1);
}

// Those with whom messages of `round` are the first.
void LockstepGossip::welcome(Round round) {
  joined_.clear();
  if (absent_.empty()) return;
  absent_.reach(round, [this](NodeId peer) { joined_.push_back(peer); });
  absent_.fold(row_, round);
}

void LockstepGossip::begin_round(NodeState& state, std::vector<Effect>& out) {
  if (skip_to_ > state.round) skip(state);
  if (state.round == state.rounds) return finish(state, Finish::Why::kDone, out);
  begun_ = state.now;
  somebody_left_ = false;
  state.mixing->row(state.self, combined(state), row_);
  welcome(combined(state));
  if (spec_.sends == Sends::kCurrent && !publish(state, state.parameters, out)) return;
  if (spec_.local_steps == 0 || (spec_.trains_once && state.round > 0)) {
    computed_ = state.parameters;
    if (spec_.sends == Sends::kAdapted) publish(state, computed_, out);
    return;
  }
  out.push_back(Compute{.ticket = state.round + 1,
                        .first_batch = state.round * spec_.local_steps,
                        .steps = spec_.local_steps,
                        .at = state.parameters,
                        .rule = rule()});
}

Status LockstepGossip::receive(const NodeState& state, Message&& message) {
  if (over_ && spec_.lag > 0) return {};  // what comes after the last round is of no use
  if (!hears(state, message)) return Reason::kUnknownPeer;
  if (absent_.contains(message.from, message.round)) return Reason::kNoContract;
  if (message.kind >= kFirstIntroduction) return receive_introduction(state, std::move(message));
  const uint32_t vector = uint32_t{message.kind} - kFirstVector;
  if (vector >= spec_.vectors) return Reason::kMalformed;
  const Status checked = check_message(state, message);
  if (!checked.ok() && checked.reason() != Reason::kLeftOut) return checked;
  const bool repeats = state.mixing->graph().period() != kNeverRepeats;
  const Status put =
      inboxes_[vector].put(std::move(message), combined(state),
                           repeats ? Inbox::Pace::kEveryRound : Inbox::Pace::kSomeRounds);
  return put.ok() ? checked : put;
}

Status LockstepGossip::receive_introduction(const NodeState& state, Message&& message) {
  const uint32_t vector = uint32_t{message.kind} - kFirstIntroduction;
  if (vector >= spec_.introduces) return Reason::kMalformed;
  const bool joins = message.round == state.round ? std::ranges::count(joined_, message.from) > 0
                                                  : absent_.joins(message.from, message.round);
  if (!joins) return Reason::kMalformed;
  if (message.payload.size() != state.dimension * sizeof(float)) return Reason::kTruncated;
  const SharedBuffer floats = floats_of(message.payload, *state.pool);
  if (!kernels::all_finite(floats.floats())) return Reason::kNotFinite;
  return introductions_[vector].put(std::move(message), state.round);
}

Status LockstepGossip::check_message(const NodeState& state, Message& message) const {
  return check(*state.codec, message.payload, state.dimension, *state.pool);
}

// The row of W at hand serves for its own round, and for all of a graph that never changes.
bool LockstepGossip::hears(const NodeState& state, const Message& message) {
  const Graph& graph = state.mixing->graph();
  if (absent_.empty() && (message.round == combined(state) || graph.period() == 1)) {
    return std::ranges::binary_search(row_.neighbors, message.from, {}, &Neighbor::peer);
  }
  graph.in(state.self, message.round, peers_);
  return std::ranges::binary_search(peers_, message.from);
}

void LockstepGossip::take(NodeState& state, Computed&& computed, std::vector<Effect>& out) {
  if (over_ || computed.ticket != state.round + 1) return;
  if (!computed.finite) return finish(state, Finish::Why::kDiverged, out);
  computed_ = std::move(computed.result);
  loss_ = computed.loss;
  if (spec_.sends == Sends::kAdapted) publish(state, computed_, out);
}

// Encodes once and sends the same blocks to every neighbour. False when something is not finite.
bool LockstepGossip::publish(NodeState& state, const SharedBuffer& x, std::vector<Effect>& out) {
  if (spec_.each_edge) return publish_each(state, x, out);
  send_introductions(state, out);
  if (!encode(state, x, Wires(sent_.wires).first(spec_.vectors))) {
    finish(state, Finish::Why::kDiverged, out);
    return false;
  }
  sent_.scalar = scalar();
  send(state, state.round, sent_, out);
  if (spec_.lag > 0) {
    if (on_way_.size() == spec_.lag) on_way_.pop_front();
    on_way_.push_back(sent_);
  }
  return true;
}

// One encoding for each neighbour.
bool LockstepGossip::publish_each(NodeState& state, const SharedBuffer& x,
                                  std::vector<Effect>& out) {
  for (const NodeId peer : hearers(state)) {
    SharedBuffer wire;
    if (!encode_for(state, x, peer, wire)) {
      finish(state, Finish::Why::kDiverged, out);
      return false;
    }
    out.push_back(Send{.to = peer,
                       .kind = kFirstVector,
                       .round = state.round,
                       .scalar = scalar_for(peer),
                       .payload = std::move(wire),
                       .values = state.dimension});
  }
  return true;
}

std::span<const NodeId> LockstepGossip::hearers(const NodeState& state) {
  state.mixing->graph().out(state.self, state.round, peers_);
  if (!absent_.empty()) {
    std::erase_if(peers_, [&](NodeId peer) { return absent_.contains(peer, state.round); });
  }
  return peers_;
}

// To those who join in this round, before it changes what they are told.
void LockstepGossip::send_introductions(const NodeState& state, std::vector<Effect>& out) {
  if (spec_.introduces == 0 || joined_.empty()) return;
  std::array<SharedBuffer, kMostVectors> vectors;
  introduce(state, Wires(vectors).first(spec_.introduces));
  for (const NodeId peer : hearers(state)) {
    if (std::ranges::count(joined_, peer) == 0) continue;
    for (uint32_t k = 0; k < spec_.introduces; ++k) {
      out.push_back(Send{.to = peer,
                         .kind = static_cast<uint16_t>(kFirstIntroduction + k),
                         .round = state.round,
                         .payload = vectors[k],
                         .values = state.dimension});
    }
  }
}

// Of those who are heard and join in this round.
bool LockstepGossip::all_introduced(const NodeState& state) const {
  if (spec_.introduces == 0 || joined_.empty()) return true;
  const auto heard = std::ranges::count_if(joined_, [&](NodeId peer) {
    return std::ranges::binary_search(row_.neighbors, peer, {}, &Neighbor::peer);
  });
  return std::ranges::all_of(
      std::span(introductions_).first(spec_.introduces),
      [&](const Inbox& inbox) { return std::ssize(inbox.at(state.round)) == heard; });
}

void LockstepGossip::hear_introductions(const NodeState& state) {
  if (spec_.introduces == 0 || joined_.empty()) return;
  const std::span<const Message> first = introductions_[0].at(state.round);
  for (size_t i = 0; i < first.size(); ++i) {
    std::array<SharedBuffer, kMostVectors> vectors;
    for (uint32_t k = 0; k < spec_.introduces; ++k) {
      vectors[k] = floats_of(introductions_[k].at(state.round)[i].payload, *state.pool);
    }
    introduced(state, first[i].from, Wires(vectors).first(spec_.introduces));
  }
  for (Inbox& inbox : introductions_) inbox.drop_through(state.round);
}

void LockstepGossip::send(const NodeState& state, Round round, const Sent& sent,
                          std::vector<Effect>& out) {
  state.mixing->graph().out(state.self, round, peers_);
  for (NodeId peer : peers_) {
    if (absent_.contains(peer, round)) continue;
    for (uint32_t k = 0; k < spec_.vectors; ++k) {
      out.push_back(Send{.to = peer,
                         .kind = static_cast<uint16_t>(kFirstVector + k),
                         .round = round,
                         .scalar = sent.scalar,
                         .payload = sent.wires[k],
                         .values = state.dimension});
    }
  }
}

void LockstepGossip::send_again(const NodeState& state, std::vector<Effect>& out) {
  for (size_t i = 0; i < on_way_.size(); ++i) {
    send(state, state.round - on_way_.size() + i, on_way_[i], out);
  }
}

void LockstepGossip::persist_absent(Archive& archive) {
  archive.part("absent", absent_);
  archive.number("usual", usual_);
  archive.number("paced", paced_);
  archive.number("was_whole", was_whole_);
  const bool sane = usual_ >= Duration::zero() && paced_ > 0 && paced_ <= kRoundsAveraged;
  if (!sane) archive.refuse();
}

void LockstepGossip::persist_sent(Archive& archive) {
  size_t kept = on_way_.size();
  archive.number("sent", kept);
  if (kept > spec_.lag) return archive.refuse();
  on_way_.resize(kept);
  for (size_t i = 0; i < kept; ++i) {
    for (uint32_t k = 0; k < spec_.vectors; ++k) {
      archive.bytes("wire." + std::to_string(i) + "." + std::to_string(k), on_way_[i].wires[k]);
    }
    archive.number("scalar." + std::to_string(i), on_way_[i].scalar);
  }
}

bool LockstepGossip::ready(const NodeState& state) const {
  if (!computed_ || !combines(state)) return static_cast<bool>(computed_);
  if (!all_introduced(state)) return false;
  return std::ranges::all_of(std::span(inboxes_).first(spec_.vectors), [&](const Inbox& inbox) {
    return inbox.at(combined(state)).size() == row_.neighbors.size();
  });
}

void LockstepGossip::end_round(NodeState& state, std::vector<Effect>& out) {
  hear_introductions(state);
  const std::array<Payload, kMostVectors> own = {sent_.wires[0], sent_.wires[1]};
  const auto heard = [&](uint32_t k) {
    return combines(state) ? inboxes_[k].at(combined(state)) : std::span<const Message>();
  };
  const std::array<Exchanged, kMostVectors> vectors = {Exchanged{own[0], heard(0)},
                                                       Exchanged{own[1], heard(1)}};
  const std::span<const Exchanged> exchanged = std::span(vectors).first(spec_.vectors);
  for (const Exchanged& vector : exchanged) {
    for (size_t i = 0; i < vector.messages.size(); ++i) {
      KITH_ASSERT(vector.messages[i].from == row_.neighbors[i].peer);
    }
  }
  state.parameters = combine(state, {row_, computed_, exchanged});
  if (combines(state)) {
    for (Inbox& inbox : inboxes_) inbox.drop_through(combined(state));
  }
  computed_.reset();
  out.push_back(Report{.round = state.round, .loss = loss_, .parameters = state.parameters});
  ++state.round;
  checkpoint(*this, state, state.round - 1, state.round, out);
  begin_round(state, out);
}

void LockstepGossip::finish(const NodeState& state, Finish::Why why, std::vector<Effect>& out) {
  over_ = true;
  out.push_back(Finish{why, state.round});
}

bool LockstepGossip::encode_vector(const NodeState& state, const SharedBuffer& x,
                                   SharedBuffer& wire) const {
  const EncodingScope scope(*state.codec, state.dimension);
  Rng rng(state.seed, state.self, Purpose::kCodec, state.round);  // lossless: draws nothing
  return state.codec->encode(x, rng, *state.pool, wire).ok();
}

SharedBuffer LockstepGossip::mixed(const NodeState& state, const SharedBuffer& own,
                                   const Exchange& exchange, uint32_t k) {
  terms_.clear();
  // As D-PSGD weighs it, to the bit.
  terms_.push_back({1.0f - (1.0f - exchange.row.self), own.floats()});
  append_heard(exchange.row, exchange.vectors[k].messages, 1.0f, terms_);
  Buffer sum = state.pool->acquire_floats(state.dimension);
  weighted_sum(*state.codec, terms_, sum.floats(), *state.pool);
  return std::move(sum).freeze();
}

Buffer LockstepGossip::pulled(const NodeState& state, const SharedBuffer& own,
                              const Exchange& exchange, uint32_t k) {
  terms_.clear();
  append_heard(exchange.row, exchange.vectors[k].messages, 1.0f, terms_);
  Buffer sum = state.pool->acquire_floats(state.dimension);
  std::ranges::fill(sum.floats(), 0.0f);
  add_differences(*state.codec, own.floats(), terms_, sum.floats(), *state.pool);
  return sum;
}

void LockstepGossip::append_own(const NodeState& state, const SharedBuffer& v, float leaves,
                                std::vector<Term>& terms) const {
  if (spec_.sends == Sends::kAdapted) {
    terms.push_back({1.0f - leaves, v.floats()});
  } else {
    terms.push_back({-leaves, state.parameters.floats()});
    terms.push_back({1.0f, v.floats()});
  }
}

void append_heard(const MixingRow& row, std::span<const Message> messages, float gamma,
                  std::vector<Term>& terms) {
  for (size_t i = 0; i < messages.size(); ++i) {
    terms.push_back({gamma * row.neighbors[i].weight, {}, &messages[i].payload, messages[i].from});
  }
}

SharedBuffer sum_of(const NodeState& state, const SharedBuffer& x, const SharedBuffer& memory) {
  if (!memory) return x;
  Buffer sum = state.pool->acquire_floats(state.dimension);
  kernels::add_scaled(x.floats(), 1.0f, memory.floats(), sum.floats());
  return std::move(sum).freeze();
}

OptionSpec option_gossip_steps() {
  return {
      "local_steps",      OptionSpec::Type::kInteger, int64_t{1}, "steps between two exchanges", 1,
      limits::kLocalSteps};
}

OptionSpec option_gossip_order() {
  return {"order",
          OptionSpec::Type::kText,
          std::string("atc"),
          "atc: step, then mix; cta: mix what is sent before the step",
          0,
          0,
          {"atc", "cta"}};
}

double batches_of_gossip(const Options& options, uint32_t) {
  if (!options.values().contains("local_steps")) return 1;
  return static_cast<double>(options.integer("local_steps"));
}

std::optional<RunTime> gossip_run_time(const Options& options, const ClusterTiming& cluster) {
  const bool ordered = options.values().contains("order");
  return gossip_time(cluster, {.local_steps = static_cast<uint32_t>(options.integer("local_steps")),
                               .combine_first = ordered && options.text("order") == "cta"});
}

}  // namespace kith
