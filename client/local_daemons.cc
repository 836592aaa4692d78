#include "client/local_daemons.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "client/command/command.h"
#include "topology/error.h"

namespace kith {

namespace fs = std::filesystem;

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kStartPatience{15000};  // many at once on a busy machine
constexpr milliseconds kStopPatience{800};

bool executable(const fs::path& path) { return ::access(path.c_str(), X_OK) == 0; }

// Next to this program, then along PATH.
std::string find_kithd() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error && executable(self.parent_path() / "kithd")) return self.parent_path() / "kithd";
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (!folder.empty() && executable(fs::path(folder) / "kithd"))
      return fs::path(folder) / "kithd";
  }
  throw OperatorError("kithd was found neither next to kith (" + self.parent_path().string() +
                      ") nor along PATH: build it, or install it beside kith");
}

// What the daemon complained of last; reports of progress are no complaint.
std::string last_complaint(const fs::path& path) {
  std::ifstream file(path);
  std::string last;
  for (std::string line; std::getline(file, line);) {
    const bool routine = line.find("level=info") != std::string::npos;
    if (!line.empty() && !routine) last = line;
  }
  return last;
}

// Between fork and exec: system calls only.
[[noreturn]] void become(char* const* arguments, int output, int log, pid_t parent,
                         const sigset_t& mask) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);
  ::setpgid(0, 0);  // Ctrl-C goes to the client alone, which then ends its daemons
  ::dup2(output, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

}  // namespace

LocalDaemons::LocalDaemons(const LocalDaemonsSetup& setup) : setup_(setup), program_(find_kithd()) {
  try {
    for (uint32_t i = 0; i < setup.count; ++i) children_.push_back(spawn(i, "127.0.0.1:0"));
    for (uint32_t i = 0; i < setup.count; ++i) endpoints_.push_back(wait_for_endpoint(i));
  } catch (...) {
    stop();
    throw;
  }
}

LocalDaemons::~LocalDaemons() {
  stop();
  for (const Child& child : children_) {
    if (child.output >= 0) ::close(child.output);
  }
}

LocalDaemons::Child LocalDaemons::spawn(uint32_t node, const std::string& listen) const {
  int ends[2];
  const fs::path log_path = setup_.logs / (std::to_string(node) + ".log");
  const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (log < 0 || ::pipe2(ends, O_CLOEXEC) != 0) {
    throw RunFailed("cannot start daemon " + std::to_string(node) + ": " + std::strerror(errno));
  }
  const pid_t parent = ::getpid();
  std::vector<std::string> words = {program_,
                                    "--listen",
                                    listen,
                                    "--threads",
                                    std::to_string(setup_.threads),
                                    "--log-level",
                                    "info",
                                    "--die-with-parent",
                                    std::to_string(parent)};
  if (!setup_.state.empty()) {
    words.insert(words.end(), {"--state", (setup_.state / std::to_string(node)).string()});
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  const pid_t pid = ::fork();
  if (pid == 0) become(arguments.data(), ends[1], log, parent, setup_.signal_mask);
  const int reason = errno;
  ::close(ends[1]);
  ::close(log);
  if (pid < 0) {
    ::close(ends[0]);
    throw RunFailed("cannot start daemon " + std::to_string(node) + ": " + std::strerror(reason));
  }
  return {pid, ends[0]};
}

void LocalDaemons::revive(uint32_t node) {
  if (children_[node].output >= 0) ::close(children_[node].output);
  children_[node] = {};
  children_[node] = spawn(node, endpoints_[node]);
}

// The line that kithd prints when it listens: "kithd listening on HOST:PORT pid N".
std::string LocalDaemons::wait_for_endpoint(uint32_t node) {
  Child& child = children_[node];
  const auto deadline = steady_clock::now() + kStartPatience;
  std::string text;
  while (text.find('\n') == std::string::npos) {
    pollfd item = {child.output, POLLIN, 0};
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    char bytes[256];
    const bool ready = left.count() > 0 && ::poll(&item, 1, static_cast<int>(left.count())) > 0;
    const ssize_t got = ready ? ::read(child.output, bytes, sizeof bytes) : -1;
    if (got > 0) {
      text.append(bytes, static_cast<size_t>(got));
      continue;
    }
    if (got == 0) ::usleep(20'000);  // its end is near: waitpid soon knows
    const std::optional<Death> death = dead();
    throw RunFailed(death ? death->what
                          : "daemon " + std::to_string(node) +
                                " did not say in time that it listens");
  }
  std::istringstream words(text);
  std::string word;
  std::string endpoint;
  while (words >> word && word != "on") {
  }
  words >> endpoint;
  return endpoint;
}

std::string LocalDaemons::death_of(uint32_t node, pid_t pid, int status) const {
  std::string text =
      "the daemon of node " + std::to_string(node) + " (pid " + std::to_string(pid) + ") ";
  if (WIFSIGNALED(status)) {
    text += "was ended by signal " + std::to_string(WTERMSIG(status)) + " (" +
            ::strsignal(WTERMSIG(status)) + ")";
  } else {
    text += "ended with exit code " + std::to_string(WEXITSTATUS(status));
  }
  const fs::path log = setup_.logs / (std::to_string(node) + ".log");
  const std::string last = last_complaint(log);
  return text + (last.empty() ? "" : "; its last complaint: " + last);
}

std::optional<LocalDaemons::Death> LocalDaemons::dead() {
  for (uint32_t i = 0; i < children_.size(); ++i) {
    int status = 0;
    const pid_t pid = children_[i].pid;
    if (pid <= 0 || ::waitpid(pid, &status, WNOHANG) != pid) continue;
    children_[i].pid = -1;
    return Death{i, death_of(i, pid, status)};
  }
  return std::nullopt;
}

void LocalDaemons::stop() {
  const auto left = [this] {
    size_t count = 0;
    for (Child& child : children_) {
      if (child.pid > 0 && ::waitpid(child.pid, nullptr, WNOHANG) == child.pid) child.pid = -1;
      count += child.pid > 0;
    }
    return count;
  };
  for (const Child& child : children_) {
    if (child.pid > 0) ::kill(child.pid, SIGTERM);
  }
  const auto deadline = steady_clock::now() + kStopPatience;
  while (left() > 0 && steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(2));
  }
  for (Child& child : children_) {
    if (child.pid <= 0) continue;
    ::kill(child.pid, SIGKILL);
    ::waitpid(child.pid, nullptr, 0);
    child.pid = -1;
  }
}

}  // namespace kith
