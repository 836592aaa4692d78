// Ctrl-C (and SIGTERM, SIGHUP) as something to ask for, instead of sudden death.
#pragma once

#include <csignal>

namespace kith {

// While one lives, these signals are held back on the calling thread and on those that it starts.
// Make it before any thread. Not for two threads at once. A signal that nobody asked about takes
// its usual effect when the object goes.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // True from the first signal on. Never blocks.
  bool requested();

  // The mask from before: for the child between fork and exec.
  const sigset_t& outer_mask() const { return outer_; }

 private:
  sigset_t outer_;
  int file_;
  bool requested_ = false;
};

}  // namespace kith
