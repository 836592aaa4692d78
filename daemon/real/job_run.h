// One job on one daemon, from the meeting of the neighbours to its end: the real body of a Node.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/body.h"
#include "daemon/node.h"
#include "daemon/real/batch_count.h"
#include "daemon/real/coding_stopwatch.h"
#include "daemon/real/compute_queue.h"
#include "daemon/real/emulated_link.h"
#include "daemon/real/loader.h"
#include "daemon/real/log.h"
#include "daemon/real/loop.h"
#include "daemon/real/meeting.h"
#include "daemon/real/report_store.h"
#include "daemon/real/timers.h"
#include "daemon/real/zmq_transport.h"
#include "protocol/control.h"

namespace kith {

class JobRun final : public Body {
 public:
  // Takes the place of this run, from the loop.
  using GoOn = std::function<void(RunStart)>;

  // Joins the run on the transport and starts to look for the neighbours. All outlive this object
  // but `loaded`, which is shared with the computing. `checkpoints`: null where there are none.
  JobRun(Loop& loop, Workers& workers, ZmqTransport& transport, Log& log, Checkpoints* checkpoints,
         std::shared_ptr<LoadedJob> loaded, GoOn go_on);
  ~JobRun() override;

  // From the transport.
  void message(Message&& message);
  // kWrongJob but for a neighbour that introduces itself: then the operator reads the difference.
  Status stranger(const WireHeader& header, std::span<const std::byte> body);
  void refuse(Status status) { node_.refuse(status); }

  // A neighbour goes on with this run after a crash, and so must this node: how often it has by
  // then. Nothing if the header says nothing of the kind.
  std::optional<uint32_t> generation_of(const WireHeader& header) const;
  const RunStart& start() const { return loaded_->start; }

  // For the client.
  control::Phase phase() const { return phase_; }
  Layout tensors() const { return loaded_->model->tensors(); }
  // It has trained, or taken up what the others have: else its parameters are the first ones.
  bool has_model() const {
    return phase_ != control::Phase::kMeeting && phase_ != control::Phase::kFailed && !node_.away();
  }
  const Plan& plan() const { return loaded_->plan; }
  NodeId self() const { return loaded_->membership.self; }
  control::ProgressReply progress() const;
  std::vector<control::ReportEntry> reports(uint64_t first) const { return reports_.since(first); }
  // Of a reported round, or what the node has now.
  std::optional<ReportStore::Snapshot> snapshot(std::optional<Round> round) const;
  void describe(control::StatusReply& status) const;

  // Body; called by the node.
  void send(Message&& message) override;
  void compute(NodeId node, Compute&& work) override;
  void cancel(NodeId node, uint64_t ticket) override;
  void set_timer(NodeId node, TimerId id, Duration after) override;
  void report(NodeId node, Report&& report) override;
  void finish(NodeId node, Finish finish) override;
  void checkpoint(NodeId node, Checkpoint&& checkpoint) override;
  void edge_changed(NodeId node, NodeId peer, bool in_force, Round round) override;
  void peer_silent(NodeId node, NodeId peer, Duration silence) override;

 private:
  struct Peer {
    Duration last_heard{};  // loop time
    bool ever_heard = false;
    std::optional<Round> round;            // of its latest message of the algorithm
    bool silent = false;                   // the node waits for it
    bool mismatch = false;                 // has been seen with another run
    std::string difference;                // between that and ours, where it is known
    std::unique_ptr<Loop::Watch> blocked;  // while it does not keep up
  };

  Time now() const { return Time(loop_.now() - begun_); }
  void handle(Event&& event);
  void on_meeting_timer();
  void meet(const Message& message);
  void begin_if_complete();
  void begin();
  void leave_absent();
  bool restore(const Restart& entry);
  void meet_again();
  void start_again();
  void give_up(const std::string& why);
  void refuse_data(NodeId peer, const std::string& theirs);
  void transmit(std::vector<Message>& messages);
  void hand_to_transport(const Message& message);
  void watch_blocked();
  std::string endpoint_of(NodeId peer) const;
  double training_seconds() const;

  Loop& loop_;
  ZmqTransport& transport_;
  Log& log_;
  std::shared_ptr<LoadedJob> loaded_;
  GoOn go_on_;
  Checkpoints* checkpoints_;
  BatchCount batch_count_;
  control::Phase phase_ = control::Phase::kMeeting;
  std::string error_;  // of kFailed
  std::unique_ptr<Meeting> meeting_;
  std::unique_ptr<Loop::Timer> meeting_timer_;
  std::map<NodeId, Peer> peers_;
  std::vector<Message> early_;  // from neighbours that began before this node
  Duration joined_;             // loop time
  Duration begun_{};            // loop time of Start
  double unix_start_ = 0;
  Duration training_{};  // of the whole training, once it is over
  double last_loss_ = 0;
  ReportStore reports_;
  Timers timers_;
  ComputeQueue compute_;
  std::unique_ptr<EmulatedLink> link_;  // null where messages go as fast as they can
  CodingStopwatch stopwatch_;           // of the node's codecs
  Node node_;
};

}  // namespace kith
