// The one driver: hands each event to the algorithm and carries out its effects in order.
//
// Under the algorithm Node keeps each directed edge reliable without acknowledgements: messages are
// numbered per edge, the sender keeps its last few (shared blocks, free), and a receiver whose
// algorithm waits for longer than that edge's own history suggests asks for what it has not seen.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "daemon/body.h"
#include "daemon/edge_ledger.h"
#include "protocol/algorithm.h"
#include "protocol/edge.h"
#include "topology/prefetch.h"

namespace kith {

struct NodeCounters {
  uint64_t messages_sent = 0;
  uint64_t messages_received = 0;
  uint64_t bytes_sent = 0;  // on the wire: headers and payloads, resent ones too
  uint64_t bytes_received = 0;
  uint64_t payload_bytes_sent = 0;
  uint64_t uncompressed_bytes_sent = 0;  // what the same messages would have taken as floats
  uint64_t batches = 0;                  // computed and handed to the algorithm
  uint64_t repairs_requested = 0;
  uint64_t messages_resent = 0;
  Duration encoding{};  // of vectors for the wire; one encoding may serve several edges
  Duration decoding{};
  std::array<uint64_t, static_cast<size_t>(Reason::kCount)> refused{};

  void persist(Archive& archive);
};

class Node {
 public:
  // `state` as described in protocol/algorithm.h, with parameters set. `body` outlives the node.
  Node(NodeState state, const AlgorithmInfo& algorithm, const Options& options, RepairPolicy repair,
       Body& body);

  // The only entry. Events of one node come one at a time, with `now` never falling.
  void handle(Event&& event, Time now);

  // Before the first event: reads what a Checkpoint held; Resume must follow instead of Start.
  // kMalformed where that is of another job.
  Status restore(Archive& archive);

  // From now on edges() tells what goes over each edge.
  void keep_ledger() { ledger_.emplace(); }

  // What a body has found coding to cost (protocol/codec_meter.h).
  void encoded(Duration took) { counters_.encoding += took; }
  void decoded(NodeId from, Duration took);

  // A frame from `from` that could not even be decoded into a message.
  void refuse(Status status);

  // Brings the node towards the cache while others are at work, one step after the other: itself,
  // the algorithm, what that points to. Hints of the simulator's.
  void prefetch() const { prefetch_object(*this); }
  void prefetch_algorithm() const { prefetch_bytes(algorithm_.get(), kAlgorithmBytes); }
  void prefetch_below() const { algorithm_->prefetch(); }

  const NodeState& state() const { return state_; }
  const NodeCounters& counters() const { return counters_; }
  std::span<const EdgeCounters> edges() const {
    return ledger_ ? ledger_->edges() : std::span<const EdgeCounters>();
  }
  Measures measures() const {
    const Measures* measures = algorithm_->measures();
    return measures != nullptr ? *measures : Measures{};
  }
  bool finished() const { return finished_; }
  void describe(std::string& out) const { algorithm_->describe(state_, out); }

 private:
  static constexpr size_t kAlgorithmBytes = 512;  // about; of its own object

  Status receive(Message& message);
  Status step(Event&& event);
  void carry_out();
  void send(Send&& effect);
  void transmit(Message&& message);
  void tell(NodeId peer, uint16_t kind, uint64_t number);
  void heard(const Message& message);
  void send_again(NodeId peer, uint64_t after);
  void watch();

  NodeState state_;
  std::unique_ptr<Algorithm> algorithm_;
  Body& body_;
  NodeCounters counters_;
  EdgeTable edges_;
  std::optional<EdgeLedger> ledger_;
  Time last_asked_to_compute_{};
  Time last_computed_{};
  bool cancels_;  // what the algorithm declares
  bool finished_ = false;
  // Of an adversary: x of the last round reported, which is where the next one begins. Effects are
  // carried out when state_ may be rounds further on already.
  SharedBuffer reported_;
  std::vector<Effect> effects_;  // scratch, kept for their capacity
  std::vector<NodeId> waiting_;
  std::vector<Message> kept_;
};

}  // namespace kith
