// An algorithm is a pure state machine: step(state, event) -> effects. One object per node. It owns
// no socket, thread, clock, file or global, and learns of time only from NodeState::now.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/codec.h"
#include "protocol/effect.h"
#include "protocol/event.h"
#include "protocol/layout.h"
#include "protocol/measures.h"
#include "protocol/memory.h"
#include "protocol/optimizer.h"
#include "protocol/theory/runtime.h"
#include "protocol/warm_up.h"
#include "topology/gossip_plan.h"
#include "topology/mixing.h"
#include "topology/options.h"

namespace kith {

struct Adversary;
struct AggregateSpec;

// Somebody looks at the report of the round just completed: of every `every`-th, and of the last.
constexpr bool is_reported(Round completed, Round every, Round rounds) {
  return (completed + 1) % every == 0 || completed + 1 == rounds;
}

// The node as its algorithm sees it. Node owns it; the algorithm may write only the last block.
struct NodeState {
  // Fixed for the job.
  NodeId self{};
  uint32_t nodes = 1;
  uint64_t seed = 0;
  Round rounds = 0;             // to run
  uint64_t total_batches = 0;   // of one node over the whole run: what schedules are fractions of
  size_t dimension = 0;         // p, floats of one parameter vector
  size_t rows = 0;              // of this node's training data; 0 = none to count (the laboratory)
  uint32_t batch = 1;           // samples of one step, at the start of the run
  Round report_every = 1;       // rounds: see is_reported
  Round checkpoint_every = 0;   // rounds; 0 = never, or
  Duration checkpoint_pause{};  // time between two; 0 = never
  const Layout* layout = nullptr;  // the tensors of a vector; null = not known
  const Mixing* mixing = nullptr;
  const Graph* meets = nullptr;  // all who may ever meet; null = those of the mixing matrix
  bool peers_leave = false;      // PeerLeft and PeerJoined may come
  const Codec* codec = nullptr;  // of what this job compresses
  MemorySpec memory = {};
  const WarmUp* warm_up = nullptr;  // codecs of the first rounds; null = there is none
  const Codec* down = nullptr;      // of what a hub tells all nodes; null = as it is
  const OptimizerSpec* optimizer = nullptr;
  const AggregateSpec* aggregate = nullptr;  // see aggregator.h; null = weighted sums
  const Adversary* adversary = nullptr;  // what this node makes of what it sends; null = nothing
  GossipRounds final_consensus = {};     // when the rounds are over; none = the models stay apart
  Pool* pool = nullptr;

  // Set by Node before each step.
  Time now{};

  // Of checkpoint(), where it goes by time: a power of two, and when the last was due.
  Round checkpoint_period = 1;
  Time checkpointed{};

  // Written by the algorithm.
  SharedBuffer parameters;  // x; initialised by Node, equal on all nodes
  Round round = 0;          // the round under way
};

// Of the messages of a round.
inline const Codec& codec_of(const NodeState& state, Round round) {
  const Codec* first = state.warm_up != nullptr ? state.warm_up->at(round) : nullptr;
  return first != nullptr ? *first : *state.codec;
}

class Algorithm {
 public:
  virtual ~Algorithm() = default;

  // Appends to `out`, which is the caller's and reused. A message that breaks the protocol is
  // refused by its Status and changes nothing; kLeftOut alone says that its sender has been heard
  // and that the round goes on without its vector.
  virtual Status step(NodeState& state, Event&& event, std::vector<Effect>& out) = 0;

  // One stable line of the inner state, for goldens and debugging: numbers with 6 digits.
  virtual void describe(const NodeState& state, std::string& out) const = 0;

  // Writes, or reads before Resume, what it keeps beside NodeState's parameters and round. Asked
  // only where the algorithm itself has called checkpoint(), see protocol/checkpoint.h.
  virtual void persist(Archive& archive) = 0;

  // What it knows of its own course; null where there is nothing to tell.
  virtual const Measures* measures() const { return nullptr; }

  // Brings what the next message will touch towards the cache: a hint.
  virtual void prefetch() const {}

  // Peers whose messages this node waits for, sorted; empty when it needs none to go on, or is
  // done. Node repairs losses and names the silent ones from this.
  virtual void waiting_for(const NodeState& state, std::vector<NodeId>& out) const = 0;
};

// What an algorithm cannot do without; validation refuses a job that lacks it.
struct Needs {
  bool star = false;                // one hub, node 0
  bool undirected = false;          // in == out
  bool doubly_stochastic = false;   // rows and columns of W sum to 1
  bool fixed = false;               // W is the same in every round
  bool undirected_changes = false;  // in == out in each round, unless W is the same in every round
  bool lossless = false;            // messages lose nothing of what they stand for
  double eigenvalues_above = -1;    // all of the symmetric W's in round 0 are; -1 = any
};

// What a choice of options must fit to, beyond the range of each key.
struct Setting {
  const Options& options;
  uint32_t nodes = 1;
  const OptimizerSpec& optimizer;
  // eta times the largest curvature where the model knows it (the laboratory), else 0.
  double step_times_curvature = 0;
  bool error_feedback = false;  // codec.memory, around a codec that loses something
  bool down = false;            // what a hub tells its nodes is coded
  bool coded = false;           // by anything but identity
  size_t parameters = 0;        // of the model; 0 = not known yet
  std::string codec = {};       // codec.kind
  double codec_variance = 0;    // its bound for so many parameters; 0 = none, or not known yet
};

// What a rule of [aggregate] other than "mean" may bring together in place of a weighted sum.
enum class Aggregates : uint8_t {
  kNothing,  // the algorithm needs the sum itself
  kUpdates,  // at a hub gradients, or what local steps come to, of all that are in a round
  kModels    // on each node its own model and its neighbours'
};

// The mixing matrices of an algorithm that makes its own from the job's graph, in place of
// topology.weights. They may use fewer edges than that graph, never others.
struct OwnWeights {
  // Throws OperatorError where make() would. O(edges).
  void (*check)(const Options& options, const Graph& graph);
  // The same on every node of the job. The graph need not outlive it.
  std::unique_ptr<Mixing> (*make)(const Options& options, const Graph& graph, uint64_t seed);
  // What the operator should know of them before a start: a sentence. Costs what make() does.
  std::string (*note)(const Options& options, const Graph& graph);
};

// Over which graphs a node goes on without a neighbour that is silent: it hears PeerLeft and
// PeerJoined.
enum class GoesOn : uint8_t {
  kNever,
  kUndirected,  // what two neighbours keep of each other is the same but for the sign
  kAnyGraph     // one-way edges that are gone move the average; a node weighs itself more
};

// One line of algorithms.def: ALGORITHM(symbol) names `const AlgorithmInfo symbol_algorithm` in
// protocol/algorithm/<symbol>.cc.
struct AlgorithmInfo {
  const char* name;
  const char* help;  // one line
  Needs needs;
  OptionSpecs options;
  std::unique_ptr<Algorithm> (*make)(const NodeState& state, const Options& options);
  // Mini-batches that a round takes, per node: a fraction where it does not wait for all.
  double (*batches_per_round)(const Options& options, uint32_t nodes);
  // Timing never reaches the mathematics: the same bits on every body.
  bool synchronous = true;
  // The model is the hub's, node 0, which alone reports; the others hold it at the end.
  bool central = false;
  // Every update is the mean of all nodes' gradients, so that a hub may hold the mean of their
  // estimates, messages may be coded by their round (codec.memory "ef21" and "dgc"), and payloads
  // may be decoded together (Codec::decodes_jointly).
  bool all_contribute = false;
  // All nodes hear the news of each round, so that it may be coded against that of the last one
  // (coordinator/downlink.h).
  bool codes_down = false;
  // It sends differences to what its neighbours have of it, so that what a codec leaves out stays
  // in the next one by itself.
  bool keeps_differences = false;
  GoesOn goes_on = GoesOn::kNever;
  // A codec that it goes with, where it does not with every one (its check says so); null = any.
  const char* codec = nullptr;
  // The size of its messages follows from the shapes of the tensors, not from p alone.
  bool looks_at_tensors = false;
  // May ask for Cancel. False spares its learners the memory that taking work back needs.
  bool cancels = true;
  // To one peer: what may have to be sent again.
  uint32_t messages_per_round = 1;
  // Throws OperatorError where the options do not fit the rest; null = they always do.
  void (*check)(const Setting& setting) = nullptr;
  // Expected wall-clock time of a round, of options that check() has let pass; null, or nothing for
  // these options = no theory.
  std::optional<RunTime> (*run_time)(const Options& options,
                                     const ClusterTiming& cluster) = nullptr;
  // Passes of a node over its own rows that a round takes, on average, where it is these that are
  // counted; null or 0 = batches_per_round says it.
  double (*passes_per_round)(const Options& options, uint32_t nodes) = nullptr;
  // Rounds after which a message is waited for; null = 0, in its own. Senders lead by as many more,
  // and must keep what they have sent for as long.
  Round (*rounds_late)(const Options& options) = nullptr;
  // Null = it gossips with topology.weights, or not at all.
  const OwnWeights* weights = nullptr;
  // Where it is anything, each coded message is one vector of the model's size.
  Aggregates aggregates = Aggregates::kNothing;
};

std::vector<const AlgorithmInfo*> all_algorithms();

// One node's, with what NodeState asks for around it.
std::unique_ptr<Algorithm> make_algorithm(const AlgorithmInfo& info, const NodeState& state,
                                          const Options& options);

// Throws OperatorError with the known names.
const AlgorithmInfo& algorithm_info(const std::string& name);

}  // namespace kith
