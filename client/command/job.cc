#include "daemon/job.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "client/command/command.h"
#include "client/view/keys.h"
#include "topology/error.h"

namespace kith {

namespace {

struct JobOptions {
  std::string path;
  std::vector<std::string> set;
  uint32_t nodes = 0;
  bool keys = false;
  bool markdown = false;
  bool json = false;
};

int print_keys(const JobOptions& options) {
  const std::string text = options.json       ? keys_json() + "\n"
                           : options.markdown ? keys_markdown()
                                              : keys_text();
  std::fputs(text.c_str(), stdout);
  return kDone;
}

int check(const JobOptions& options) {
  const Job job = load_job(options.path, options.set);
  if (options.nodes > 0) validate(job, options.nodes);
  const std::string length =
      job.rounds > 0 ? fmt::format("{} rounds", job.rounds) : fmt::format("{} epochs", job.epochs);
  if (options.json) {
    const nlohmann::ordered_json json = {
        {"job", job.name},         {"valid", true},
        {"model", job.model.kind}, {"algorithm", job.algorithm.kind},
        {"graph", job.graph.kind}, {"codec", job.codec},
        {"text", job.text}};
    std::puts(json.dump(2).c_str());
    return kDone;
  }
  fmt::print("{} is a good job file: {} for {} by {} on a {} graph{}.\n", options.path,
             job.model.kind, length, job.algorithm.kind, job.graph.kind,
             options.nodes > 0 ? fmt::format(" of {} nodes", options.nodes) : "");
  return kDone;
}

}  // namespace

void add_job_command(CLI::App& program, Action& chosen) {
  const auto options = std::make_shared<JobOptions>();
  CLI::App* command = program.add_subcommand("job", "check a job file, or list all its keys");
  command->add_option("JOB", options->path, "the job file to check");
  command->add_option("-n,--nodes", options->nodes, "check it for so many nodes, too");
  command->add_option("--set", options->set, kSetHelp)
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--keys", options->keys, "print every key with default, range and meaning");
  command->add_flag("--markdown", options->markdown, "with --keys: as tables");
  command->add_flag("--json", options->json, "print one JSON value");
  command->footer("Examples: kith job examples/ring.toml -n 8\n          kith job --keys");
  command->callback([options, &chosen] {
    chosen = [options] {
      if (options->keys) return print_keys(*options);
      if (options->path.empty()) {
        throw OperatorError("kith job needs the path of a job file, or --keys");
      }
      return check(*options);
    };
  });
}

}  // namespace kith
