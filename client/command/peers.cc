#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/command/command.h"
#include "client/connection.h"
#include "client/identity_options.h"
#include "client/swarm.h"
#include "client/view/text_table.h"
#include "client/view/units.h"
#include "topology/error.h"

namespace kith {

namespace {

using nlohmann::ordered_json;

struct PeersOptions {
  std::string endpoint;
  IdentityOptions identity;
  bool json = false;
};

// One edge of the node.
struct Edge {
  control::PeerStatus peer;
  control::EdgeTraffic traffic;
  std::optional<int64_t> behind = {};  // rounds; below zero: it is ahead; absent: it tells nothing
};

std::vector<Edge> edges_of(const control::StatusReply& status) {
  std::vector<Edge> edges;
  for (const control::PeerStatus& peer : status.peers) {
    Edge& edge = edges.emplace_back(Edge{peer, {}});
    const auto& all = status.progress.edges;
    const auto found = std::ranges::find(all, peer.node, &control::EdgeTraffic::peer);
    if (found != all.end()) edge.traffic = *found;
    if (peer.round) {
      edge.behind = static_cast<int64_t>(status.progress.round - *peer.round);
    }
  }
  return edges;
}

ordered_json json_of(const Edge& edge) {
  ordered_json json = {{"node", edge.peer.node},
                       {"endpoint", edge.peer.endpoint},
                       {"transport", edge.peer.transport},
                       {"in_force", !edge.peer.left},
                       {"last_heard_seconds", nullptr},
                       {"round", nullptr},
                       {"rounds_behind", nullptr},
                       {"bytes_sent", edge.traffic.bytes_sent},
                       {"bytes_received", edge.traffic.bytes_received},
                       {"repairs_requested", edge.traffic.repairs_requested},
                       {"queued_bytes", edge.peer.queued_bytes}};
  if (edge.peer.round) json["round"] = *edge.peer.round;
  if (edge.behind) json["rounds_behind"] = *edge.behind;
  if (edge.peer.silence >= 0) json["last_heard_seconds"] = edge.peer.silence;
  return json;
}

std::string behind_text(std::optional<int64_t> behind) {
  if (!behind) return "-";
  if (*behind == 0) return "level";
  return fmt::format("{} {}", std::abs(*behind), *behind > 0 ? "behind" : "ahead");
}

void print(const control::StatusReply& status, const std::vector<Edge>& edges) {
  fmt::print("Node {} of {}, run {}, round {} of {}:\n", status.node, status.nodes,
             run_name(status.job, status.progress.run), status.progress.round,
             status.progress.rounds);
  TextTable table({"node", "address", "by", "contract", "heard", "rounds", "sent", "received",
                   "repairs", "held back"});
  const auto bytes = [](uint64_t count) { return bytes_text(static_cast<double>(count)); };
  for (const Edge& edge : edges) {
    table.add({std::to_string(edge.peer.node), edge.peer.endpoint,
               edge.peer.transport.empty() ? "-" : edge.peer.transport,
               edge.peer.left ? "left" : "in force",
               edge.peer.silence < 0 ? "never" : duration_text(edge.peer.silence) + " ago",
               behind_text(edge.behind), bytes(edge.traffic.bytes_sent),
               bytes(edge.traffic.bytes_received), std::to_string(edge.traffic.repairs_requested),
               bytes(edge.peer.queued_bytes)});
  }
  fmt::print("{}", table.text());
}

int peers(const PeersOptions& options) {
  Network network(load_client_identity(options.identity));
  Connection connection(network, options.endpoint);
  const Answer answer = connection.ask(control::StatusRequest{}, kPatience);
  const auto* status = std::get_if<control::StatusReply>(&answer.reply);
  if (!status) throw RunFailed("the daemon at " + options.endpoint + " answered something else");
  if (status->job.empty()) {
    throw OperatorError("the daemon at " + options.endpoint +
                        " has no run, and so no peers: kith nodes shows who is in its swarm");
  }
  const std::vector<Edge> edges = edges_of(*status);
  if (!options.json) {
    print(*status, edges);
    return kDone;
  }
  ordered_json json = {{"run", run_name(status->job, status->progress.run)},
                       {"node", status->node},
                       {"nodes", status->nodes},
                       {"round", status->progress.round},
                       {"rounds", status->progress.rounds},
                       {"peers", ordered_json::array()}};
  for (const Edge& edge : edges) json["peers"].push_back(json_of(edge));
  std::puts(json.dump(2).c_str());
  return kDone;
}

}  // namespace

void add_peers_command(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<PeersOptions>();
  CLI::App* command =
      program.add_subcommand("peers", "a node's edges in its run: who it hears, and how well");
  command->add_option("--to", options->endpoint, "HOST:PORT of the daemon")->required();
  add_identity_options(*command, options->identity);
  command->add_flag("--json", options->json, "print one JSON object");
  command->footer("Example: kith peers --to 127.0.0.1:7400");
  command->callback([options, &chosen] { chosen = [options] { return peers(*options); }; });
}

}  // namespace kith
