// A fixed set of threads that run tasks in order of submission, each with its own Workspace.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "daemon/learn/model.h"

namespace kith {

class Workers {
 public:
  using Task = std::function<void(Workspace&)>;

  explicit Workers(unsigned threads);
  // Runs what is queued no further: waits for the tasks under way and drops the rest.
  ~Workers();

  void submit(Task task);
  unsigned threads() const { return static_cast<unsigned>(threads_.size()); }

 private:
  void loop(std::stop_token stop);

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Task> tasks_;
  std::vector<std::jthread> threads_;
};

}  // namespace kith
