#include "daemon/real/loop.h"

#define ASIO_STANDALONE
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <utility>

namespace kith {

struct Loop::Impl {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  std::unique_ptr<asio::signal_set> signals;
};

namespace {

// Callbacks hold the state alive while they run, so that a callback may destroy its own watch.
class FdWatch final : public Loop::Watch {
 public:
  FdWatch(asio::io_context& context, int fd, Loop::Task ready)
      : state_(std::make_shared<State>(context, fd, std::move(ready))) {
    wait(state_);
  }
  ~FdWatch() override {
    state_->alive = false;
    state_->descriptor.release();  // cancels the wait, leaves the descriptor open
  }

 private:
  struct State {
    State(asio::io_context& context, int fd, Loop::Task task)
        : descriptor(context, fd), ready(std::move(task)) {}
    asio::posix::stream_descriptor descriptor;
    Loop::Task ready;
    bool alive = true;
  };

  static void wait(const std::shared_ptr<State>& state) {
    state->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                 [state](const asio::error_code& error) {
                                   if (error || !state->alive) return;
                                   state->ready();
                                   if (state->alive) wait(state);
                                 });
  }

  std::shared_ptr<State> state_;
};

class SteadyTimer final : public Loop::Timer {
 public:
  SteadyTimer(asio::io_context& context, Loop::Task fired)
      : state_(std::make_shared<State>(context, std::move(fired))) {}
  ~SteadyTimer() override { SteadyTimer::disarm(); }

  void arm(Duration after) override {
    state_->timer.expires_after(after);
    const uint64_t armed = ++state_->armed;
    state_->timer.async_wait([state = state_, armed](const asio::error_code& error) {
      if (!error && armed == state->armed) state->fired();
    });
  }

  void disarm() override {
    ++state_->armed;
    state_->timer.cancel();
  }

 private:
  struct State {
    State(asio::io_context& context, Loop::Task task) : timer(context), fired(std::move(task)) {}
    asio::steady_timer timer;
    Loop::Task fired;
    uint64_t armed = 0;  // a wait that is no longer the last one must not fire
  };
  std::shared_ptr<State> state_;
};

}  // namespace

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

void Loop::run() { impl_->context.run(); }
void Loop::stop() { impl_->context.stop(); }
void Loop::post(Task task) { asio::post(impl_->context, std::move(task)); }
Duration Loop::now() const { return std::chrono::steady_clock::now() - impl_->start; }

std::unique_ptr<Loop::Watch> Loop::watch(int fd, Task ready) {
  return std::make_unique<FdWatch>(impl_->context, fd, std::move(ready));
}

std::unique_ptr<Loop::Timer> Loop::timer(Task fired) {
  return std::make_unique<SteadyTimer>(impl_->context, std::move(fired));
}

void Loop::on_signal(std::initializer_list<int> signals, Task caught) {
  impl_->signals = std::make_unique<asio::signal_set>(impl_->context);
  for (const int signal : signals) impl_->signals->add(signal);
  impl_->signals->async_wait([caught = std::move(caught)](const asio::error_code& error, int) {
    if (!error) caught();
  });
}

}  // namespace kith
