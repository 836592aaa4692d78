// What a node is told. The only way in which time, peers and results reach an algorithm.
#pragma once

#include <cstdint>
#include <variant>

#include "protocol/buffer.h"
#include "protocol/status.h"
#include "protocol/time.h"
#include "topology/types.h"

namespace kith {

// From one node to another. `kind` is private to the algorithm (below kFirstNodeKind).
struct Message {
  NodeId from{};
  NodeId to{};
  uint16_t kind = 0;
  Round round = 0;
  double scalar = 0;      // one number beside the vector; the algorithm says what it is
  uint64_t sequence = 0;  // per directed edge, from 1; set by Node
  Payload payload;
};

// Kinds from here on belong to Node itself (repair of lost messages).
inline constexpr uint16_t kFirstNodeKind = 0xff00;

// A bit of the algorithm's kinds: the message makes all earlier ones of its edge pointless. They
// are not queued behind a slow link, not kept, and not missed where this one has come.
inline constexpr uint16_t kSupersedes = 0x8000;
inline bool supersedes(uint16_t kind) { return kind < kFirstNodeKind && (kind & kSupersedes) != 0; }

struct Start {};

// In place of Start where Algorithm::persist has read what a Checkpoint held: work and messages
// that were under way then are lost, and the run goes on from there.
struct Resume {};

struct Received {
  Message message;
};

// Answer to one Compute effect.
struct Computed {
  uint64_t ticket = 0;
  SharedBuffer result;  // the gradient, or the parameters that the local steps reached; p floats
  uint32_t steps = 0;   // batches that went into it
  double loss = 0;      // mean over the batches, at the points where the gradients were taken
  bool finite = true;   // false: result or loss is NaN or infinity
};

using TimerId = uint32_t;

struct TimerFired {
  TimerId id = 0;
};

// In place of Start, of a node that was away: Node takes x and the round from the first neighbour
// that answers, and the algorithm is told Start then.
struct Return {};

// Its messages count again from round `from` on, which is beyond the round under way. Where the
// others are far ahead the node goes on with their round, `skip_to`, once its own is over.
struct PeerJoined {
  NodeId peer{};
  Round from = 0;
  Round skip_to = 0;  // 0 = with the next one, as ever
};

// Nothing comes from it any more: the rounds that wait for it go on without, and its weight is this
// node's own. Only to algorithms that go on (AlgorithmInfo::goes_on). From a body, before the node
// begins: it is not there.
struct PeerLeft {
  NodeId peer{};
};

using Event =
    std::variant<Start, Resume, Return, Received, Computed, TimerFired, PeerJoined, PeerLeft>;

}  // namespace kith
