#include "daemon/job_notes.h"

#include "daemon/job_robust.h"
#include "topology/registry.h"

namespace kith {

std::vector<std::string> job_notes(const Job& job, uint32_t nodes) {
  std::vector<std::string> notes = {graph_note(job.graph.kind, nodes, job.graph.options)};
  if (const OwnWeights* weights = algorithm_info(job.algorithm.kind).weights) {
    notes.push_back(weights->note(job.algorithm.options, *make_graph(job, nodes)));
  }
  notes.push_back(adversary_note(job, nodes));
  std::erase(notes, "");
  return notes;
}

}  // namespace kith
