#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "client/cluster.h"
#include "client/command/command.h"
#include "client/forecast.h"
#include "client/identity_options.h"
#include "client/swarm.h"
#include "client/view/progress.h"

namespace kith {

namespace {

struct SubmitOptions {
  std::string path;
  std::string endpoint;
  uint32_t nodes = 0;  // 0: all who live
  std::vector<std::string> set;
  IdentityOptions identity;
  bool json = false;
};

void tell(const SubmitOptions& options, const std::string& run,
          const std::vector<std::string>& members) {
  if (options.json) {
    nlohmann::ordered_json json = {{"run", run}, {"nodes", nlohmann::ordered_json::array()}};
    for (size_t i = 0; i < members.size(); ++i) {
      json["nodes"].push_back({{"node", i}, {"address", members[i]}});
    }
    std::puts(json.dump(2).c_str());
    return;
  }
  fmt::print("{}\n", run);
  fmt::print(stderr, "{} nodes train; kith nodes --to {} shows how far they are.\n", members.size(),
             options.endpoint);
}

int submit(const SubmitOptions& options) {
  const Job job = load_job(options.path, options.set);
  const std::shared_ptr<const Identity> identity = load_client_identity(options.identity);
  Network network(identity);
  const std::vector<std::string> members =
      living(ask_nodes(network, options.endpoint), options.nodes);
  const auto count = static_cast<uint32_t>(members.size());
  validate(job, count);
  ProgressView view(true);
  tell_notes(job, count, view);
  Cluster cluster(
      members, [] {}, identity);
  cluster.greet(kPatience);
  try {
    tell(options, run_name(job.name, cluster.start(job.text)), members);
  } catch (...) {
    cluster.stop_job();
    throw;
  }
  return kDone;
}

}  // namespace

void add_submit_command(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<SubmitOptions>();
  CLI::App* command =
      program.add_subcommand("submit", "hand a job to a swarm, and leave it to train");
  command->add_option("JOB", options->path, "the job file")->required();
  command->add_option("--to", options->endpoint, "HOST:PORT of any daemon of the swarm")
      ->required();
  command->add_option("-n,--nodes", options->nodes,
                      "how many train: the first by address (all who live)");
  command->add_option("--set", options->set, kSetHelp)
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  add_identity_options(*command, options->identity);
  command->add_flag("--json", options->json, "print one JSON object");
  command->footer(
      "Prints the name of the run once every node has loaded its data.\n"
      "Example: kith submit examples/ring.toml --to 10.0.0.5:7400");
  command->callback([options, &chosen] { chosen = [options] { return submit(*options); }; });
}

}  // namespace kith
