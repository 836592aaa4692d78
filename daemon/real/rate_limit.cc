#include "daemon/real/rate_limit.h"

#include <algorithm>

#include "protocol/limits.h"

namespace kith {

double RateLimit::left(const Budget& budget, Duration now) const {
  return std::min(burst_, budget.left + per_second_ * seconds(now - budget.counted));
}

bool RateLimit::take(const std::string& who, Duration now) {
  if (budgets_.size() >= limits::kCallers && !budgets_.contains(who)) forget_idle(now);
  if (budgets_.size() >= limits::kCallers && !budgets_.contains(who)) return false;
  Budget& budget = budgets_.try_emplace(who, Budget{burst_, now}).first->second;
  budget = {left(budget, now), now};
  if (budget.left < 1) return false;
  budget.left -= 1;
  return true;
}

// A budget that is full is as good as none.
void RateLimit::forget_idle(Duration now) {
  std::erase_if(budgets_, [&](const auto& entry) { return left(entry.second, now) >= burst_; });
}

}  // namespace kith
