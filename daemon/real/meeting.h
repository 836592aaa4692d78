// Neighbours find out that each has loaded the same run, before training begins: messages to a
// daemon that does not know the run yet would be lost and cost a repair.
//
// Each node sends kReady to its neighbours, again and again with growing pauses. Each carries the
// sender's life (roll.h): one that comes anew to a run that has begun learns so from the answer.
#pragma once

#include <map>
#include <vector>

#include "daemon/real/roll.h"
#include "protocol/event.h"
#include "protocol/time.h"

namespace kith {

// Kind of these messages, beside those of Node.
inline constexpr uint16_t kReady = 0xfff0;
static_assert(kReady > kFirstNodeKind);

// A pure state machine.
class Meeting {
 public:
  Meeting(NodeId self, std::vector<NodeId> neighbors, uint64_t life)
      : self_(self), neighbors_(std::move(neighbors)), life_(life) {}
  virtual ~Meeting() = default;

  bool complete() const { return complete_; }
  // Who is waited for, or was not there when it ended; sorted.
  virtual std::vector<NodeId> absent() const = 0;

  // Once it is complete: the round to begin with;
  virtual Round round() const { return 0; }
  // or else the others go on without this node, and it is to take up their round.
  virtual bool late() const { return false; }
  // It can come to no end: all must meet anew, in the next generation.
  virtual bool in_vain() const { return false; }
  // Of the contracts that the run begins with: the same at both ends of an edge only if both begin
  // with the same round (protocol/contract.h).
  virtual uint64_t contract() const { return 0; }

  // What is to be sent at `now`, which is 0 when the meeting begins. May complete it.
  virtual void ask(Duration now, std::vector<Message>& out) = 0;
  // Until the next ask().
  virtual Duration pause();
  // To this neighbour, for what a question carries along; nothing where it carries nothing.
  virtual void question(NodeId, std::vector<Message>&) const {}

  // A kReady message of this run, when the node is in round `under_way`; appends what is to be sent
  // at once. True where pause() is worth asking for again.
  virtual bool heard(const Message& message, Round under_way, std::vector<Message>& out) = 0;

 protected:
  static constexpr Duration kShortestPause = std::chrono::milliseconds(10);

  // Scalar of a kReady.
  static constexpr double kAnswer = 0;
  static constexpr double kQuestion = 1;
  static constexpr double kDecided = 2;  // begins, or has begun, with the roll that comes with it
  static constexpr double kRunning = 3;  // an answer: without you

  Message ready(NodeId to, double scalar, Round round, SharedBuffer payload = {}) const;

  const NodeId self_;
  const std::vector<NodeId> neighbors_;  // sorted
  const uint64_t life_;
  bool complete_ = false;
  Duration pause_ = kShortestPause;
};

// Of a run that begins: a node begins when all its neighbours are there, or when one of them has
// begun before and goes on without those who are not.
class FirstMeeting final : public Meeting {
 public:
  // `goes_on`: a neighbour that has come anew is told so. `introduction`: what questions carry for
  // those who turn out to have another run.
  FirstMeeting(NodeId self, std::vector<NodeId> neighbors, uint64_t life, bool goes_on,
               SharedBuffer introduction = {});

  std::vector<NodeId> absent() const override { return absent_; }
  bool late() const override { return late_; }
  void ask(Duration now, std::vector<Message>& out) override;
  void question(NodeId peer, std::vector<Message>& out) const override;
  bool heard(const Message& message, Round under_way, std::vector<Message>& out) override;

 private:
  const bool goes_on_;
  const SharedBuffer introduction_;
  std::vector<NodeId> absent_;
  bool late_ = false;
  std::map<NodeId, uint64_t> met_;  // their lives, as of the meeting
};

// Of a run that goes on after a crash, over any graph. Nodes tell each other who is there and what
// each can go on from, until one knows it of all: then the round is a function of that roll, and
// the roll goes round. Within a generation a node's row never changes, so that loss, repetition,
// order and delay cannot make two nodes begin with different rounds.
//
// Where nodes go on without a silent neighbour there may be nobody to wait for, and the run may not
// have stopped at all:
//   who runs     says so, with its round. A node that is asked to take part again takes up that
//                round, unless it has kept a later one itself: then the others are those who lag
//   who is gone  is waited for until nothing new has been heard for a while; then the roll is what
//                it is
// A node that was not on that roll, or cannot go on from its round, takes up the others'. Should
// two nodes have decided on different rolls their contracts have different numbers, and begin anew.
class ResumeMeeting final : public Meeting {
 public:
  struct Run {
    uint32_t nodes = 1;
    bool goes_on = false;
    std::vector<Restart> entries;  // of this node, as Roll::Row; not empty
  };

  // Without news for so long a node goes on without those who are not there.
  static constexpr Duration kPatience = std::chrono::seconds(20);

  // The pool outlives what is sent.
  ResumeMeeting(NodeId self, std::vector<NodeId> neighbors, uint64_t life, const Run& run,
                Pool& pool);

  std::vector<NodeId> absent() const override { return roll_.absent(); }
  Round round() const override { return round_; }
  bool late() const override { return late_; }
  bool in_vain() const override { return in_vain_; }
  uint64_t contract() const override { return contract_; }
  void ask(Duration now, std::vector<Message>& out) override;
  Duration pause() override;
  bool heard(const Message& message, Round under_way, std::vector<Message>& out) override;

 private:
  void answer(const Message& message, Round under_way, std::vector<Message>& out);
  void heard_of_roll(const Message& message, std::vector<Message>& out);
  void heard_of_decision(const Message& message, std::vector<Message>& out);
  void heard_of_run(const Message& message, std::vector<Message>& out);
  bool read_roll(const Message& message, Roll& roll) const;
  void learn(bool news, std::vector<Message>& out);
  void decide(std::vector<Message>& out);
  Duration shortest_pause() const;

  const Run run_;
  Pool& pool_;
  Roll roll_;
  std::map<NodeId, uint64_t> theirs_;  // digests of the neighbours' rolls, as they said last
  bool news_ = false;                  // since the last ask()
  Duration quiet_since_{};             // the last ask() before which there were news
  bool hurries_ = false;               // somebody lacks something, and the next ask() is soon
  bool decided_ = false;               // on the roll
  bool late_ = false;
  bool in_vain_ = false;
  Round round_ = 0;
  uint64_t contract_ = 0;
};

}  // namespace kith
