// Where a frame or a connection came from, as far as that is known: for decisions and for the log.
#pragma once

#include <string>

#include "daemon/trust/members.h"

namespace kith {

struct Origin {
  const Member* member = nullptr;  // whose key was proved; null without keys
  std::string key = {};            // a public key that is not on the list
  // IPv4; of a frame from a Unix socket localhost:UID:GID:PID; empty = not known any more.
  std::string address = {};
};

// One text for each who can be told apart: by key, or by address where there is none.
inline std::string who(const Origin& origin) {
  if (origin.member != nullptr) return origin.member->key.text();
  return origin.key.empty() ? origin.address : origin.key;
}

}  // namespace kith
