// What each role may ask of a daemon.
#pragma once

#include "daemon/trust/members.h"
#include "protocol/control.h"

namespace kith {

// A viewer may read, an operator may do everything; a peer speaks to peers alone.
bool may_ask(Role role, const control::Request& request);

}  // namespace kith
