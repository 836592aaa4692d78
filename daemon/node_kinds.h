// What nodes say to each other beneath the algorithm. Inside Node alone.
#pragma once

#include "protocol/event.h"

namespace kith {

// On losses (protocol/edge.h), with a number each.
// Receiver: what is the last that you have sent? Mine was this: who waits for an answer may do so
// because the question that it asked in a message of its own is lost.
inline constexpr uint16_t kQuestion = kFirstNodeKind;
inline constexpr uint16_t kLast = kFirstNodeKind + 1;    // sender: this, and I am alive
inline constexpr uint16_t kResend = kFirstNodeKind + 2;  // receiver: what came after this is lost
// Sender: what you miss up to this I have no more. Algorithms whose messages must all arrive never
// send more than is kept.
inline constexpr uint16_t kGone = kFirstNodeKind + 3;

// On contracts (protocol/contract.h), with the number of one.
inline constexpr uint16_t kOffer = kFirstNodeKind + 4;     // round: own; scalar: x is wanted too
inline constexpr uint16_t kProposal = kFirstNodeKind + 5;  // round: the first; scalar: own; x
inline constexpr uint16_t kAccept = kFirstNodeKind + 6;    // round: own

// On views of a star (protocol/view.h). The first two hold the sender's Standing.
inline constexpr uint16_t kSeek = kFirstNodeKind + 32;  // answered by the second
inline constexpr uint16_t kTold = kFirstNodeKind + 33;
// To a hub: take me in, or to one that has finished: give me the end. Number: of its view.
inline constexpr uint16_t kJoin = kFirstNodeKind + 34;
// Of the hub: number and round of the view; scalar: its batches; payload: x, then who is in it.
inline constexpr uint16_t kView = kFirstNodeKind + 35;
inline constexpr uint16_t kOver = kFirstNodeKind + 36;  // round: the last; payload: x

// Of Node's own.
inline constexpr TimerId kWatchTimer = 0xffffffff;
inline constexpr TimerId kPaceTimer = 0xfffffffe;

}  // namespace kith
