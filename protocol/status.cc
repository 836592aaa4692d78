#include "protocol/status.h"

#include "topology/assert.h"

namespace kith {

const char* reason_name(Reason reason) {
  switch (reason) {
    case Reason::kOk: return "ok";
    case Reason::kTruncated: return "truncated";
    case Reason::kOversized: return "oversized";
    case Reason::kMalformed: return "malformed";
    case Reason::kWrongVersion: return "wrong_version";
    case Reason::kWrongJob: return "wrong_job";
    case Reason::kUnknownPeer: return "unknown_peer";
    case Reason::kDuplicate: return "duplicate";
    case Reason::kTooEarly: return "too_early";
    case Reason::kStale: return "stale";
    case Reason::kNotFinite: return "not_finite";
    case Reason::kBackPressure: return "back_pressure";
    case Reason::kNoContract: return "no_contract";
    case Reason::kNoHandshake: return "no_handshake";
    case Reason::kNoKey: return "no_key";
    case Reason::kUnknownKey: return "unknown_key";
    case Reason::kForbidden: return "forbidden";
    case Reason::kImpostor: return "impostor";
    case Reason::kOverLimit: return "over_limit";
    case Reason::kLeftOut: return "left_out";
    case Reason::kCount: break;
  }
  KITH_ASSERT(false && "reason without a name");
  return "";
}

}  // namespace kith
