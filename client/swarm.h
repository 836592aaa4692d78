// A swarm as a client sees it: one daemon tells who is there, each tells what it does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/connection.h"
#include "protocol/control.h"

namespace kith {

// Throws RunFailed, OperatorError.
control::NodesReply ask_nodes(Network& network, const std::string& endpoint);

// By entry of `swarm`; nothing of those who are not alive, or do not answer within `patience`. The
// first entry, the daemon that answered, is asked at `endpoint`.
std::vector<std::optional<control::StatusReply>> ask_status(Network& network,
                                                            const std::string& endpoint,
                                                            const control::NodesReply& swarm,
                                                            std::chrono::milliseconds patience);

// Addresses of the first `count` of the living, in order: who gets which NodeId. 0 = all. Throws
// OperatorError where there are fewer.
std::vector<std::string> living(const control::NodesReply& swarm, uint32_t count);

// What people call a run: the name of its job, and some digits that tell it from other starts.
std::string run_name(const std::string& job, uint64_t token);

}  // namespace kith
