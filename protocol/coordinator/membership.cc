#include "protocol/coordinator/membership.h"

#include <algorithm>

namespace kith {

Options options_within(const AlgorithmInfo& info, const Options& options, const View& view) {
  std::map<std::string, OptionValue> values(options.values().begin(), options.values().end());
  const auto most = static_cast<int64_t>(view.members.size());
  for (const char* key : {"k", "participants"}) {
    const auto found = values.find(key);
    if (found != values.end()) found->second = std::min(std::get<int64_t>(found->second), most);
  }
  const auto steps = values.find("local_steps");
  if (steps != values.end()) {
    auto* by_node = std::get_if<std::vector<double>>(&steps->second);
    if (by_node != nullptr && by_node->size() > 1) {
      std::vector<double> within;
      for (uint32_t k = 0; k < view.members.size(); ++k) {
        within.push_back(by_node->at(index_of(view.member_at(NodeId{k}))));
      }
      *by_node = std::move(within);
    }
  }
  return Options("algorithm", info.options, values);
}

}  // namespace kith
