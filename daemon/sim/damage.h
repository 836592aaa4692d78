// A message that is damaged on its way, as far as a receiver can tell. A header and the frame
// behind it are looked at by the wire's own code, as they would come from a socket.
//
// Nothing in the format tells a flipped bit of a payload from another number: that is the line's
// part. With CURVE each frame carries a Poly1305 tag, without it TCP a sum of 16 bits, and a frame
// that fails either never gets here. So damage that decodes is taken for refused by the line, and
// is no more than a loss; what the format itself must refuse is asserted.
#pragma once

#include "protocol/buffer.h"
#include "protocol/event.h"
#include "protocol/status.h"
#include "topology/rng.h"

namespace kith {

// Why the receiver refuses what `rng` has made of the message; never ok().
Status damage(const Message& message, Rng& rng, Pool& pool);

}  // namespace kith
