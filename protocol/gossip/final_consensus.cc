#include "protocol/gossip/final_consensus.h"

namespace kith {

namespace {
// Beyond the kinds of all algorithms, which count from 1.
constexpr uint16_t kAverage = 0x7f00;
}  // namespace

FinalConsensus::FinalConsensus(std::unique_ptr<Algorithm> trains, const GossipRounds& how)
    : trains_(std::move(trains)), averaging_(how, kAverage) {}

Status FinalConsensus::step(NodeState& state, Event&& event, std::vector<Effect>& out) {
  auto* received = std::get_if<Received>(&event);
  if (received && received->message.kind == kAverage) {
    if (const Status status = averaging_.receive(state, std::move(received->message));
        !status.ok()) {
      return status;
    }
    go_on(state, out);
    return {};
  }
  neighbours(state, event);
  const size_t before = out.size();
  if (const Status status = trains_->step(state, std::move(event), out); !status.ok()) {
    return status;
  }
  add_to_checkpoints(out, before);
  if (takes_end(out, before)) averaging_.begin(state, out);
  go_on(state, out);
  return {};
}

// One that joins for the end alone, with which no round of the training is left, has nothing to
// bring.
void FinalConsensus::neighbours(const NodeState& state, const Event& event) {
  if (const auto* left = std::get_if<PeerLeft>(&event)) averaging_.leave(left->peer);
  const auto* joined = std::get_if<PeerJoined>(&event);
  if (joined != nullptr && joined->from < state.rounds) averaging_.join(joined->peer);
}

// Between checkpoints there is no averaging: what it knows of neighbours is what trains_ knows.
void FinalConsensus::persist(Archive& archive) {
  trains_->persist(archive);
  archive.part("averaging", averaging_);
}

// The training keeps what is its own, as it knows nothing of what is around it.
void FinalConsensus::add_to_checkpoints(std::vector<Effect>& out, size_t from) {
  for (size_t i = from; i < out.size(); ++i) {
    const auto* checkpoint = std::get_if<Checkpoint>(&out[i]);
    if (checkpoint != nullptr) checkpoint->state->part("algorithm.averaging", averaging_);
  }
}

// True once: when the training has come to its end, which is not told yet.
bool FinalConsensus::takes_end(std::vector<Effect>& out, size_t from) {
  if (trained_) return false;
  for (size_t i = from; i < out.size(); ++i) {
    const auto* finish = std::get_if<Finish>(&out[i]);
    if (finish == nullptr) continue;
    trained_ = true;
    over_ = finish->why == Finish::Why::kDiverged;
    if (over_) return false;
    out.erase(out.begin() + static_cast<ptrdiff_t>(i));
    return true;
  }
  return false;
}

void FinalConsensus::go_on(NodeState& state, std::vector<Effect>& out) {
  if (!trained_ || over_) return;
  while (averaging_.advance(state, out)) {
  }
  if (averaging_.finite() && !averaging_.over()) return;
  over_ = true;
  const Finish::Why why = averaging_.finite() ? Finish::Why::kDone : Finish::Why::kDiverged;
  out.push_back(Finish{why, state.round});
}

void FinalConsensus::describe(const NodeState& state, std::string& out) const {
  trains_->describe(state, out);
  averaging_.describe(out);
}

void FinalConsensus::waiting_for(const NodeState& state, std::vector<NodeId>& out) const {
  trained_ ? averaging_.waiting_for(out) : trains_->waiting_for(state, out);
}

}  // namespace kith
