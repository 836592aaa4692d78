#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <exception>

#include "client/command/command.h"
#include "daemon/job_nearest.h"
#include "daemon/malloc_tuning.h"
#include "topology/error.h"

namespace {

int fail(const std::string& sentence, int code) {
  std::fprintf(stderr, "kith: %s\n", sentence.c_str());
  return code;
}

// CLI11's own words, with the way to the right ones.
int refuse(const CLI::App& program, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return program.exit(error);  // --help, --version
  std::string command = "kith";
  for (const CLI::App* chosen : program.get_subcommands()) command += " " + chosen->get_name();
  return fail(std::string(error.what()) + "; see " + command + " --help", kith::kRequestWrong);
}

// CLI11 would only say that a command is missing.
void refuse_unknown(const CLI::App& program, const std::string& word) {
  std::vector<std::string> known;
  for (const CLI::App* command : program.get_subcommands(nullptr)) {
    known.push_back(command->get_name());
    if (word == known.back()) return;
  }
  const std::string near = kith::nearest(word, known);
  throw kith::OperatorError("\"" + word + "\" is not a command" +
                            (near.empty() ? "; see kith --help" : ": did you mean " + near + "?"));
}

int run(int argc, char** argv) {
  CLI::App program("Trains one model on many machines with no master.", "kith");
  program.set_version_flag("--version", "kith " KITH_VERSION, "print the version and exit");
  program.set_help_flag("-h,--help", "print this help and exit");
  program.footer(
      "Exit codes: 0 done, 1 the run failed, 2 the request was wrong, 130 interrupted.\n"
      "Example: kith run examples/ring.toml -n 8");
  program.require_subcommand(1);
  kith::Action chosen;
  kith::add_run_command(program, chosen);
  kith::add_simulate_command(program, chosen);
  kith::add_submit_command(program, chosen);
  kith::add_export_command(program, chosen);
  kith::add_nodes_command(program, chosen);
  kith::add_peers_command(program, chosen);
  kith::add_status_command(program, chosen);
  kith::add_stop_command(program, chosen);
  kith::add_topology_command(program, chosen);
  kith::add_job_command(program, chosen);
  kith::add_codec_command(program, chosen);
  kith::add_keygen_command(program, chosen);
  if (argc > 1 && argv[1][0] != '-') refuse_unknown(program, argv[1]);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return refuse(program, error);
  }
  return chosen();
}

}  // namespace

int main(int argc, char** argv) {
  // No command that starts daemons, which would take over what is set.
  if (argc > 1 && std::strcmp(argv[1], "simulate") == 0) kith::tune_malloc_for_many_nodes(argv);
  try {
    return run(argc, argv);
  } catch (const kith::OperatorError& error) {
    return fail(error.what(), kith::kRequestWrong);
  } catch (const std::exception& error) {
    return fail(error.what(), kith::kRunFailed);
  }
}
