// kithd: one node of Kith on this machine. See --help.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "daemon/real/daemon.h"
#include "daemon/malloc_tuning.h"
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
  app.add_option("--key", arguments.key,
                 "Secret key of this machine (kith keygen); with it all traffic is encrypted")
      ->type_name("");
  app.add_option("--members", arguments.members,
                 "List of all keys with their roles, the same on every machine")
      ->type_name("");
  app.add_flag("--insecure", arguments.insecure,
               "Listen beyond this machine without keys: whoever reaches the port is obeyed");
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
      "Example: kithd --listen 0.0.0.0:7400 --key node.key --members members --log kithd.log");
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
