// One case of the fault hunter: a job and its faults, drawn from a seed or given, printed before
// they run, and what became of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kith {

struct ChaosOptions {
  std::string job;               // path; empty = drawn, too
  uint32_t nodes = 0;            // of that job
  std::vector<std::string> set;  // keys of it that are changed
  std::string faults;            // path of a list in place of those drawn; empty = drawn
  std::string out;               // folder that takes job.toml and faults; empty = none
};

struct ChaosOutcome {
  int code = 0;      // of the process: kDone, kNoProgress or kWrongResult
  std::string what;  // a sentence
  uint64_t events = 0;
  bool twice = false;
};

// In this process, which a bug ends. `tell`: prints job and faults as soon as they are known.
// Throws OperatorError for what cannot be run.
ChaosOutcome chase(const ChaosOptions& options, uint64_t seed, bool tell);

// "good", "crashed", "no progress", "wrong result".
const char* chaos_word(int code);

}  // namespace kith
