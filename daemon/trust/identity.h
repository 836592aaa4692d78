// What a daemon or a client needs to speak with keys: its own, and the list of all.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "daemon/trust/key.h"
#include "daemon/trust/members.h"

namespace kith {

struct Identity {
  KeyPair keys;
  Members members;
  const Member* self = nullptr;  // within `members`
};

// A daemon's key must be a peer's, a client's that of an operator or a viewer.
enum class Speaker : uint8_t { kDaemon, kClient };

// From the files of --key and --members; null where neither is given: then nobody asks for keys.
// Throws OperatorError.
std::shared_ptr<const Identity> load_identity(const std::string& key_file,
                                              const std::string& members_file, Speaker speaker);

}  // namespace kith
