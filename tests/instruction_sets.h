// Runs a check once with each instruction set that this machine has and the kernels were compiled
// for.
#pragma once

#include <gtest/gtest.h>
#include <hwy/highway.h>

namespace kith::test {

template <class Check>
void for_each_instruction_set(Check check) {
  const auto targets = hwy::SupportedAndGeneratedTargets();
  ASSERT_FALSE(targets.empty());
  for (const int64_t target : targets) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace kith::test
