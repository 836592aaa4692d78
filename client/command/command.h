// The commands of `kith`. Each adds its own options and help to the program; main() carries out the
// one that was asked for.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

namespace CLI {
class App;
}

namespace kith {

using Action = std::function<int()>;  // returns the exit code

void add_run_command(CLI::App& program, Action& chosen);
void add_simulate_command(CLI::App& program, Action& chosen);
void add_submit_command(CLI::App& program, Action& chosen);
void add_export_command(CLI::App& program, Action& chosen);
void add_nodes_command(CLI::App& program, Action& chosen);
void add_peers_command(CLI::App& program, Action& chosen);
void add_status_command(CLI::App& program, Action& chosen);
void add_stop_command(CLI::App& program, Action& chosen);
void add_topology_command(CLI::App& program, Action& chosen);
void add_job_command(CLI::App& program, Action& chosen);
void add_codec_command(CLI::App& program, Action& chosen);
void add_keygen_command(CLI::App& program, Action& chosen);

inline constexpr int kDone = 0;
inline constexpr int kRunFailed = 1;
inline constexpr int kRequestWrong = 2;
// Of the fault hunter (client/chaos_hunt.h), beside kDone.
inline constexpr int kCrashed = 127;
inline constexpr int kNoProgress = 128;
inline constexpr int kWrongResult = 129;
inline constexpr int kInterrupted = 130;  // as shells have it: 128 + SIGINT

// The request was right but the run failed: one sentence, exit code 1.
class RunFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The text that --set takes, on all commands with a job.
inline constexpr auto kSetHelp = "change a key of the job, as section.key=value; can be repeated";

}  // namespace kith
