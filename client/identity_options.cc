#include "client/identity_options.h"

#include <CLI/CLI.hpp>

namespace kith {

void add_identity_options(CLI::App& command, IdentityOptions& options) {
  command.add_option("--key", options.key, "your secret key, from kith keygen")
      ->type_name("FILE")
      ->envname("KITH_KEY");
  command
      .add_option("--members", options.members,
                  "the keys of all with their roles, as the daemons have it")
      ->type_name("FILE")
      ->envname("KITH_MEMBERS");
}

std::shared_ptr<const Identity> load_client_identity(const IdentityOptions& options) {
  return load_identity(options.key, options.members, Speaker::kClient);
}

}  // namespace kith
