// Neighbours find out that each has loaded the same run, before training begins: messages to a
// daemon that does not know the run yet would be lost and cost a repair.
//
// Each node sends kReady to every neighbour it has not heard of, again and again with growing
// pauses, and answers each question at once. Each carries the number of the process that sends it:
// one that comes anew to a run that has begun learns so from the answer.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/store/checkpoint_folder.h"
#include "protocol/event.h"
#include "protocol/time.h"

namespace kith {

// Kind of these messages, beside those of Node.
inline constexpr uint16_t kReady = 0xfff0;
static_assert(kReady > kFirstNodeKind);

class Meeting {
 public:
  // `process`: no other that runs this node has the same.
  Meeting(NodeId self, std::vector<NodeId> neighbors, uint64_t process)
      : self_(self), neighbors_(std::move(neighbors)), absent_(neighbors_), process_(process) {}
  virtual ~Meeting() = default;

  // What questions carry along for those who turn out to have another run; nothing unless said.
  void introduce(SharedBuffer text) { introduction_ = std::move(text); }

  bool complete() const { return absent_.empty(); }
  const std::vector<NodeId>& absent() const { return absent_; }  // sorted

  // The round to begin with, once it is complete.
  virtual Round round() const { return 0; }
  // Then: the others have begun without this process, and it is to take up their round.
  virtual bool late() const { return false; }

  // Questions to those who are not there yet.
  void ask(std::vector<Message>& out) const;
  // One to this neighbour, for what it carries along.
  void question(NodeId peer, std::vector<Message>& out) const {
    out.push_back(ready(peer, kQuestion));
  }
  // Pause until the next ask().
  Duration pause();

  // A kReady message of this run; appends the answers.
  virtual void heard(const Message& message, std::vector<Message>& out) = 0;

 protected:
  // Scalar of a kReady.
  static constexpr double kAnswer = 0;
  static constexpr double kQuestion = 1;
  static constexpr double kDecided = 2;  // by the hub of a run that goes on
  static constexpr double kRunning = 3;  // an answer: without you

  Message ready(NodeId to, double scalar) const;

  const NodeId self_;
  const std::vector<NodeId> neighbors_;  // sorted
  std::vector<NodeId> absent_;

 private:
  const uint64_t process_;
  SharedBuffer introduction_;
  Duration pause_ = std::chrono::milliseconds(10);
};

// Of a run that begins: a node begins when all its neighbours are there, or when one of them has
// begun before and goes on without those who are not.
class FirstMeeting final : public Meeting {
 public:
  // `goes_on`: a neighbour whose process is another than the one that was met is told so.
  FirstMeeting(NodeId self, std::vector<NodeId> neighbors, uint64_t process, bool goes_on)
      : Meeting(self, std::move(neighbors), process), goes_on_(goes_on) {}

  bool late() const override { return late_; }
  void heard(const Message& message, std::vector<Message>& out) override;

 private:
  const bool goes_on_;
  bool late_ = false;
  std::map<NodeId, uint64_t> met_;  // their processes, as of the meeting
};

// Of a run that goes on, over a star: the hub proposes the latest round that it can go on from;
// a node answers with the latest one up to that which it can; the hub lowers its proposal until all
// agree, and decides. Nobody else begins before that.
class ResumeMeeting final : public Meeting {
 public:
  using Entries = std::vector<CheckpointFolder::Entry>;

  // `entries`: what this node has kept, newest first.
  ResumeMeeting(NodeId self, std::vector<NodeId> neighbors, uint64_t process, Entries entries);

  Round round() const override { return round_; }
  void heard(const Message& message, std::vector<Message>& out) override;

 private:
  void heard_as_hub(const Message& message, std::vector<Message>& out);
  void propose(Round at_most, std::vector<Message>& out);

  Entries entries_;
  Round round_ = 0;  // proposed by the hub; of another node what it can do, then what was decided
};

}  // namespace kith
