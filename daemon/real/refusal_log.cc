#include "daemon/real/refusal_log.h"

#include "protocol/limits.h"

namespace kith {

namespace {

bool happens_to_the_honest(Reason reason) {
  switch (reason) {
    case Reason::kDuplicate:
    case Reason::kTooEarly:
    case Reason::kStale:
    case Reason::kBackPressure: return true;
    default: return false;
  }
}

}  // namespace

bool RefusalLog::first(Reason reason, const Origin& origin) {
  if (told_.size() > limits::kRefusalsLogged) return false;
  return told_.emplace(reason, who(origin)).second;
}

void RefusalLog::note(Reason reason, const Origin& origin) {
  const char* name = reason_name(reason);
  if (happens_to_the_honest(reason)) return log_.debug("refused", {{"reason", name}});
  if (!first(reason, origin)) return;
  if (told_.size() > limits::kRefusalsLogged) {
    return log_.warning("refused", {{"reason", name}, {"more", "are only counted from now on"}});
  }
  const std::string address = origin.address.empty() ? "unknown" : origin.address;
  if (origin.member != nullptr) {
    log_.warning("refused", {{"reason", name},
                             {"role", role_name(origin.member->role)},
                             {"member", origin.member->title()},
                             {"key", origin.member->key.text()},
                             {"address", address}});
  } else if (!origin.key.empty()) {
    log_.warning("refused", {{"reason", name}, {"key", origin.key}, {"address", address}});
  } else {
    log_.warning("refused", {{"reason", name}, {"address", address}});
  }
}

}  // namespace kith
