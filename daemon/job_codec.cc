#include "daemon/job_codec.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "daemon/job_text.h"
#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

namespace {

// Consensus step, and rounds as CodecCandidate has them.
struct Pace {
  double gamma;
  double rounds;
};

// A rung of the ladder: what it takes to 86 % on Fashion-MNIST with eight nodes, over a hub and, on
// a ring, where coarse codecs cost the most. Other data and graphs have other figures; the times of
// rounds, which are measured, are what differs by factors.
struct Rung {
  const char* codec;
  double over_hub;   // rounds
  Pace differences;  // an algorithm that sends them: choco-sgd
  Pace models;       // one that sends these: dpsgd
};

constexpr Rung kLadder[] = {
    {"top-k:0.01 | int8", 1.1, {0.05, 1.6}, {0.02, 1.8}},
    {"top-k:0.1 | int8", 1.05, {0.3, 1.25}, {0.1, 1.5}},
    {"int8", 1.02, {1, 1.02}, {1, 1.02}},
    {"bf16", 1.01, {1, 1.01}, {1, 1.01}},
};

constexpr double kTrialSeconds = 0.2;  // of the half that is measured

// A gentler codec is tried next while the last one was not this many times as bad as the best.
constexpr double kHopeless = 2;

std::string assignment(const std::string& key, const std::string& value) {
  return key + "=\"" + value + "\"";
}

bool says(const Job& job, const std::string& section, const std::string& key) {
  const JobSections sections = read_sections(job.text);
  const auto found = sections.find(section);
  return found != sections.end() && found->second.contains(key);
}

// Nothing where the job cannot do with these.
std::optional<Job> with(const Job& job, uint32_t nodes, const std::vector<std::string>& overrides) {
  try {
    Job changed = parse_job(job.text, overrides);
    validate(changed, nodes);
    return changed;
  } catch (const OperatorError&) {
    return std::nullopt;
  }
}

// Adds the consensus step; nothing where the job's own one is too long for the rung.
std::optional<double> set_pace(const Job& job, const Rung& rung, std::vector<std::string>& to) {
  const AlgorithmInfo& algorithm = algorithm_info(job.algorithm.kind);
  if (algorithm.needs.star) return rung.over_hub;
  const Pace& pace = algorithm.keeps_differences ? rung.differences : rung.models;
  const bool has_step = job.algorithm.options.values().contains("gamma");
  if (has_step && !says(job, "algorithm", "gamma")) {
    to.push_back("algorithm.gamma=" + std::to_string(pace.gamma));
  } else if ((has_step ? job.algorithm.options.number("gamma") : 1) > pace.gamma) {
    return std::nullopt;
  }
  return pace.rounds;
}

std::optional<CodecCandidate> on_rung(const Job& job, uint32_t nodes, const Rung& rung) {
  const AlgorithmInfo& algorithm = algorithm_info(job.algorithm.kind);
  std::vector<std::string> overrides = {assignment("codec.kind", rung.codec)};
  const std::optional<double> rounds = set_pace(job, rung, overrides);
  if (!rounds) return std::nullopt;
  if (algorithm.codes_down && !says(job, "codec", "down")) {
    overrides.push_back(assignment("codec.down", rung.codec));
  }
  // What only some of the values are sent of never arrives whole without a memory.
  const bool must_remember = !algorithm.keeps_differences && make_codec(rung.codec)->sends_some();
  std::optional<Job> settled;
  if (!algorithm.keeps_differences && !says(job, "codec", "memory")) {
    std::vector<std::string> remembering = overrides;
    remembering.push_back(assignment("codec.memory", "error-feedback"));
    settled = with(job, nodes, remembering);
  }
  const bool as_it_is = !must_remember || job.memory.kind != MemoryKind::kNone;
  if (!settled && as_it_is) settled = with(job, nodes, overrides);
  if (!settled) return std::nullopt;
  return CodecCandidate{std::move(*settled), *rounds};
}

// Even, so that it has a middle.
Round even(double rounds) { return 2 * std::max<Round>(1, static_cast<Round>(rounds / 2)); }

RoundCost try_on(const CodecCandidate& candidate, Round rounds, const TrialRunner& runner) {
  const Job trial = parse_job(
      candidate.job.text,
      {"stop.rounds=" + std::to_string(rounds), "stop.epochs=0", "report.evaluate=false",
       "report.every=" + std::to_string(rounds / 2), "checkpoint.every=0", "checkpoint.seconds=0"});
  return runner.run(trial, rounds);
}

// With as many rounds as it takes; these are those that the search begins with.
RoundCost measure(const CodecCandidate& candidate, Round& rounds, Round at_most,
                  const TrialRunner& runner) {
  for (;;) {
    const RoundCost cost = try_on(candidate, rounds, runner);
    const double measured = cost.seconds * static_cast<double>(rounds) / 2;
    if (measured >= kTrialSeconds / 2 || rounds >= at_most) return cost;
    const double more = measured > 0 ? kTrialSeconds / measured : 2;
    rounds = std::min(at_most, even(more * static_cast<double>(rounds)));
  }
}

}  // namespace

std::vector<CodecCandidate> codec_candidates(const Job& job, uint32_t nodes) {
  KITH_ASSERT(job.choose_codec);
  std::vector<CodecCandidate> candidates;
  for (const Rung& rung : kLadder) {
    if (auto candidate = on_rung(job, nodes, rung)) candidates.push_back(std::move(*candidate));
  }
  candidates.push_back({parse_job(job.text, {assignment("codec.kind", "identity")}), 1});
  validate(candidates.back().job, nodes);
  return candidates;
}

CodecChoice choose_codec(const Job& job, uint32_t nodes, const TrialRunner& runner) {
  const double scale = std::max(1.0, 1 / batches_per_round(job, nodes, 0));
  const Round first = even(scale * static_cast<double>(runner.length.first));
  const Round at_most = even(scale * static_cast<double>(runner.length.at_most));
  CodecChoice choice;
  Round rounds = first;
  for (CodecCandidate& candidate : codec_candidates(job, nodes)) {
    const CodecTrial trial = {codec_text(candidate.job), candidate.rounds,
                              measure(candidate, rounds, at_most, runner)};
    rounds = std::max(first, even(static_cast<double>(rounds) / 4));  // gentler, hence slower
    runner.on_trial(trial);
    choice.trials.push_back(trial);
    const CodecTrial& best = choice.trials[choice.taken];
    if (choice.trials.size() == 1 || trial.score() < best.score()) {
      choice.taken = choice.trials.size() - 1;
      choice.job = std::move(candidate.job);
    } else if (trial.score() > kHopeless * best.score()) {
      break;
    }
  }
  return choice;
}

double bytes_per_second(const std::vector<CodecTrial>& trials) {
  if (trials.size() < 2) return 0;
  const RoundCost& coarse = trials.front().cost;
  const RoundCost& gentle = trials.back().cost;
  const double seconds =
      (gentle.seconds - gentle.coding_seconds) - (coarse.seconds - coarse.coding_seconds);
  // Less than a fifth of a round is as likely the machine's own unrest.
  if (seconds < 0.2 * coarse.seconds) return 0;
  return (gentle.bytes - coarse.bytes) / seconds;
}

}  // namespace kith
