// Ring exchange of real daemons' transports: each of N processes sends a float32 vector to both
// neighbours and receives theirs; then it averages, x <- (x + x_left + x_right) / 3, as D-PSGD
// does, or not. Prints the median milliseconds of the slowest process for each size, over Unix
// sockets and over TCP; with --keys also encrypted, turn by turn. The exchange alone over gloo is
// measured by tests/bench/pytorch/exchange_gloo.py.
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "daemon/malloc_tuning.h"
#include "daemon/real/zmq_transport.h"
#include "protocol/codec.h"
#include "protocol/weighted_sum.h"
#include "topology/assert.h"

namespace {

using namespace kith;

constexpr int kMostProcesses = 64;
constexpr int kMostExchanges = 2000;
constexpr uint64_t kJob = 42;

struct Shared {
  pthread_barrier_t barrier;
  uint16_t ports[kMostProcesses];
  double seconds[kMostProcesses][kMostExchanges];
  double cpu[kMostProcesses];  // s of all exchanges
  double faults[kMostProcesses];
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_minflt);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

// One for each process, each of which lists all; null without keys.
using Identities = std::vector<std::shared_ptr<const Identity>>;

KeyPair fresh_keys() {
  char open[41];
  char secret[41];
  KeyPair keys;
  KITH_ASSERT(zmq_curve_keypair(open, secret) == 0);
  zmq_z85_decode(keys.open.bytes.data(), open);
  zmq_z85_decode(keys.secret.data(), secret);
  return keys;
}

Identities make_identities(uint32_t processes, bool keyed) {
  if (!keyed) return Identities(processes);
  std::vector<KeyPair> keys;
  std::string list;
  for (uint32_t i = 0; i < processes; ++i) {
    keys.push_back(fresh_keys());
    list += "peer " + keys.back().open.text() + "\n";
  }
  Identities identities;
  for (KeyPair& pair : keys) {
    identities.push_back(
        std::make_shared<Identity>(Identity{std::move(pair), Members(list, "list"), nullptr}));
  }
  return identities;
}

struct Setting {
  uint32_t processes = 4;
  bool ipc = false;
  bool averaging = false;
  bool keyed = false;
};

class Process final : ZmqTransport::Handler {
 public:
  Process(uint32_t self, const Setting& setting, const Identities& identities, Shared& shared)
      : self_(self),
        processes_(setting.processes),
        averaging_(setting.averaging),
        shared_(shared),
        identities_(identities),
        transport_({{"127.0.0.1", 0}, setting.ipc, identities[self]}, *this),
        codec_(make_codec("identity")) {}

  void measure(size_t floats, int exchanges) {
    meet(floats);
    Buffer first = pool_.acquire_floats(floats);
    std::ranges::fill(first.floats(), static_cast<float>(self_));
    SharedBuffer x = std::move(first).freeze();
    constexpr int kWarmUp = 3;
    double cpu = 0;
    double faults = 0;
    for (int i = -kWarmUp; i < exchanges; ++i) {
      pthread_barrier_wait(&shared_.barrier);
      if (i == 0) {
        cpu = cpu_seconds();
        faults = page_faults();
      }
      const double begin = now();
      x = exchange(x, static_cast<Round>(i + kWarmUp));
      if (i >= 0) shared_.seconds[self_][i] = now() - begin;
    }
    shared_.cpu[self_] = cpu_seconds() - cpu;
    shared_.faults[self_] = page_faults() - faults;
    pthread_barrier_wait(&shared_.barrier);
    transport_.leave();
  }

 private:
  void meet(size_t floats) {
    shared_.ports[self_] = transport_.listen().port;
    pthread_barrier_wait(&shared_.barrier);
    Membership membership{kJob, NodeId{self_}, floats * sizeof(float), {}};
    for (uint32_t i = 0; i < processes_; ++i) {
      if (i == self_) continue;
      membership.peers.push_back({NodeId{i}, "127.0.0.1:" + std::to_string(shared_.ports[i]),
                                  "127.0.0.1", shared_.ports[i], true,
                                  identities_[i] ? identities_[i]->keys.open : PublicKey{}});
    }
    transport_.join(std::move(membership));
    pthread_barrier_wait(&shared_.barrier);
  }

  SharedBuffer exchange(const SharedBuffer& x, Round round) {
    const uint32_t neighbors[] = {(self_ + processes_ - 1) % processes_, (self_ + 1) % processes_};
    for (const uint32_t neighbor : neighbors) {
      Message message;
      message.from = NodeId{self_};
      message.to = NodeId{neighbor};
      message.round = round;
      message.payload = Payload(x);
      KITH_ASSERT(transport_.send(message).ok());
    }
    std::array<std::optional<Message>, 2>& messages = received_[round % 2];
    for (std::optional<Message>& message : messages) {
      while (!message) wait();
      KITH_ASSERT(message->round == round && message->payload.size() == x.size());
    }
    SharedBuffer result = averaging_ ? average(x, messages) : x;
    for (std::optional<Message>& message : messages) message.reset();
    return result;
  }

  SharedBuffer average(const SharedBuffer& x, std::span<const std::optional<Message>> messages) {
    constexpr float kThird = 1.0f / 3;
    const Term terms[] = {{kThird, x.floats(), nullptr},
                          {kThird, {}, &messages[0]->payload},
                          {kThird, {}, &messages[1]->payload}};
    Buffer next = pool_.acquire(x.size());
    weighted_sum(*codec_, terms, next.floats(), pool_);
    return std::move(next).freeze();
  }

  void wait() {
    std::vector<pollfd> fds;
    for (const int fd : transport_.fds()) fds.push_back({fd, POLLIN, 0});
    while (const auto blocked = transport_.take_blocked()) blocked_.push_back(*blocked);
    for (const auto& blocked : blocked_) fds.push_back({blocked.fd, POLLIN, 0});
    const uint64_t before = count_;
    if (transport_.drain() || count_ > before) return;
    poll(fds.data(), fds.size(), -1);
    std::erase_if(blocked_, [this](const auto& b) { return !transport_.flush(b.peer); });
    transport_.drain();
  }

  void message(Message&& message) override {
    const bool right = index_of(message.from) == (self_ + 1) % processes_;
    received_[message.round % 2][right] = std::move(message);
    ++count_;
  }
  void stranger(const WireHeader&, std::span<const std::byte>, const Origin&) override {
    std::abort();
  }
  void refused(Status, const Origin&) override { std::abort(); }
  void request(const std::string&, std::span<const std::byte>, const Origin&) override {
    std::abort();
  }

  uint32_t self_;
  uint32_t processes_;
  bool averaging_;
  uint64_t count_ = 0;  // messages received
  Shared& shared_;
  const Identities& identities_;
  Pool pool_;
  ZmqTransport transport_;
  std::unique_ptr<Codec> codec_;
  // By round parity: a neighbour may be one ahead.
  std::array<std::optional<Message>, 2> received_[2];
  std::vector<ZmqTransport::Blocked> blocked_;
};

Shared* make_shared_memory(uint32_t processes) {
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  KITH_ASSERT(memory != MAP_FAILED);
  auto* shared = new (memory) Shared;
  pthread_barrierattr_t attributes;
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&shared->barrier, &attributes, processes);
  return shared;
}

void run(const Setting& setting, double megabytes, int exchanges) {
  const uint32_t processes = setting.processes;
  const Identities identities = make_identities(processes, setting.keyed);
  Shared* shared = make_shared_memory(processes);
  const auto floats = static_cast<size_t>(megabytes * 250000);
  for (uint32_t i = 0; i < processes; ++i) {
    if (fork() == 0) {
      Process(i, setting, identities, *shared).measure(floats, exchanges);
      std::_Exit(0);
    }
  }
  bool good = true;
  int status = 0;
  for (uint32_t i = 0; i < processes; ++i) good &= wait(&status) > 0 && status == 0;
  if (!good) std::exit(1);
  std::vector<double> slowest(exchanges, 0.0);
  for (int k = 0; k < exchanges; ++k) {
    for (uint32_t i = 0; i < processes; ++i) {
      slowest[k] = std::max(slowest[k], shared->seconds[i][k]);
    }
  }
  std::ranges::nth_element(slowest, slowest.begin() + exchanges / 2);
  double cpu = 0;
  double faults = 0;
  for (uint32_t i = 0; i < processes; ++i) {
    cpu += shared->cpu[i];
    faults += shared->faults[i];
  }
  std::printf("%s%s %g MB, %s: %.3f ms; CPU %.3f ms, page faults %.0f a process and exchange\n",
              setting.ipc ? "ipc" : "tcp", setting.keyed ? " with keys" : "", megabytes,
              setting.averaging ? "averaged" : "exchange alone", 1e3 * slowest[exchanges / 2],
              1e3 * cpu / processes / exchanges, faults / processes / exchanges);
  std::fflush(stdout);
  munmap(shared, sizeof(Shared));
}

}  // namespace

int main(int argc, char** argv) {
  tune_malloc_for_messages(argv);
  uint32_t processes = 4;
  std::vector<double> sizes;
  std::vector<bool> keys = {false};
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--processes") == 0 && i + 1 < argc) {
      processes = static_cast<uint32_t>(std::atoi(argv[++i]));
    } else if (std::strcmp(argv[i], "--keys") == 0) {
      keys = {false, true};
    } else if (std::atof(argv[i]) > 0) {
      sizes.push_back(std::atof(argv[i]));
    } else {
      std::fprintf(stderr, "usage: real_exchange_bench [--processes N] [--keys] [MEGABYTES...]\n");
      return 2;
    }
  }
  if (processes < 3 || processes > kMostProcesses) {
    std::fprintf(stderr, "real_exchange_bench: a ring has 3 to %d processes.\n", kMostProcesses);
    return 2;
  }
  if (sizes.empty()) sizes = {0.407, 1, 10, 100};
  for (const double megabytes : sizes) {
    const int exchanges = std::clamp(static_cast<int>(300 / megabytes), 8, 300);
    for (const bool ipc : {true, false}) {
      for (const bool averaging : {false, true}) {
        for (const bool keyed : keys) run({processes, ipc, averaging, keyed}, megabytes, exchanges);
      }
    }
  }
}
