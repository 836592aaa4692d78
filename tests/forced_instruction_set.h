// One instruction set for a whole program, by its name in the environment.
#pragma once

#include <hwy/highway.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace kith::test {

// Where KITH_INSTRUCTION_SET is set, all kernels use that one ("AVX2"). Prints the known names and
// ends the program where it is not among them.
inline void force_instruction_set() {
  const char* wanted = std::getenv("KITH_INSTRUCTION_SET");
  if (wanted == nullptr) return;
  std::string known;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    known += std::string(known.empty() ? "" : " ") + hwy::TargetName(target);
    if (hwy::TargetName(target) != std::string(wanted)) continue;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    return;
  }
  std::fprintf(stderr, "KITH_INSTRUCTION_SET is \"%s\"; this machine has: %s\n", wanted,
               known.c_str());
  std::exit(2);
}

}  // namespace kith::test
