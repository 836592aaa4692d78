// The daemons that `kith run` starts on this machine, for as long as it needs them.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kith {

struct LocalDaemonsSetup {
  uint32_t count = 0;
  unsigned threads = 1;        // workers of each
  std::filesystem::path logs;  // <logs>/<i>.log takes what daemon i says
  sigset_t signal_mask;        // of the children
  // <state>/<i> holds the checkpoints of daemon i; empty = none are kept.
  std::filesystem::path state = {};
};

class LocalDaemons {
 public:
  // Starts them on free ports of the loopback interface and waits until each listens. None outlives
  // this process, however it ends: the kernel tells them. Throws OperatorError where kithd is not
  // found, RunFailed where one does not start.
  explicit LocalDaemons(const LocalDaemonsSetup& setup);
  // Ends what still runs, at once.
  ~LocalDaemons();
  LocalDaemons(const LocalDaemons&) = delete;
  LocalDaemons& operator=(const LocalDaemons&) = delete;

  const std::vector<std::string>& endpoints() const { return endpoints_; }  // "HOST:PORT"

  // Which daemon has died and of what, in a clause; nothing while all live. Told once.
  struct Death {
    uint32_t node = 0;
    std::string what;
  };
  std::optional<Death> dead();

  // Starts a dead one again, where it listened before. Does not wait for it: it may die once more.
  void revive(uint32_t node);

  // Asks all to end and waits up to a second; what is left is killed.
  void stop();

 private:
  struct Child {
    pid_t pid = -1;   // -1: reaped
    int output = -1;  // read end of its standard output
  };

  Child spawn(uint32_t node, const std::string& listen) const;
  std::string wait_for_endpoint(uint32_t node);
  std::string death_of(uint32_t node, pid_t pid, int status) const;

  LocalDaemonsSetup setup_;
  std::string program_;
  std::vector<Child> children_;
  std::vector<std::string> endpoints_;
};

}  // namespace kith
