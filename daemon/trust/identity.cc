#include "daemon/trust/identity.h"

#include "daemon/trust/key_file.h"
#include "topology/error.h"

namespace kith {

std::shared_ptr<const Identity> load_identity(const std::string& key_file,
                                              const std::string& members_file, Speaker speaker) {
  if (key_file.empty() && members_file.empty()) return nullptr;
  const bool client = speaker == Speaker::kClient;
  if (key_file.empty() || members_file.empty()) {
    throw OperatorError(key_file.empty()
                            ? "--members needs --key, too: the secret key of who speaks."
                            : "--key needs --members, too: the list of all public keys.");
  }
  auto identity = std::make_shared<Identity>(
      Identity{read_key_file(key_file), read_members(members_file), nullptr});
  identity->self = identity->members.find(identity->keys.open);
  if (identity->self == nullptr) {
    throw OperatorError("'" + members_file + "' does not list the key of '" + key_file +
                        "': add a line '" + (client ? "operator " : "peer ") +
                        identity->keys.open.text() + "', on every machine.");
  }
  if ((identity->self->role == Role::kPeer) == client) {
    throw OperatorError("'" + members_file + "' lists the key of '" + key_file + "' as " +
                        role_name(identity->self->role) +
                        (client ? ": kith needs that of an operator or a viewer."
                                : ": kithd needs that of a peer."));
  }
  return identity;
}

}  // namespace kith
