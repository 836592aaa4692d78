#include "client/chaos_hunt.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "client/command/command.h"
#include "client/interrupt.h"
#include "topology/error.h"

namespace kith {

namespace {

using std::chrono::steady_clock;

// Of one seed, by the wall clock: more is an endless loop, which virtual time cannot end.
constexpr unsigned kMostSeconds = 600;
constexpr auto kBetweenLines = std::chrono::seconds(10);

struct Child {
  uint64_t seed = 0;
  pid_t pid = 0;
  int output = -1;
  std::string said;
};

struct Failure {
  uint64_t seed = 0;
  int code = 0;
  std::string what;
};

// What a case tells its parent: "EVENTS TWICE SENTENCE" on the last line.
std::string report_of(const ChaosOutcome& outcome) {
  return std::to_string(outcome.events) + (outcome.twice ? " 1 " : " 0 ") + outcome.what + "\n";
}

class Hunter {
 public:
  Hunter(const ChaosOptions& options, const SeedRange& seeds, unsigned processes, bool json)
      : options_(options), seeds_(seeds), json_(json), next_(seeds.first) {
    const uint64_t count = seeds.last - seeds.first + 1;
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    processes_ = static_cast<size_t>(std::min<uint64_t>(count, processes > 0 ? processes : cores));
  }

  int run() {
    const auto started = steady_clock::now();
    Interrupt interrupt;
    outer_mask_ = interrupt.outer_mask();
    while ((next_ <= seeds_.last || !children_.empty()) && !interrupt.requested()) {
      while (children_.size() < processes_ && next_ <= seeds_.last) begin(next_++);
      listen();
      show_progress(started);
    }
    for (Child& child : children_) give_up(child);
    if (interrupt.requested()) return kInterrupted;
    conclude(std::chrono::duration<double>(steady_clock::now() - started).count());
    return worst();
  }

 private:
  bool alone() const { return seeds_.first == seeds_.last; }

  void begin(uint64_t seed) {
    std::fflush(nullptr);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw RunFailed(std::string("pipe: ") + std::strerror(errno));
    const pid_t pid = fork();
    if (pid < 0) throw RunFailed(std::string("fork: ") + std::strerror(errno));
    if (pid == 0) {
      close(ends[0]);
      for (const Child& child : children_) close(child.output);
      case_of(seed, ends[1]);
    }
    close(ends[1]);
    children_.push_back({seed, pid, ends[0], {}});
  }

  // The child's whole life.
  [[noreturn]] void case_of(uint64_t seed, int output) const {
    sigprocmask(SIG_SETMASK, &outer_mask_, nullptr);
    alarm(kMostSeconds);
    if (!alone() || json_) dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);  // what a bug says before it ends the process
    int code = kRequestWrong;
    std::string report;
    try {
      const ChaosOutcome outcome = chase(options_, seed, alone() && !json_);
      code = outcome.code;
      report = report_of(outcome);
    } catch (const OperatorError& error) {
      report = std::string("0 0 ") + error.what() + "\n";
    } catch (const std::exception& error) {
      code = kRunFailed;
      report = std::string("0 0 ") + error.what() + "\n";
    }
    std::fflush(stdout);
    (void)!write(output, report.data(), report.size());
    _exit(code);
  }

  void listen() {
    std::vector<pollfd> files;
    for (const Child& child : children_) files.push_back({child.output, POLLIN, 0});
    constexpr int kPauseMs = 200;
    if (poll(files.data(), files.size(), kPauseMs) <= 0) return;
    for (size_t i = files.size(); i-- > 0;) {
      if (files[i].revents == 0) continue;
      char bytes[4096];
      const ssize_t count = read(children_[i].output, bytes, sizeof(bytes));
      if (count > 0) {
        children_[i].said.append(bytes, static_cast<size_t>(count));
        continue;
      }
      end(children_[i]);
      children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  void end(const Child& child) {
    int status = 0;
    waitpid(child.pid, &status, 0);
    close(child.output);
    int code = kCrashed;
    std::string what = child.said;
    if (WIFEXITED(status)) {
      code = WEXITSTATUS(status);
      what = tally(child.said);
    } else if (WTERMSIG(status) == SIGALRM) {
      code = kNoProgress;
      what = "ran for " + std::to_string(kMostSeconds) + " s, and was not done";
    } else {
      what += std::string("ended by ") + strsignal(WTERMSIG(status));
    }
    std::ranges::replace(what, '\n', ' ');
    if (code == kRequestWrong) throw OperatorError(what);
    if (code == kRunFailed) throw RunFailed(what);
    ++done_;
    ++counts_[code];
    if (code != kDone) failures_.push_back({child.seed, code, what});
    if (json_ || (code == kDone && !alone())) return;
    clear();
    std::printf("seed %llu: %s: %s\n", static_cast<unsigned long long>(child.seed),
                chaos_word(code), what.c_str());
    std::fflush(stdout);
  }

  // The sentence of a report, whose numbers it adds up.
  std::string tally(const std::string& said) {
    unsigned long long events = 0;
    int twice = 0;
    int at = 0;
    if (std::sscanf(said.c_str(), "%llu %d %n", &events, &twice, &at) < 2) return said;
    events_ += events;
    twice_ += twice != 0 ? 1 : 0;
    std::string what = said.substr(static_cast<size_t>(at));
    if (!what.empty() && what.back() == '\n') what.pop_back();
    return what;
  }

  static void give_up(Child& child) {
    kill(child.pid, SIGKILL);
    waitpid(child.pid, nullptr, 0);
    close(child.output);
  }

  void show_progress(steady_clock::time_point started) {
    if (alone() || json_) return;
    const bool terminal = isatty(STDOUT_FILENO) != 0;
    const auto now = steady_clock::now();
    if (now - shown_ < (terminal ? std::chrono::milliseconds(200) : kBetweenLines)) return;
    shown_ = now;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - started).count();
    if (!terminal && seconds == 0) return;
    std::printf("%s%llu of %llu seeds, %zu not good, %lld s%s", terminal ? "\r\x1b[K" : "",
                static_cast<unsigned long long>(done_),
                static_cast<unsigned long long>(seeds_.last - seeds_.first + 1), failures_.size(),
                static_cast<long long>(seconds), terminal ? "" : "\n");
    std::fflush(stdout);
  }

  void clear() const {
    if (!alone() && isatty(STDOUT_FILENO) != 0) std::fputs("\r\x1b[K", stdout);
  }

  void conclude(double seconds) {
    std::ranges::sort(failures_, {}, &Failure::seed);
    if (json_) return print_json(seconds);
    if (alone()) return;
    clear();
    std::printf(
        "%llu seeds from %llu, %llu of them twice: %llu good",
        static_cast<unsigned long long>(done_), static_cast<unsigned long long>(seeds_.first),
        static_cast<unsigned long long>(twice_), static_cast<unsigned long long>(count(kDone)));
    for (const int code : {kCrashed, kNoProgress, kWrongResult}) {
      if (count(code) == 0) continue;
      std::printf(", %llu %s", static_cast<unsigned long long>(count(code)), chaos_word(code));
    }
    std::printf("; %.1f s, %.1f million events\n", seconds, static_cast<double>(events_) / 1e6);
  }

  void print_json(double seconds) const {
    nlohmann::ordered_json result = {{"first", seeds_.first}, {"last", seeds_.last},
                                     {"seeds", done_},        {"twice", twice_},
                                     {"seconds", seconds},    {"events", events_}};
    result["failures"] = nlohmann::ordered_json::array();
    for (const Failure& failure : failures_) {
      result["failures"].push_back(
          {{"seed", failure.seed}, {"code", failure.code}, {"what", failure.what}});
    }
    std::printf("%s\n", result.dump(2).c_str());
  }

  uint64_t count(int code) const {
    const auto found = counts_.find(code);
    return found == counts_.end() ? 0 : found->second;
  }

  int worst() const {
    for (const int code : {kCrashed, kNoProgress, kWrongResult}) {
      if (count(code) > 0) return code;
    }
    return kDone;
  }

  const ChaosOptions& options_;
  const SeedRange seeds_;
  const bool json_;
  size_t processes_ = 1;
  uint64_t next_;
  sigset_t outer_mask_{};
  std::vector<Child> children_;
  std::vector<Failure> failures_;
  std::map<int, uint64_t> counts_;  // by exit code
  uint64_t done_ = 0;
  uint64_t twice_ = 0;
  uint64_t events_ = 0;
  steady_clock::time_point shown_{};
};

}  // namespace

SeedRange parse_seeds(const std::string& text) {
  constexpr uint64_t kMost = 1'000'000'000'000'000;  // as of job.seed
  SeedRange range;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, range.first);
  range.last = range.first;
  bool good = first.ec == std::errc{};
  const char* rest = first.ptr;
  if (good && rest != end) {
    const auto last = std::from_chars(rest + 1, end, range.last);
    good = *rest == '-' && last.ec == std::errc{} && last.ptr == end;
  }
  if (good && range.first <= range.last && range.last <= kMost) return range;
  throw OperatorError("--chaos is \"" + text +
                      "\", but takes a seed, such as 7, or several, such as 1-500");
}

int hunt(const ChaosOptions& options, const SeedRange& seeds, unsigned processes, bool json) {
  return Hunter(options, seeds, processes, json).run();
}

}  // namespace kith
