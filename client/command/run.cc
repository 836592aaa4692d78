#include "client/run.h"

#include <CLI/CLI.hpp>

#include "client/command/command.h"
#include "client/swarm.h"

namespace kith {

namespace {

std::vector<std::string> hosts_of(const std::string& swarm, const RunOptions& options) {
  Network network(load_client_identity(options.identity));
  return living(ask_nodes(network, swarm), options.nodes);
}

}  // namespace

void add_run_command(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<RunOptions>();
  const auto swarm = std::make_shared<std::string>();
  CLI::App* command = program.add_subcommand(
      "run", "train on daemons: starts them here, follows them live, keeps the model");
  command->add_option("JOB", options->path, "the job file")->required();
  command->add_option("-n,--nodes", options->nodes, "number of nodes, each a daemon of its own");
  command->add_option("--hosts", options->hosts, "running daemons to use instead of starting any")
      ->type_name("HOST:PORT,HOST:PORT")
      ->delimiter(',')
      ->excludes(command->add_option("--to", *swarm, "any daemon of a swarm, whose nodes to use")
                     ->type_name("HOST:PORT"));
  add_identity_options(*command, options->identity);
  command->add_option("--threads", options->threads, "workers of each daemon started here (1)")
      ->check(CLI::Range(1u, 1024u).description(""));
  command->add_option("--set", options->set, kSetHelp)
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_option("--out", options->out, "folder for the results (runs/<job>-<n>nodes-<k>)");
  command->add_flag("--save-nodes", options->save_nodes, "keep every node's model, too");
  command->add_flag("--judge-all", options->judge_all,
                    "accuracy at every report in metrics.jsonl, at the price of time at the end");
  command->add_flag("--json", options->json, "print the result as one JSON object");
  command->footer(
      "Examples: kith run examples/ring.toml -n 8\n"
      "          kith run examples/ring.toml --hosts 10.0.0.5:7400,10.0.0.6:7400\n"
      "          kith run examples/ring.toml --to 10.0.0.5:7400");
  command->callback([options, swarm, &chosen] {
    chosen = [options, swarm] {
      if (!swarm->empty()) options->hosts = hosts_of(*swarm, *options);
      return Run(*options).run();
    };
  });
}

}  // namespace kith
