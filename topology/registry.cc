#include "topology/registry.h"

#include <array>

#include "topology/error.h"

namespace kith {

std::span<const GraphInfo* const> all_graphs() {
  static constexpr std::array kGraphs = {
#define GRAPH(symbol) &symbol##_graph,
#include "topology/graphs.def"
#undef GRAPH
  };
  return kGraphs;
}

const GraphInfo& find_graph(const std::string& name) {
  std::string known;
  for (const GraphInfo* info : all_graphs()) {
    if (name == info->name) return *info;
    known += (known.empty() ? "" : ", ") + std::string(info->name);
  }
  throw OperatorError("there is no graph \"" + name + "\"; choose one of " + known);
}

std::shared_ptr<const Graph> make_graph(const std::string& name, uint32_t nodes, uint64_t seed,
                                        const Options& options) {
  const GraphInfo& info = find_graph(name);
  if (nodes == 0) throw OperatorError("a graph needs 1 node at least");
  info.check(nodes, options);
  return info.make(nodes, seed, options);
}

std::string graph_note(const std::string& name, uint32_t nodes, const Options& options) {
  const GraphInfo& info = find_graph(name);
  return info.note == nullptr ? "" : info.note(nodes, options);
}

std::shared_ptr<const Graph> make_graph(const std::string& name, uint32_t nodes, uint64_t seed) {
  return make_graph(name, nodes, seed, Options("topology", find_graph(name).options(), {}));
}

}  // namespace kith
