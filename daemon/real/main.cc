// kithd: one node of Kith on this machine. See --help.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "daemon/malloc_tuning.h"
#include "daemon/real/daemon.h"
#include "topology/error.h"

namespace {

struct Arguments {
  std::string listen = "127.0.0.1:7400";
  unsigned threads = 1;
  std::string log_level = "quiet";
  std::string log_file;
  std::string transport = "auto";
  std::string state;
  std::string key;
  std::string members;
  bool insecure = false;
  std::string config;
  kith::SwarmOptions swarm;
  int parent = -1;  // -1: not bound to it; 0: whoever it is; else its pid
};

constexpr unsigned kMostThreads = 1024;

// A daemon ends within a second of the request, even from the middle of a long gradient.
constexpr auto kPatience = std::chrono::milliseconds(600);

// Each neighbour takes two descriptors; the default of 1024 would end at a hub of 500.
void allow_many_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = "";
  return gethostname(name, sizeof name) == 0 ? name : "";
}

// It stands in packets, tables and on terminals.
std::string check_name(const std::string& text) {
  constexpr size_t kLongest = 64;
  const bool good = !text.empty() && text.size() <= kLongest &&
                    std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c < 127; });
  return good ? "" : "a name has 1 to 64 printable characters and no blanks";
}

void die_with(int parent) {
  const pid_t before = parent > 0 ? parent : getppid();
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  // It may have died before the request for the signal.
  if (getppid() != before) std::exit(0);
}

int serve(const Arguments& arguments) {
  kith::Log log(kith::parse_log_level(arguments.log_level), arguments.log_file);
  kith::DaemonOptions options;
  options.listen = kith::parse_address(arguments.listen);
  options.threads = arguments.threads;
  options.use_ipc = arguments.transport == "auto";
  options.state = arguments.state;
  options.identity = kith::load_identity(arguments.key, arguments.members, kith::Speaker::kDaemon);
  options.insecure = arguments.insecure;
  if (!arguments.config.empty()) options.data = kith::read_node_config(arguments.config).data;
  options.swarm = arguments.swarm;
  if (options.swarm.name.empty()) options.swarm.name = host_name();
  if (arguments.parent >= 0) die_with(arguments.parent);
  kith::Daemon daemon(options, log);
  std::printf("kithd listening on %s pid %d\n", daemon.listen().text().c_str(), getpid());
  std::fflush(stdout);
  daemon.run();
  std::thread([] {
    std::this_thread::sleep_for(kPatience);
    std::_Exit(0);
  }).detach();
  return 0;
}

void define_swarm(CLI::App& app, kith::SwarmOptions& swarm) {
  app.add_option(
         "--join", swarm.first,
         "HOST:PORT of daemons of the swarm, of which one must live; it tells of the others")
      ->type_name("")
      ->delimiter(',');
  app.add_flag("--beacon", swarm.beacon,
               "Find others of the swarm on this network by multicast, and be found");
  app.add_option("--swarm", swarm.swarm, "Name of the swarm; others are not spoken to (kith)")
      ->type_name("")
      ->check(CLI::Validator(check_name, "", "name"));
  app.add_option("--name", swarm.name, "Name of this machine, for people (its host name)")
      ->type_name("")
      ->check(CLI::Validator(check_name, "", "name"));
  app.add_option("--advertise", swarm.advertise,
                 "HOST:PORT at which the others reach this daemon, where that is not --listen")
      ->type_name("");
}

void define(CLI::App& app, Arguments& arguments) {
  app.set_version_flag("--version", std::string("kithd ") + kith::daemon_version());
  app.add_option(
         "--listen", arguments.listen,
         "HOST:PORT for peers and clients; port 0 = any free one (" + arguments.listen + ")")
      ->type_name("");
  app.add_option("--threads", arguments.threads, "Worker threads; one gradient uses one (1)")
      ->type_name("")
      ->check(CLI::Range(1u, kMostThreads));
  app.add_option("--transport", arguments.transport,
                 "auto = Unix sockets to peers on this machine; tcp = TCP to all (auto)")
      ->type_name("")
      ->check(CLI::IsMember({"auto", "tcp"}));
  app.add_option("--state", arguments.state,
                 "Folder for checkpoints; a run that it holds goes on when kithd starts again")
      ->type_name("");
  app.add_option("--config", arguments.config,
                 "TOML file of this machine: its own [data] in place of each job's")
      ->type_name("");
  app.add_option("--key", arguments.key,
                 "Secret key of this machine (kith keygen); with it all traffic is encrypted")
      ->type_name("");
  app.add_option("--members", arguments.members,
                 "List of all keys with their roles, the same on every machine")
      ->type_name("");
  app.add_flag("--insecure", arguments.insecure,
               "Listen beyond this machine without keys: whoever reaches the port is obeyed");
  define_swarm(app, arguments.swarm);
  app.add_option("--log-level", arguments.log_level, "quiet, info or debug (quiet)")->type_name("");
  app.add_option("--log", arguments.log_file, "Write the log to this file, not to stderr")
      ->type_name("");
  app.add_option("--die-with-parent", arguments.parent,
                 "End when the parent process ends; with a pid: when that was the parent")
      ->type_name("")
      ->expected(0, 1)
      ->default_str("0")
      ->check(CLI::NonNegativeNumber);
  app.footer(
      "Prints one line, 'kithd listening on HOST:PORT pid N', and serves until SIGTERM.\n"
      "Example: kithd --listen 0.0.0.0:7400 --key node.key --members members --join 10.0.0.5:7400");
}

}  // namespace

int main(int argc, char** argv) {
  kith::tune_malloc_for_messages(argv);
  allow_many_descriptors();
  std::signal(SIGPIPE, SIG_IGN);  // whoever reads the log may end first
  Arguments arguments;
  CLI::App app("One node of a Kith training run: keeps its data, trains with its neighbours.",
               "kithd");
  define(app, arguments);
  try {
    app.parse(argc, argv);
    return serve(arguments);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::Error& error) {
    std::fprintf(stderr, "kithd: %s; --help lists the options.\n", error.what());
  } catch (const kith::OperatorError& error) {
    std::fprintf(stderr, "kithd: %s\n", error.what());
  }
  return 2;
}
