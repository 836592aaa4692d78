// The one driver: hands each event to the algorithm and carries out its effects in order.
//
// Under the algorithm Node keeps each directed edge reliable without acknowledgements: messages are
// numbered per edge, the sender keeps its last few (shared blocks, free), and a receiver whose
// algorithm waits for longer than that edge's own history suggests asks for what it has not seen.
//
// Where the repair policy says so, a peer that answers nothing is left, and taken up again once it
// does. Each undirected edge is a contract then (protocol/contract.h; node_contracts.cc); over a
// star with a hub all nodes belong to a view (protocol/view.h; node_views.cc).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "daemon/body.h"
#include "daemon/edge_ledger.h"
#include "daemon/star_side.h"
#include "protocol/algorithm.h"
#include "protocol/contract.h"
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
  // A policy that leaves needs an algorithm that goes on; or one with a hub, which begins anew
  // without a silent node. What is passed then outlives the node.
  Node(NodeState state, const AlgorithmInfo& algorithm, const Options& options, RepairPolicy repair,
       Body& body);

  // The only entry. Events of one node come one at a time, with `now` never falling.
  void handle(Event&& event, Time now);

  // Before the first event: reads what a Checkpoint held; Resume must follow instead of Start.
  // kMalformed where that is of another job.
  Status restore(Archive& archive);

  // Before the first event: the contracts that the run begins with have this number.
  void begin_contracts(uint64_t number);

  // Before the first event: so many have been computed in this run before.
  void count_batches(uint64_t before) { counters_.batches = before; }

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

  const NodeState& state() const { return state_; }  // as the algorithm has it
  // Rounds of the run that x has seen.
  Round round() const { return star_ ? star_->view.from + state_.round : state_.round; }
  // Is the hub, of an algorithm that has one.
  bool leads() const;
  const NodeCounters& counters() const { return counters_; }
  std::span<const EdgeCounters> edges() const {
    return ledger_ ? ledger_->edges() : std::span<const EdgeCounters>();
  }
  Measures measures() const {
    const Measures* measures = algorithm_->measures();
    return measures != nullptr ? *measures : Measures{};
  }
  bool finished() const { return finished_; }
  // Returns, and no neighbour has told x yet.
  bool away() const { return star_ ? star_->away : away_; }
  // Goes on without `peer`.
  bool has_left(NodeId peer) const {
    if (star_) return star_->away || !star_->view.has(peer);
    return contracts_ && contracts_->knows(peer) && !contracts_->in_force(peer);
  }
  // Appends the peers without whose messages it does not go on: of those that an away node asks
  // one is enough.
  void waiting_for(std::vector<NodeId>& out) const;
  void describe(std::string& out) const { algorithm_->describe(state_, out); }

 private:
  static constexpr size_t kAlgorithmBytes = 512;  // about; of its own object

  void take(Event&& event);
  Status receive(Message& message);
  Status step(Event&& event);
  void carry_out();
  void send(Send&& effect);
  void transmit(Message&& message);
  void tell(NodeId peer, uint16_t kind, uint64_t number);
  void heard(const Message& message);
  void send_again(NodeId peer, uint64_t after);
  void watch();
  Duration ask(std::span<const NodeId> waiting);
  Duration probe(std::span<const NodeId> waiting);

  // ---- contracts, where there are any ----

  // Beside what protocol/contract.h says: a node that was away asks for x as well.
  static constexpr double kWithModel = 1;

  std::vector<NodeId> contract_peers() const;
  bool fits_contract(const Message& message);
  bool heard_of_contract(const Message& message);
  void offered(const Message& message);
  void proposed(const Message& message);
  void go_on_from(const Message& message);
  void accepted(NodeId peer, uint64_t number, Round theirs);
  void begin_contract(NodeId peer, Round theirs);
  void renew_edges();
  void leave(NodeId peer);
  void mistrust(NodeId peer);
  void offer(NodeId peer);
  Duration offer_again();
  void come_back();
  void say(NodeId peer, uint16_t kind, const Contracts::Terms& terms, double scalar,
           Payload payload = {});
  // As contracts count: the round under way, or the one that it will skip to. Without rounds in
  // common there are two, before the end and the end.
  Round own_round() const {
    if (lockstep_) return std::max(state_.round, skips_to_);
    return state_.round < state_.rounds ? 0 : state_.rounds;
  }

  // ---- views of a star, where there are any ----

  // Between the numbers of the run and those of the view. False where an effect is not carried out
  // now, and a result not taken now.
  bool to_run(Effect& effect);
  void to_view(Message& message) const;
  bool to_view(Computed& computed);
  bool begins_now(Compute& work);
  void keep_pace();
  bool alone() const;
  void end_event();

  Standing standing() const;
  void say_standing(NodeId to, uint16_t kind);
  bool in_view(const Message& message) const;
  bool fits_view(const Message& message);
  void seen_in_view(NodeId peer);
  bool heard_of_view(const Message& message);
  void consider(const Standing& other, bool answers);
  void meet(Standing other);
  void heard_of_hub(const Standing& hub, bool answers);
  void asked_in(const Message& message);
  void announced(const Message& message);
  void ended(const Message& message);
  SharedBuffer model_in(const Message& message);

  void watch_star();
  uint64_t share_of_batches(Round rounds) const;
  void waiting_in_view(std::vector<NodeId>& out) const;
  Duration ask_members();
  EdgeTable::Question ask_member(NodeId peer, bool owes);
  bool is_gone(NodeId member) const;
  Duration call_others();
  Duration search_on();
  void return_to_star();
  void seek();
  void ask_everybody();
  void join(const Standing& hub);
  void lead();
  void ban(NodeId member);
  void change_view(std::span<const NodeId> gone);
  void enter(View&& view, SharedBuffer x, uint64_t first_batch);
  void begin_view(SharedBuffer x);
  std::optional<uint64_t> batches_by(Round round) const;
  void give_up_work();
  void name_changes(const View& before);
  void announce();
  void tell_view(StarSide::Member& member);
  StarSide::Member* member(NodeId node) const;

  NodeState state_;
  const NodeId self_;  // state_.self may be called otherwise within a view
  std::unique_ptr<Algorithm> algorithm_;
  Body& body_;
  NodeCounters counters_;
  EdgeTable edges_;
  std::optional<EdgeLedger> ledger_;
  Time last_asked_to_compute_{};
  Time last_computed_{};
  bool cancels_;  // what the algorithm declares
  bool finished_ = false;
  std::optional<Contracts> contracts_;
  bool lockstep_;  // neighbours are in the same round, give or take a few
  Round skips_to_ = 0;
  bool away_ = false;               // since the start, until a neighbour tells x
  Time offered_{};                  // last
  std::unique_ptr<StarSide> star_;  // null without views
  // Of an adversary: x of the last round reported, which is where the next one begins. Effects are
  // carried out when state_ may be rounds further on already.
  SharedBuffer reported_;
  std::vector<Effect> effects_;  // scratch, kept for their capacity
  std::vector<NodeId> waiting_;
  std::vector<Message> kept_;
};

}  // namespace kith
