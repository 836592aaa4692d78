#include <algorithm>

#include "protocol/aggregate.h"
#include "protocol/limits.h"
#include "topology/error.h"

namespace kith {

#define AGGREGATE(symbol) extern const AggregateInfo symbol##_aggregate;
#include "protocol/aggregates.def"
#undef AGGREGATE

std::vector<const AggregateInfo*> all_aggregates() {
  return {
#define AGGREGATE(symbol) &symbol##_aggregate,
#include "protocol/aggregates.def"
#undef AGGREGATE
  };
}

const AggregateInfo& aggregate_info(const std::string& name) {
  std::string known;
  for (const AggregateInfo* info : all_aggregates()) {
    if (name == info->name) return *info;
    known += (known.empty() ? "" : ", ") + std::string(info->name);
  }
  throw OperatorError("aggregate.kind is \"" + name + "\", but the known ones are " + known);
}

OptionSpec option_byzantine() {
  return {"byzantine", OptionSpec::Type::kInteger,
          int64_t{1},  "f: bad vectors that it must stand, of those that are brought together",
          0,           static_cast<double>(limits::kNodes)};
}

OptionSpec option_radius(const char* help) {
  return {"radius", OptionSpec::Type::kNumber, 0.0, help, 0, 1e30};
}

double median_length(std::span<double> lengths) {
  std::ranges::sort(lengths);
  return lengths[(lengths.size() - 1) / 2];
}

}  // namespace kith
