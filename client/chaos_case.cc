#include "client/chaos_case.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "client/command/command.h"
#include "client/fault_list.h"
#include "client/training.h"
#include "daemon/job.h"
#include "daemon/sim/chaos/draw.h"
#include "daemon/sim/chaos/hunt.h"
#include "daemon/sim/chaos/swarm_hunt.h"
#include "topology/error.h"

namespace kith {

namespace {

using chaos::Finding;

// Of a seed whose first jobs do not bring their nodes together, even without faults.
constexpr uint32_t kAttempts = 20;
constexpr uint64_t kTwice = 20;  // one seed in so many runs twice

// A job with all that a hunt needs around it.
struct Prey {
  Prey(Job parsed, uint32_t count)
      : job(std::move(parsed)),
        nodes(count),
        training(load_training(job, nodes, true)),
        hunt(job, nodes, *training.model, training.train) {}

  Job job;
  uint32_t nodes;
  Training training;
  chaos::Hunt hunt;
};

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    throw OperatorError("cannot read the list of faults " + path);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw OperatorError("cannot write " + path.string());
}

class Case {
 public:
  Case(const ChaosOptions& options, uint64_t seed, bool tell)
      : options_(options), seed_(seed), tell_(tell) {}

  // What is drawn is a job, and a swarm beside it; a job that is given has none of its own.
  ChaosOutcome run() {
    ChaosOutcome outcome = run_job();
    if (!options_.job.empty() || outcome.code != kDone) return outcome;
    chaos::DrawnSwarm drawn = chaos::draw_swarm(seed_);
    if (tell_) tell_swarm(drawn);
    chaos::SwarmHunt hunt(std::move(drawn));
    const Finding finding = hunt.chase(twice_);
    const std::string of_job = finding.kind == Finding::Kind::kNone ? outcome.what + "; " : "";
    return conclude({finding.kind, of_job + "the swarm " + finding.what},
                    outcome.events + hunt.events());
  }

 private:
  ChaosOutcome run_job() {
    const std::unique_ptr<Prey> prey = options_.job.empty() ? draw() : given();
    if (prey->hunt.sound().kind != Finding::Kind::kNone) {
      return conclude(prey->hunt.sound(), prey->hunt.events());
    }
    const std::vector<Fault> faults = faults_of(*prey);
    const std::string list = render_faults(faults);
    if (tell_) std::printf("# faults\n%s\n", list.c_str());
    std::fflush(stdout);
    if (!options_.out.empty()) {
      write_file(std::filesystem::path(options_.out) / "faults", list);
    }
    twice_ = seed_ % kTwice == 0;
    const Finding finding = prey->hunt.chase(faults, twice_);
    return conclude(finding, prey->hunt.events());
  }

  std::unique_ptr<Prey> draw() {
    std::unique_ptr<Prey> prey;
    for (uint32_t attempt = 0; attempt < kAttempts; ++attempt) {
      const chaos::DrawnJob drawn = chaos::draw_job(seed_, attempt);
      tell_job(drawn.toml, drawn.nodes);
      prey = std::make_unique<Prey>(parse_job(drawn.toml), drawn.nodes);
      if (prey->hunt.fit() || prey->hunt.sound().kind != Finding::Kind::kNone) return prey;
      if (tell_) std::printf("# its nodes do not come together without faults: another one\n\n");
    }
    throw RunFailed("seed " + std::to_string(seed_) + " draws no job whose nodes come together");
  }

  std::unique_ptr<Prey> given() {
    Job job = load_job(options_.job, options_.set);
    validate(job, options_.nodes);
    tell_job(job.text, options_.nodes);
    auto prey = std::make_unique<Prey>(std::move(job), options_.nodes);
    if (prey->hunt.fit()) return prey;
    throw RunFailed(
        "without any fault the nodes of this job do not come together: there is "
        "nothing that a run with faults could be held against");
  }

  void tell_job(const std::string& toml, uint32_t nodes) {
    if (tell_) std::printf("# job.toml, -n %u\n%s\n", nodes, toml.c_str());
    std::fflush(stdout);
    if (options_.out.empty()) return;
    std::filesystem::create_directories(options_.out);
    const std::string head =
        "# kith simulate job.toml -n " + std::to_string(nodes) + " --faults faults\n";
    write_file(std::filesystem::path(options_.out) / "job.toml", head + toml);
  }

  std::vector<Fault> faults_of(const Prey& prey) const {
    if (options_.faults.empty()) {
      return chaos::draw_faults(seed_, prey.job, prey.nodes, prey.hunt.half());
    }
    return parse_faults(read_file(options_.faults), prey.nodes, options_.faults);
  }

  static void tell_swarm(const chaos::DrawnSwarm& swarm) {
    std::printf("# a swarm of %u; all are told of %u; s to the line:", swarm.nodes(),
                index_of(swarm.settings.first_host));
    for (const Duration distance : swarm.settings.distance) std::printf(" %.4f", seconds(distance));
    std::printf("\n%s\n", render_faults(swarm.faults).c_str());
    std::fflush(stdout);
  }

  ChaosOutcome conclude(const Finding& finding, uint64_t events) const {
    const bool good = finding.kind == Finding::Kind::kNone;
    const bool stuck = finding.kind == Finding::Kind::kNoProgress;
    return {.code = good    ? kDone
                    : stuck ? kNoProgress
                            : kWrongResult,
            .what = finding.what,
            .events = events,
            .twice = twice_};
  }

  const ChaosOptions& options_;
  const uint64_t seed_;
  const bool tell_;
  bool twice_ = false;
};

}  // namespace

ChaosOutcome chase(const ChaosOptions& options, uint64_t seed, bool tell) {
  return Case(options, seed, tell).run();
}

const char* chaos_word(int code) {
  switch (code) {
    case kDone: return "good";
    case kNoProgress: return "no progress";
    case kWrongResult: return "wrong result";
    default: return "crashed";
  }
}

}  // namespace kith
