#include "daemon/real/daemon.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>

#include "daemon/malloc_tuning.h"
#include "daemon/real/beacon.h"
#include "daemon/real/job_run.h"
#include "daemon/real/loader.h"
#include "daemon/real/loop.h"
#include "daemon/real/rate_limit.h"
#include "daemon/real/refusal_log.h"
#include "daemon/real/zmq_transport.h"
#include "daemon/trust/permission.h"
#include "protocol/control.h"
#include "protocol/limits.h"
#include "topology/error.h"

namespace kith {

namespace {

using control::Phase;

uint64_t resident_bytes() {
  unsigned long pages = 0;
  if (std::FILE* statm = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(statm, "%*u %lu", &pages) != 1) pages = 0;
    std::fclose(statm);
  }
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto total = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return total(usage.ru_utime) + total(usage.ru_stime);
}

const DaemonOptions& checked(const DaemonOptions& options) {
  if (options.identity && options.insecure) {
    throw OperatorError("--insecure is for a daemon without keys: leave it, or --key, out.");
  }
  if (options.identity || options.insecure) return options;
  const std::string& host = options.listen.host;
  if (host != "*" && resolve(host).starts_with("127.")) return options;
  throw OperatorError(
      "Without keys " + options.listen.text() +
      " would take orders from everybody who can reach it: give --key and --members (kith keygen "
      "makes keys), or --insecure where the whole network is trusted.");
}

using RefusalCounts = std::array<uint64_t, static_cast<size_t>(Reason::kCount)>;

// Adds to what is there under the same name.
void add_to(control::Counters& counters, const RefusalCounts& counts) {
  for (size_t i = 1; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    const char* name = reason_name(static_cast<Reason>(i));
    const auto found = std::ranges::find(
        counters.refused, name, [](const auto& entry) { return std::string_view(entry.first); });
    if (found == counters.refused.end()) {
      counters.refused.emplace_back(name, counts[i]);
    } else {
      found->second += counts[i];
    }
  }
}

// Whatever the job: connections that were closed before they could say anything, and clients that
// ask too much.
bool at_the_door(Reason reason) {
  return reason == Reason::kNoHandshake || reason == Reason::kNoKey ||
         reason == Reason::kUnknownKey || reason == Reason::kOverLimit;
}

}  // namespace

struct Daemon::Impl final : ZmqTransport::Handler {
  Impl(const DaemonOptions& daemon_options, Log& daemon_log);

  void drain();
  void shut_down();

  // ZmqTransport::Handler
  void message(Message&& message) override;
  void stranger(const WireHeader& header, std::span<const std::byte> body,
                const Origin& origin) override;
  void refused(Status status, const Origin& origin) override;
  void request(const std::string& caller, std::span<const std::byte> frame,
               const Origin& origin) override;

  void refuse_request(const std::string& caller, uint64_t id, Status status, const Origin& origin);
  void carry_out(const std::string& caller, uint64_t id, control::Request&& request);

  control::Reply answer(const control::HelloRequest&);
  control::Reply answer(const control::ProgressRequest& request);
  control::Reply answer(const control::StatusRequest&);
  control::Reply answer(const control::StopJobRequest&);
  control::Reply answer(const control::ShutdownRequest&);
  control::Reply answer(const control::NodesRequest&);
  void go_on(RunStart start);
  void load_job(RunStart start);
  void answer_starter(const control::Reply& reply);
  void start(const std::string& caller, uint64_t id, control::StartRequest&& request);
  void loaded(std::shared_ptr<LoadedJob> job, const std::string& error);
  void snapshot(const std::string& caller, uint64_t id, const control::SnapshotRequest& request);
  void model(const std::string& caller, uint64_t id);
  Phase phase() const;

  DaemonOptions options;
  Log& log;
  Loop loop;
  RefusalLog refusals;
  RateLimit requests{limits::kRequestsPerSecond, limits::kRequestsPerSecond};  // of each client
  ZmqTransport transport;
  std::vector<std::unique_ptr<Loop::Watch>> incoming;
  uint64_t load_number = 0;  // of the load that is wanted; others are dropped when they end
  bool loading = false;
  std::optional<std::pair<std::string, uint64_t>> starter;  // who waits for the load
  std::string error;                                        // of the last load, if it failed
  RefusalCounts refused_idle{};                             // while there was no job
  RefusalCounts refused_at_door{};                          // whether there was one or not
  std::unique_ptr<Checkpoints> checkpoints;                 // null without a folder for them
  Workers workers;
  SwarmBody swarm;
  std::optional<Beacon> beacon;
  std::unique_ptr<JobRun> run;
};

Daemon::Impl::Impl(const DaemonOptions& daemon_options, Log& daemon_log)
    : options(checked(daemon_options)),
      log(daemon_log),
      refusals(daemon_log),
      transport({options.listen, options.use_ipc, options.identity}, *this),
      workers(options.threads),
      swarm(loop, workers, transport, log, options.swarm, options.identity, [this] { drain(); }) {
  for (const int fd : transport.fds()) incoming.push_back(loop.watch(fd, [this] { drain(); }));
  loop.on_signal({SIGTERM, SIGINT}, [this] { shut_down(); });
  if (options.swarm.beacon) {
    beacon.emplace(
        loop, log, options.swarm.swarm, transport.listen(), [this] { return swarm.address(); },
        [this](const std::string& address) { swarm.hint(address); });
  }
  if (options.state.empty()) return;
  checkpoints = std::make_unique<Checkpoints>(loop, log, options.state);
  if (auto left = checkpoints->unfinished()) {
    ++left->generation;
    go_on(std::move(*left));
  }
}

void Daemon::Impl::drain() {
  if (transport.drain()) loop.post([this] { drain(); });
}

void Daemon::Impl::shut_down() {
  log.info("stopping", {});
  swarm.leave();
  run.reset();
  loop.stop();
}

// ---- from the transport ----

void Daemon::Impl::message(Message&& message) {
  if (run) run->message(std::move(message));
}

void Daemon::Impl::stranger(const WireHeader& header, std::span<const std::byte> body,
                            const Origin& origin) {
  if (const auto generation = run ? run->generation_of(header) : std::nullopt) {
    go_on({run->start().request, *generation});
  } else if (run) {
    if (const Status status = run->stranger(header, body); !status.ok()) refused(status, origin);
  } else if (header.kind != kReady) {  // peers that loaded first ask until this daemon has too
    refused(Reason::kWrongJob, origin);
  }
}

void Daemon::Impl::refused(Status status, const Origin& origin) {
  if (at_the_door(status.reason())) {
    ++refused_at_door[static_cast<size_t>(status.reason())];
  } else if (run) {
    run->refuse(status);
  } else {
    ++refused_idle[static_cast<size_t>(status.reason())];
  }
  refusals.note(status.reason(), origin);
}

void Daemon::Impl::request(const std::string& caller, std::span<const std::byte> frame,
                           const Origin& origin) {
  if (!requests.take(who(origin), loop.now())) return refused(Reason::kOverLimit, origin);
  uint64_t id = 0;
  control::Request request;
  Status status = control::decode_request(frame, id, request);
  if (status.ok() && options.identity &&
      (origin.member == nullptr || !may_ask(origin.member->role, request))) {
    status = Reason::kForbidden;
  }
  if (const auto* gossip = std::get_if<control::GossipRequest>(&request); status.ok() && gossip) {
    if (status = swarm.heard(gossip->packet, origin); !status.ok()) refused(status, origin);
  } else if (status.ok()) {
    carry_out(caller, id, std::move(request));
  } else {
    refuse_request(caller, id, status, origin);
  }
}

void Daemon::Impl::refuse_request(const std::string& caller, uint64_t id, Status status,
                                  const Origin& origin) {
  refused(status, origin);
  control::ErrorReply reply{"The request is not one that kithd knows."};
  if (status.reason() == Reason::kWrongVersion) {
    reply.message = "kithd " + std::string(daemon_version()) +
                    " speaks another version of the control protocol; use the kith of the same "
                    "version.";
  } else if (status.reason() == Reason::kForbidden) {
    reply.message = "This key is listed as " +
                    std::string(role_name(origin.member ? origin.member->role : Role::kPeer)) +
                    ", which may not ask for that: a viewer may look, an operator may do all.";
  }
  transport.reply(caller, control::encode_reply(id, reply));
}

void Daemon::Impl::carry_out(const std::string& caller, uint64_t id, control::Request&& request) {
  if (auto* start_request = std::get_if<control::StartRequest>(&request)) {
    start(caller, id, std::move(*start_request));
  } else if (const auto* wanted = std::get_if<control::SnapshotRequest>(&request)) {
    snapshot(caller, id, *wanted);
  } else if (std::holds_alternative<control::ModelRequest>(request)) {
    model(caller, id);
  } else {
    const control::Reply reply = std::visit(
        [this]<typename T>(const T& r) -> control::Reply {
          if constexpr (requires { answer(r); }) {
            return answer(r);
          } else {
            return control::OkReply{};
          }
        },
        request);
    transport.reply(caller, control::encode_reply(id, reply));
  }
}

// ---- answers ----

Phase Daemon::Impl::phase() const {
  if (run) return run->phase();
  if (loading) return Phase::kLoading;
  return error.empty() ? Phase::kIdle : Phase::kFailed;
}

control::Reply Daemon::Impl::answer(const control::HelloRequest&) {
  control::HelloReply reply;
  reply.version = daemon_version();
  reply.pid = static_cast<uint32_t>(getpid());
  reply.phase = phase();
  if (run) {
    reply.job = run->plan().job.name;
    reply.node = index_of(run->self());
    reply.nodes = run->plan().nodes;
  }
  return reply;
}

control::Reply Daemon::Impl::answer(const control::ProgressRequest& request) {
  control::ProgressReply reply;
  if (run) {
    reply = run->progress();
    reply.reports = run->reports(request.first_report);
    return reply;
  }
  reply.phase = phase();
  reply.error = error;
  add_to(reply.counters, refused_idle);
  return reply;
}

control::Reply Daemon::Impl::answer(const control::StatusRequest&) {
  control::StatusReply reply;
  reply.version = daemon_version();
  reply.pid = static_cast<uint32_t>(getpid());
  reply.listen = transport.listen().text();
  reply.threads = workers.threads();
  reply.uptime = seconds(loop.now());
  reply.cpu_seconds = cpu_seconds();
  reply.resident_bytes = resident_bytes();
  if (run) run->describe(reply);
  if (options.data) reply.own_data = options.data->source;
  reply.progress = std::get<control::ProgressReply>(
      answer(control::ProgressRequest{run ? run->progress().next_report : 0}));
  add_to(reply.progress.counters, refused_at_door);
  return reply;
}

control::Reply Daemon::Impl::answer(const control::StopJobRequest&) {
  if (run) log.info("stopped", {{"job", run->plan().job.name}});
  run.reset();
  ++load_number;
  loading = false;
  answer_starter(control::ErrorReply{"The job was stopped."});
  if (checkpoints) checkpoints->run_is_over();
  error.clear();
  log.set_node(std::nullopt);
  give_back_memory();
  return control::OkReply{};
}

control::Reply Daemon::Impl::answer(const control::ShutdownRequest&) {
  // After this reply has left.
  loop.post([this] { shut_down(); });
  return control::OkReply{};
}

control::Reply Daemon::Impl::answer(const control::NodesRequest&) { return swarm.describe(); }

void Daemon::Impl::start(const std::string& caller, uint64_t id, control::StartRequest&& request) {
  if (run || loading) {
    const std::string what = run ? "already has the job '" + run->plan().job.name + "'"
                                 : std::string("is loading another job");
    transport.reply(
        caller,
        control::encode_reply(id, control::ErrorReply{"The daemon at " + transport.listen().text() +
                                                      " " + what + "; stop it first."}));
    return;
  }
  starter = {caller, id};
  load_job({std::move(request), 0});
}

void Daemon::Impl::answer_starter(const control::Reply& reply) {
  if (!starter) return;
  transport.reply(starter->first, control::encode_reply(starter->second, reply));
  starter.reset();
}

// After a crash, of this daemon or of one that the others go back to a checkpoint with.
void Daemon::Impl::go_on(RunStart start) {
  log.info("goes_on", {{"generation", std::to_string(start.generation)}});
  run.reset();
  load_job(std::move(start));
}

void Daemon::Impl::load_job(RunStart start) {
  error.clear();
  loading = true;
  workers.submit([this, number = ++load_number, start = std::move(start)](Workspace&) {
    std::shared_ptr<LoadedJob> job;
    std::string problem;
    try {
      job = load(start, checkpoints.get(), options.identity.get(),
                 options.data ? &*options.data : nullptr);
    } catch (const std::exception& exception) {
      problem = exception.what();
    }
    loop.post([this, number, job = std::move(job), problem = std::move(problem)] {
      if (number == load_number) loaded(job, problem);
    });
  });
}

void Daemon::Impl::loaded(std::shared_ptr<LoadedJob> job, const std::string& problem) {
  loading = false;
  if (!job) {
    error = problem;
    log.warning("refused_job", {{"why", problem}});
    answer_starter(control::ErrorReply{problem});
  } else {
    log.set_node(index_of(job->membership.self));
    log.info("loaded",
             {{"job", job->plan.job.name}, {"parameters", std::to_string(job->plan.dimension)}});
    const auto again = [this, number = load_number](RunStart start) {
      if (number == load_number) go_on(std::move(start));
    };
    run = std::make_unique<JobRun>(loop, workers, transport, log, checkpoints.get(), std::move(job),
                                   again);
    answer_starter(control::OkReply{});
  }
  drain();
}

void Daemon::Impl::snapshot(const std::string& caller, uint64_t id,
                            const control::SnapshotRequest& request) {
  std::optional<ReportStore::Snapshot> found;
  if (run && (request.round || run->phase() != Phase::kRunning)) {
    found = run->snapshot(request.round);
  }
  if (!found) {
    const std::string which =
        request.round ? "of round " + std::to_string(*request.round) : "of the finished job";
    transport.reply(caller, control::encode_reply(
                                id, control::ErrorReply{"There are no parameters " + which +
                                                        " on this node (any more, or yet)."}));
    return;
  }
  const control::SnapshotReply reply{found->round, found->parameters.size()};
  transport.reply(caller, control::encode_reply(id, reply), std::move(found->parameters));
}

void Daemon::Impl::model(const std::string& caller, uint64_t id) {
  if (!run || !run->has_model()) {
    const std::string why =
        run || loading ? " has no part in its run yet, or any more." : " has no run.";
    const control::ErrorReply refusal{"The daemon at " + transport.listen().text() + why};
    return transport.reply(caller, control::encode_reply(id, refusal));
  }
  ReportStore::Snapshot now = *run->snapshot(std::nullopt);
  const control::ModelReply reply{run->start().request, run->phase(), now.round, run->tensors(),
                                  now.parameters.size()};
  transport.reply(caller, control::encode_reply(id, reply), std::move(now.parameters));
}

// ---- Daemon ----

const char* daemon_version() { return KITH_VERSION; }

Daemon::Daemon(const DaemonOptions& options, Log& log)
    : impl_(std::make_unique<Impl>(options, log)) {}
Daemon::~Daemon() = default;

const Address& Daemon::listen() const { return impl_->transport.listen(); }

void Daemon::run() {
  impl_->drain();
  impl_->loop.run();
}

}  // namespace kith
