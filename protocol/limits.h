// Every queue, pool, inbox and frame has a limit, and it stands here. Full means back-pressure or a
// counted drop, never growth.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kith::limits {

// Nodes of one job.
inline constexpr uint32_t kNodes = 1u << 20;

// Parameters of one model: 2^31 floats = 8 GiB.
inline constexpr size_t kParameters = size_t{1} << 31;

// One frame on the wire. Larger payloads travel in chunks, so that nothing waits long behind them:
// 32 ms on a gigabit link. In ring exchanges of 100 MB over loopback chunks of 4 MiB were 5 to 8 %
// faster than of 1 MiB, and these 10 to 20 % faster than of 512 kiB.
inline constexpr size_t kChunkBytes = 4 * 1024 * 1024;
inline constexpr size_t kHeaderBytes = 256;
inline constexpr size_t kControlBytes = 64u << 20;
inline constexpr size_t kRequestBytes = 4u << 20;  // a client's request: a job and its peers
inline constexpr size_t kPayloadBytes = kParameters * sizeof(float) + 4096;

// Rounds that a neighbour may be ahead and still be kept. On an undirected graph a neighbour leads
// by one round at most; on a directed one by the hop distance back to it.
inline constexpr uint64_t kRoundsAhead = 64;

// Rounds whose messages to a peer the sender keeps for receiver-driven repair. On an undirected
// graph a sender runs at most one round ahead of a receiver that misses a message, so two rounds
// are all that can be asked for; on a directed one it may lead by the hop distance back to it, and
// where that is longer than kRepairDirected so many are kept.
inline constexpr size_t kRepairUndirected = 2;
inline constexpr size_t kRepairDirected = 16;

// Rounds that an algorithm may let messages be late. Each lets a sender lead by as much again as it
// does without, so that repair keeps as many times more; at three that is 64 on a directed graph,
// the numbers that may run ahead of a missing one.
inline constexpr uint32_t kOverlapRounds = 3;

// How far the number of a message that supersedes all before it may jump: what a coordinator may
// have sent to a node that was too slow to be sent it.
inline constexpr uint64_t kSuperseded = 1u << 20;

// Messages of one peer that wait in a daemon because the peer does not keep up: all that can be
// asked for again, twice where a round has one. What goes beyond is dropped and comes again by
// repair.
inline constexpr size_t kQueuedMessages = 32;

// Messages on the emulated links of a daemon (delays.inject), held by reference.
inline constexpr size_t kHeldMessages = 4096;

// Bytes of parameters that a daemon keeps of reported rounds, and reports that it remembers.
inline constexpr size_t kSnapshotBytes = size_t{16} << 20;
inline constexpr size_t kReports = 4096;

// Lines of a members file, and its bytes.
inline constexpr size_t kMembers = 65536;
inline constexpr size_t kMembersBytes = size_t{16} << 20;

// Daemons that one knows of a swarm, and bytes of what each says of itself: address, name, version.
inline constexpr size_t kSwarm = 1024;
inline constexpr size_t kSwarmText = 300;

// Connections that a daemon keeps to others of its swarm, beside those of its run.
inline constexpr size_t kAcquaintances = 64;

// Connections that a daemon holds, of all and of one address; the peers of a hub need one each.
inline constexpr size_t kConnections = 4096;
inline constexpr size_t kConnectionsOfOne = 1024;

// Connections that one address may open a second, when it has opened kConnectionsOfOne at once: to
// refuse a key takes 0.6 ms of computing.
inline constexpr double kConnectionsPerSecond = 100;

// Requests that one client may make a second, at once or spread over it: a run asks for its
// progress ten times a second, and for models while it judges.
inline constexpr double kRequestsPerSecond = 2000;

// Clients whose requests, and addresses whose connections, a daemon counts side by side.
inline constexpr size_t kCallers = 1024;

// Refusals that a daemon logs, one a reason and origin; what goes beyond is counted alone.
inline constexpr size_t kRefusalsLogged = 256;

// How often a run goes on after a crash.
inline constexpr uint32_t kGenerations = 1u << 20;

// Rounds that a node can go on from then.
inline constexpr size_t kRestarts = 128;
static_assert(kRestarts < 256 && kRestarts > 2 * kRoundsAhead - 1);

// Blocks of one size that a pool keeps: three for each of ten thousand simulated nodes.
inline constexpr size_t kPoolFreeBlocks = 32768;

// Samples of one batch, grown by train.batch_factor or not.
inline constexpr uint32_t kBatch = 1u << 20;

// Columns of the factors of a matrix.
inline constexpr size_t kRank = 1024;

// Levels of QSGD.
inline constexpr uint32_t kLevels = 32767;

// Local steps of one Compute.
inline constexpr uint32_t kLocalSteps = 1u << 20;

// Parts in which an algorithm may exchange a model in turn.
inline constexpr uint32_t kFragments = 4096;

static_assert(kChunkBytes % 64 == 0, "a value must not straddle two chunks");

}  // namespace kith::limits
