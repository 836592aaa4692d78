// What each role may ask of a daemon.
#pragma once

#include "daemon/trust/members.h"
#include "protocol/control.h"

namespace kith {

// A viewer may read, an operator may do everything that a client can; a peer speaks to peers alone:
// it sends messages of its run, and tells who is in the swarm, which nobody else may.
bool may_ask(Role role, const control::Request& request);

}  // namespace kith
