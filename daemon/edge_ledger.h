// What has gone over each edge of one node since it began.
#pragma once

#include <span>
#include <vector>

#include "protocol/time.h"
#include "topology/types.h"

namespace kith {

struct EdgeCounters {
  NodeId peer{};
  uint64_t messages_sent = 0;
  uint64_t messages_received = 0;
  uint64_t bytes_sent = 0;  // on the wire: headers and payloads, resent ones too
  uint64_t bytes_received = 0;
  uint64_t payload_bytes_sent = 0;       // as coded, each payload once
  uint64_t uncompressed_bytes_sent = 0;  // what the same payloads would have taken as floats
  Duration decoding{};                   // of what came from the peer
  uint64_t repairs_requested = 0;        // of the peer
};

class EdgeLedger {
 public:
  // Made when new. Valid until the next call.
  EdgeCounters& at(NodeId peer);

  // By peer.
  std::span<const EdgeCounters> edges() const { return edges_; }

 private:
  std::vector<EdgeCounters> edges_;
};

}  // namespace kith
