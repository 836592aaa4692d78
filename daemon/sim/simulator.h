// The simulated body: any number of nodes in one process, in virtual time. The same job and seed
// give the same run, byte for byte, whatever the number of threads.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "daemon/job.h"
#include "daemon/learn/trainer.h"
#include "daemon/node.h"
#include "daemon/sim/faults.h"

namespace kith {

class Observer;

// Of one report round, when the last node has completed it.
struct SimulationReport {
  Round round = 0;                // completed
  Time time{};                    // virtual, when the last node completed it
  double loss = 0;                // mean over the nodes
  double consensus_distance = 0;  // mean over the nodes of |x_i - mean x|^2
  double bytes_sent_per_node = 0;
  uint64_t bytes_sent_most = 0;  // of the node that had sent most when it reported
  std::vector<float> average;    // mean of the parameters; empty unless asked for
};

// More nodes than this keep no account of each edge, whose memory they would not find in a cache.
inline constexpr uint32_t kLedgers = 64;

struct SimulationSettings {
  unsigned threads = 0;            // that compute gradients; 0 = as many as the machine has cores
  bool average_in_reports = true;  // fill SimulationReport::average
  std::function<void(const SimulationReport&)> on_report;  // on the calling thread
  std::function<bool()> cancelled;                         // asked now and then; true ends the run
  // What nodes keep as the job wants it ([checkpoint]); null = nobody keeps anything.
  std::function<void(NodeId, Checkpoint&&)> on_checkpoint;
  std::vector<Fault> faults;     // in order of time
  Observer* observer = nullptr;  // outlives the run; null = nobody looks
  // By NodeId: go on from these. Empty = from the start. Asserts that they are of this job.
  std::vector<std::shared_ptr<Archive>> resume;
};

struct SimulationResult {
  std::vector<SharedBuffer> parameters;  // by NodeId
  std::vector<double> loss;              // of the last round, by NodeId
  std::vector<NodeCounters> counters;    // by NodeId
  // By NodeId; empty where there are more than kLedgers nodes.
  std::vector<std::vector<EdgeCounters>> edges;
  std::vector<bool> finished;  // by NodeId; false where the machine was down at the end
  Measures measures;           // of the hub; of all nodes together where there is none
  Time end{};                  // virtual
  uint64_t events = 0;
  Round rounds = 0;
  bool diverged = false;
  bool cancelled = false;
};

// `model` and `data` (null for the laboratory) as the job describes them; they outlive the call.
SimulationResult simulate(const Job& job, uint32_t nodes, const Model& model,
                          std::shared_ptr<const Dataset> train, const SimulationSettings& settings);

}  // namespace kith
