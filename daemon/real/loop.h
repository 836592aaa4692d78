// The one thread of a daemon: runs tasks, timers and file descriptor callbacks, one at a time.
// Asio stays behind this header.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

#include "protocol/time.h"

namespace kith {

class Loop {
 public:
  using Task = std::function<void()>;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Until stop(). Sleeps in the kernel while nothing is due.
  void run();
  void stop();

  // From any thread; never runs the task inside the call.
  void post(Task task);

  // Since the loop was made; monotonic.
  Duration now() const;

  // Calls `ready` whenever `fd` becomes readable, until destroyed. Does not own `fd`.
  class Watch {
   public:
    virtual ~Watch() = default;
  };
  std::unique_ptr<Watch> watch(int fd, Task ready);

  // Calls `fired` once for each arm(); arming again moves it. Destroyed = cancelled.
  class Timer {
   public:
    virtual ~Timer() = default;
    virtual void arm(Duration after) = 0;
    virtual void disarm() = 0;
  };
  std::unique_ptr<Timer> timer(Task fired);

  // Calls `caught` on any of these signals.
  void on_signal(std::initializer_list<int> signals, Task caught);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kith
