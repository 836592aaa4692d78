// Three kinds of error, three mechanisms:
//   a bug                         KITH_ASSERT (topology/assert.h)
//   a peer's or the network's     Status: drop, count by reason, go on; never thrown
//   the operator's                OperatorError (topology/error.h): one sentence, exit code 2
#pragma once

#include <cstdint>

#include "topology/error.h"

namespace kith {

// Why a message or a payload was refused. Counted by reason; `reason_name` is the metrics key.
enum class Reason : uint8_t {
  kOk,
  kTruncated,     // shorter than its header says
  kOversized,     // longer than limits.h allows
  kMalformed,     // not the format it should be
  kWrongVersion,  // another version of the wire format
  kWrongJob,      // belongs to another job
  kUnknownPeer,   // sender or receiver is no node of this job
  kDuplicate,     // seen before
  kTooEarly,      // further ahead than the inbox holds
  kStale,         // for a round that is over
  kNotFinite,     // NaN or infinity in the values
  kBackPressure,  // the queue to or from this peer is full
  kNoContract,    // from a peer that this node goes on without
  kNoHandshake,   // a connection that does not speak ZMTP, or stops half-way
  kNoKey,         // a connection that has proved no key, where one is wanted
  kUnknownKey,    // a key that is not on the list
  kForbidden,     // the key's role does not allow it
  kImpostor,      // a peer that speaks as another node
  kOverLimit,     // more connections or requests than limits.h allows one or all
  kLeftOut,       // NaN or infinity in a vector that the job's rule of aggregation does without
  kCount
};

const char* reason_name(Reason reason);

class [[nodiscard]] Status {
 public:
  constexpr Status() = default;
  constexpr Status(Reason reason) : reason_(reason) {}  // NOLINT: a reason is a status
  constexpr bool ok() const { return reason_ == Reason::kOk; }
  constexpr Reason reason() const { return reason_; }

 private:
  Reason reason_ = Reason::kOk;
};

}  // namespace kith
