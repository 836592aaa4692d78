// kithd without its command line: the port, the job, the answers to clients.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "daemon/node_config.h"
#include "daemon/real/address.h"
#include "daemon/real/log.h"
#include "daemon/real/swarm_body.h"
#include "daemon/trust/identity.h"

namespace kith {

const char* daemon_version();

struct DaemonOptions {
  Address listen{"127.0.0.1", 7400};
  unsigned threads = 1;  // workers
  bool use_ipc = true;   // Unix sockets to peers on this machine
  std::string state;     // folder of checkpoints, and of the run to go on with; empty = none
  std::shared_ptr<const Identity> identity = nullptr;  // null: nobody is asked for a key
  bool insecure = false;             // whether that may be so beyond the loopback interface
  std::optional<OwnData> data = {};  // of this machine, in place of each job's
  SwarmOptions swarm = {};
};

class Daemon {
 public:
  // Binds the port. Throws OperatorError. `log` outlives the daemon.
  Daemon(const DaemonOptions& options, Log& log);
  // Waits for the task under way on a worker (one gradient, one file) and for what was just sent.
  ~Daemon();

  const Address& listen() const;

  // Until SIGTERM, SIGINT or a shutdown request.
  void run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kith
