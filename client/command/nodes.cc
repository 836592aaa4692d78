#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "client/command/command.h"
#include "client/identity_options.h"
#include "client/swarm.h"
#include "client/view/text_table.h"
#include "client/view/units.h"

namespace kith {

namespace {

using nlohmann::ordered_json;

// A public key is told from others by its first digits.
constexpr size_t kFingerprint = 16;

struct NodesOptions {
  std::string endpoint;
  IdentityOptions identity;
  bool json = false;
};

using Status = std::optional<control::StatusReply>;

bool has_job(const Status& status) {
  return status && status->progress.phase != control::Phase::kIdle &&
         status->progress.phase != control::Phase::kLoading && !status->job.empty();
}

ordered_json json_of(const control::NodeEntry& node, const Status& status) {
  ordered_json json = {{"address", node.address},
                       {"name", node.name},
                       {"state", swarm::state_name(node.state)},
                       {"since_seconds", node.seconds},
                       {"incarnation", node.incarnation},
                       {"version", node.version},
                       {"key", node.key},
                       {"phase", nullptr},
                       {"run", nullptr},
                       {"node", nullptr},
                       {"round", nullptr},
                       {"rounds", nullptr}};
  if (status) json["phase"] = control::phase_name(status->progress.phase);
  if (!has_job(status)) return json;
  json["run"] = run_name(status->job, status->progress.run);
  json["node"] = status->node;
  json["round"] = status->progress.round;
  json["rounds"] = status->progress.rounds;
  return json;
}

void print(const control::NodesReply& swarm, const std::vector<Status>& status) {
  TextTable table({"address", "name", "state", "for", "run", "node", "round", "version", "key"});
  for (size_t i = 0; i < swarm.nodes.size(); ++i) {
    const control::NodeEntry& node = swarm.nodes[i];
    const bool busy = has_job(status[i]);
    std::string run = busy ? run_name(status[i]->job, status[i]->progress.run) : "-";
    if (!busy && status[i]) run = control::phase_name(status[i]->progress.phase);
    table.add(
        {node.address, node.name, swarm::state_name(node.state), duration_text(node.seconds), run,
         busy ? std::to_string(status[i]->node) : "-",
         busy ? fmt::format("{}/{}", status[i]->progress.round, status[i]->progress.rounds) : "-",
         node.version, node.key.empty() ? "none" : node.key.substr(0, kFingerprint)});
  }
  fmt::print("Swarm \"{}\" as {} sees it:\n{}", swarm.swarm, swarm.nodes.front().address,
             table.text());
}

int nodes(const NodesOptions& options) {
  Network network(load_client_identity(options.identity));
  const control::NodesReply swarm = ask_nodes(network, options.endpoint);
  const std::vector<Status> status = ask_status(network, options.endpoint, swarm, kPatience);
  if (!options.json) {
    print(swarm, status);
    return kDone;
  }
  ordered_json json = {{"swarm", swarm.swarm}, {"nodes", ordered_json::array()}};
  for (size_t i = 0; i < swarm.nodes.size(); ++i) {
    json["nodes"].push_back(json_of(swarm.nodes[i], status[i]));
  }
  std::puts(json.dump(2).c_str());
  return kDone;
}

}  // namespace

void add_nodes_command(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<NodesOptions>();
  CLI::App* command = program.add_subcommand("nodes", "who is in a swarm, and what each is doing");
  command->add_option("--to", options->endpoint, "HOST:PORT of any daemon of the swarm")
      ->required();
  add_identity_options(*command, options->identity);
  command->add_flag("--json", options->json, "print one JSON object");
  command->footer("Example: kith nodes --to 10.0.0.5:7400");
  command->callback([options, &chosen] { chosen = [options] { return nodes(*options); }; });
}

}  // namespace kith
