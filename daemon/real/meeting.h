// Neighbours find out that each has loaded the same run, before training begins: messages to a
// daemon that does not know the run yet would be lost and cost a repair.
//
// Each node sends kReady to every neighbour it has not heard of, again and again with growing
// pauses, and answers each question at once. A node begins when all its neighbours are there.
#pragma once

#include <string>
#include <vector>

#include "protocol/event.h"
#include "protocol/time.h"

namespace kith {

// Kind of these messages, beside those of Node. Scalar 1 = the sender wants an answer.
inline constexpr uint16_t kReady = 0xfff0;
static_assert(kReady > kFirstNodeKind);

class Meeting {
 public:
  Meeting(NodeId self, std::vector<NodeId> neighbors)
      : self_(self), absent_(std::move(neighbors)) {}

  bool complete() const { return absent_.empty(); }
  const std::vector<NodeId>& absent() const { return absent_; }

  // Questions to those who are not there yet.
  void ask(std::vector<Message>& out) const;
  // Pause until the next ask().
  Duration pause();

  // A kReady message of this run; appends the answer, if one is wanted.
  void heard(const Message& message, std::vector<Message>& out);

 private:
  Message ready(NodeId to, bool question) const;

  NodeId self_;
  std::vector<NodeId> absent_;  // sorted
  Duration pause_ = std::chrono::milliseconds(10);
};

}  // namespace kith
