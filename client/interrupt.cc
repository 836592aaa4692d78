#include "client/interrupt.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <initializer_list>

#include "topology/assert.h"

namespace kith {

Interrupt::Interrupt() {
  sigset_t held;
  sigemptyset(&held);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&held, signal);
  KITH_ASSERT(pthread_sigmask(SIG_BLOCK, &held, &outer_) == 0);
  file_ = ::signalfd(-1, &held, SFD_NONBLOCK | SFD_CLOEXEC);
  KITH_ASSERT(file_ >= 0);
}

Interrupt::~Interrupt() {
  ::close(file_);
  pthread_sigmask(SIG_SETMASK, &outer_, nullptr);
}

bool Interrupt::requested() {
  signalfd_siginfo info;
  while (::read(file_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) requested_ = true;
  return requested_;
}

}  // namespace kith
