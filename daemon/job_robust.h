// Bad peers in a job: the rule that stands them ([aggregate]), and nodes that are some on purpose
// ([adversary]).
#pragma once

#include <string>
#include <vector>

#include "daemon/job.h"
#include "topology/graph.h"

namespace kith {

// Which rules, algorithms, codecs and adversaries go together. Throws OperatorError.
void check_robust(const Job& job, uint32_t nodes, const Graph& graph);

// Who lies in what it sends, sorted; empty where nobody does. Of a job that has been checked.
std::vector<NodeId> adversaries_of(const Job& job, uint32_t nodes);

// "2 of 10 nodes (3, 7) are bad on purpose: what each sends is sign-flip:2"; empty where none is.
std::string adversary_note(const Job& job, uint32_t nodes);

}  // namespace kith
