#include "daemon/real/request_budget.h"

#include <algorithm>

namespace kith {

bool RequestBudget::take(const std::string& who, Duration now) {
  if (budgets_.size() >= limits::kCallers && !budgets_.contains(who)) forget_idle(now);
  if (budgets_.size() >= limits::kCallers && !budgets_.contains(who)) return false;
  Budget& budget = budgets_.try_emplace(who, Budget{limits::kRequestsPerSecond, now}).first->second;
  budget.left = std::min(limits::kRequestsPerSecond,
                         budget.left + limits::kRequestsPerSecond * seconds(now - budget.counted));
  budget.counted = now;
  if (budget.left < 1) return false;
  budget.left -= 1;
  return true;
}

// A budget that has been let alone for a second is full, and as good as none.
void RequestBudget::forget_idle(Duration now) {
  std::erase_if(budgets_,
                [now](const auto& entry) { return seconds(now - entry.second.counted) >= 1; });
}

}  // namespace kith
