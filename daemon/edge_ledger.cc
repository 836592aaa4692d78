#include "daemon/edge_ledger.h"

#include <algorithm>

namespace kith {

EdgeCounters& EdgeLedger::at(NodeId peer) {
  const auto place = std::ranges::lower_bound(edges_, peer, {}, &EdgeCounters::peer);
  if (place != edges_.end() && place->peer == peer) return *place;
  return *edges_.insert(place, {.peer = peer});
}

}  // namespace kith
