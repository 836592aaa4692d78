// What a client asks a daemon and what it answers, on the port that the peers use as well. One
// MessagePack map each way; the answer with parameters carries them as a raw second frame.
//
// A client opens a ZeroMQ DEALER to the daemon's port and sends one frame: encode_request(id, r).
// It gets one message back, with the same id: one frame, and a second one for SnapshotReply and
// ModelReply, whose `bytes` says how long it is (little-endian floats). Requests are answered in
// any order. A request that is refused is answered by ErrorReply with one sentence for the
// operator.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/layout.h"
#include "protocol/measures.h"
#include "protocol/membership.h"
#include "protocol/status.h"
#include "topology/types.h"

namespace kith::control {

inline constexpr uint32_t kVersion = 1;

// What a daemon is doing.
enum class Phase : uint8_t {
  kIdle,     // no job
  kLoading,  // reads data, builds the model
  kMeeting,  // ready itself, waits for its neighbours to be
  kRunning,
  kFinished,  // all rounds done; still serves its neighbours
  kDiverged,  // gave up on NaN or infinity
  kFailed,    // could not load: `error` says why
};
const char* phase_name(Phase phase);

// ---- requests ----

// Who are you? Answered at once, whatever the daemon does.
struct HelloRequest {};

struct PeerAddress {
  NodeId node{};
  std::string endpoint;  // "HOST:PORT"
};

// Begin a job. Answered by OkReply once data and model are loaded, or by ErrorReply with the
// sentence of the OperatorError. Training starts when all neighbours have the same job and `run`.
struct StartRequest {
  std::string job;  // the job file's text, overrides applied
  NodeId node{};
  uint32_t nodes = 0;
  std::vector<PeerAddress> peers;  // at least the graph's neighbours; others are ignored
  uint64_t run = 0;                // token: the same for all nodes of one run, fresh for each run
};

// How far are you? `first_report` = the first report not yet seen: Progress::next_report of before.
struct ProgressRequest {
  uint64_t first_report = 0;
};

// Parameters: of the end (`round` empty), or after one of the rounds that Progress::reports lists
// with `snapshot` set.
struct SnapshotRequest {
  std::optional<Round> round;
};

// The model as the node has it now, and all that one must know to make something of it.
struct ModelRequest {};

struct StatusRequest {};
struct StopJobRequest {};   // forget the job, become idle
struct ShutdownRequest {};  // end the process, exit code 0

// Who is in the swarm of this daemon?
struct NodesRequest {};

// From daemon to daemon, and never answered by a reply.
struct GossipRequest {
  swarm::Packet packet;
};

using Request =
    std::variant<HelloRequest, StartRequest, ProgressRequest, SnapshotRequest, StatusRequest,
                 StopJobRequest, ShutdownRequest, NodesRequest, GossipRequest, ModelRequest>;

// ---- replies ----

struct OkReply {};

struct ErrorReply {
  std::string message;  // one sentence for the operator
};

struct HelloReply {
  std::string version;  // of kithd
  uint32_t pid = 0;
  Phase phase = Phase::kIdle;
  std::string job;  // name; empty when idle
  uint32_t node = 0;
  uint32_t nodes = 0;
};

// NodeCounters (daemon/node.h) as they travel, and what the transport adds.
struct Counters {
  uint64_t messages_sent = 0;
  uint64_t messages_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t payload_bytes_sent = 0;
  uint64_t uncompressed_bytes_sent = 0;
  uint64_t repairs_requested = 0;
  uint64_t messages_resent = 0;
  uint64_t batches = 0;
  double encode_seconds = 0;  // spent on coding messages; one encoding may serve several edges
  double decode_seconds = 0;
  uint64_t messages_lost = 0;  // by the emulated links of an experiment (delays.inject)
  std::vector<std::pair<std::string, uint64_t>> refused;  // by reason_name; only those above 0
};

// One completed round that the job asked to see (report.every, and the last one).
struct ReportEntry {
  Round round = 0;
  double loss = 0;          // mean training loss of this node's batches in that round
  double seconds = 0;       // since this node began training
  double unix_time = 0;     // s since 1970, to put the reports of several nodes side by side
  uint64_t bytes_sent = 0;  // up to then
  uint64_t bytes_received = 0;
  double disagreement = -1;  // Report::disagreement; below 0 = unknown
  bool snapshot = false;     // SnapshotRequest{round} can be answered
};

// What has gone over one edge; EdgeCounters (daemon/edge_ledger.h) as they travel.
struct EdgeTraffic {
  uint32_t peer = 0;
  uint64_t messages_sent = 0;
  uint64_t messages_received = 0;
  uint64_t bytes_sent = 0;  // on the wire
  uint64_t bytes_received = 0;
  uint64_t payload_bytes_sent = 0;       // as coded, each payload once
  uint64_t uncompressed_bytes_sent = 0;  // what the same payloads would have taken as floats
  double decode_seconds = 0;             // of what came from the peer
  uint64_t repairs_requested = 0;        // of the peer
};

struct SilentPeer {
  uint32_t node = 0;
  std::string endpoint;
  double seconds = 0;  // since it was last heard of
};

struct ProgressReply {
  Phase phase = Phase::kIdle;
  std::string error;      // of kFailed
  uint64_t run = 0;       // token of StartRequest
  Round round = 0;        // under way
  Round rounds = 0;       // to run
  double loss = 0;        // of the last completed round
  double seconds = 0;     // training so far; of the whole training once it is over
  double unix_start = 0;  // when training began on this node, s since 1970; 0 = not yet
  Counters counters;
  std::vector<EdgeTraffic> edges;    // by peer
  Measures measures;                 // of the algorithm on this node
  std::vector<SilentPeer> silent;    // waited for, or not yet met
  std::vector<ReportEntry> reports;  // from first_report on
  uint64_t next_report = 0;          // index of the report to come
};

// The parameters stand in the second frame.
struct SnapshotReply {
  Round round = 0;
  uint64_t bytes = 0;
};

// The parameters stand in the second frame.
struct ModelReply {
  StartRequest start;  // the run, as this node was given it
  Phase phase = Phase::kIdle;
  Round round = 0;  // that it is after
  Layout tensors;   // what the parameters are, in order
  uint64_t bytes = 0;
};

struct PeerStatus {
  uint32_t node = 0;
  std::string endpoint;
  std::string transport;            // "tcp", "ipc", "" = not connected yet
  double silence = 0;               // s since the last message from it; negative = none yet
  uint64_t queued_bytes = 0;        // held back because the peer does not keep up
  bool left = false;                // the node goes on without it
  std::optional<Round> round = {};  // of its latest message of the algorithm, where it sends any
};

struct StatusReply {
  std::string version;
  uint32_t pid = 0;
  std::string listen;  // "HOST:PORT"
  uint32_t threads = 0;
  double uptime = 0;            // s
  double cpu_seconds = 0;       // user + system
  uint64_t resident_bytes = 0;  // of the process
  uint64_t pool_bytes = 0;      // parameter blocks, live and kept
  uint64_t shard_bytes = 0;     // the node's own rows
  uint64_t snapshot_bytes = 0;
  std::string job;
  std::string model;
  std::string algorithm;
  std::string graph;
  std::string codec;
  Round checkpoint = 0;   // the round of the newest one on the disk; 0 = none
  std::string injected;   // the delays that this daemon emulates, in words; empty = none
  std::string aggregate;  // aggregate.kind
  std::string adversary;  // what this node makes of its vectors on purpose; empty = nothing
  uint32_t node = 0;
  uint32_t nodes = 0;
  uint64_t parameters = 0;  // floats
  uint64_t shard_rows = 0;
  std::string data;      // its kind, "784 features, 10 classes"; empty = none
  std::string own_data;  // where the daemon has it, if not from the job; else empty
  std::vector<PeerStatus> peers;
  ProgressReply progress;  // without reports
};

struct NodeEntry {
  std::string address;  // "HOST:PORT", as the others reach it
  swarm::State state = swarm::State::kAlive;
  double seconds = 0;  // in that state, as far as this daemon knows; its own: since it began
  uint64_t incarnation = 0;
  std::string name;
  std::string version;
  std::string key;  // public; empty without keys
};

struct NodesReply {
  std::string swarm;             // its name
  std::vector<NodeEntry> nodes;  // the daemon that answers first, the others by address
};

using Reply = std::variant<OkReply, ErrorReply, HelloReply, ProgressReply, SnapshotReply,
                           StatusReply, NodesReply, ModelReply>;

// ---- frames ----

std::string encode_request(uint64_t id, const Request& request);
std::string encode_reply(uint64_t id, const Reply& reply);

// Untrusted bytes. Unknown keys are passed over, so that a newer side may say more; a missing one
// or one of a wrong type is kMalformed, another `version` kWrongVersion. On failure `id` is set
// where it could be read, else 0.
Status decode_request(std::span<const std::byte> frame, uint64_t& id, Request& request);
Status decode_reply(std::span<const std::byte> frame, uint64_t& id, Reply& reply);

// True where the first byte is a control frame's (a map) and not a peer message's (an array).
bool is_control(std::span<const std::byte> frame);

}  // namespace kith::control
