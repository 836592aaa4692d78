#include "client/swarm.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/command/command.h"
#include "topology/error.h"

namespace kith {

control::NodesReply ask_nodes(Network& network, const std::string& endpoint) {
  Connection connection(network, endpoint);
  Answer answer = connection.ask(control::NodesRequest{}, kPatience);
  auto* reply = std::get_if<control::NodesReply>(&answer.reply);
  if (!reply || reply->nodes.empty()) {
    throw RunFailed("the daemon at " + endpoint + " answered something else");
  }
  return std::move(*reply);
}

std::vector<std::optional<control::StatusReply>> ask_status(Network& network,
                                                            const std::string& endpoint,
                                                            const control::NodesReply& swarm,
                                                            std::chrono::milliseconds patience) {
  std::vector<std::optional<Connection>> connections(swarm.nodes.size());
  for (size_t i = 0; i < swarm.nodes.size(); ++i) {
    if (swarm.nodes[i].state != swarm::State::kAlive) continue;
    try {
      connections[i].emplace(network, i == 0 ? endpoint : swarm.nodes[i].address);
      connections[i]->send(control::StatusRequest{});
    } catch (const OperatorError&) {  // an address that this client cannot use, or has no key for
      connections[i].reset();
    }
  }
  const Deadline deadline = std::chrono::steady_clock::now() + patience;
  std::vector<std::optional<control::StatusReply>> replies(swarm.nodes.size());
  for (size_t i = 0; i < connections.size(); ++i) {
    if (!connections[i]) continue;
    try {
      std::optional<Answer> answer = connections[i]->receive(deadline);
      auto* reply = answer ? std::get_if<control::StatusReply>(&answer->reply) : nullptr;
      if (reply) replies[i] = std::move(*reply);
    } catch (const OperatorError&) {  // it turns this client's key away
    }
  }
  return replies;
}

std::vector<std::string> living(const control::NodesReply& swarm, uint32_t count) {
  std::vector<std::string> addresses;
  for (const control::NodeEntry& node : swarm.nodes) {
    if (node.state == swarm::State::kAlive) addresses.push_back(node.address);
  }
  std::ranges::sort(addresses);
  if (count > addresses.size()) {
    throw OperatorError(
        fmt::format("the job wants {} nodes, but {} of the swarm \"{}\" live: see "
                    "kith nodes, or leave -n out",
                    count, addresses.size(), swarm.swarm));
  }
  if (count > 0) addresses.resize(count);
  return addresses;
}

std::string run_name(const std::string& job, uint64_t token) {
  return fmt::format("{}-{:08x}", job, token >> 32);
}

}  // namespace kith
