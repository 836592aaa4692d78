// --key and --members, the same on all commands that speak to daemons.
#pragma once

#include <memory>
#include <string>

#include "daemon/trust/identity.h"

namespace CLI {
class App;
}

namespace kith {

struct IdentityOptions {
  std::string key;      // path; or of KITH_KEY
  std::string members;  // path; or of KITH_MEMBERS
};

void add_identity_options(CLI::App& command, IdentityOptions& options);

// Null where neither is given. Throws OperatorError.
std::shared_ptr<const Identity> load_client_identity(const IdentityOptions& options);

}  // namespace kith
