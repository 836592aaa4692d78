// The graphs that a job file may name. To add one: topology/graph/<symbol>.cc and a line in
// graphs.def.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "topology/graph.h"
#include "topology/options.h"

namespace kith {

// One line of graphs.def: GRAPH(symbol) names `const GraphInfo symbol_graph` in graph/<symbol>.cc.
struct GraphInfo {
  const char* name;  // "random-regular"
  const char* help;  // one line
  bool undirected;   // at every N and with every option

  // The keys that it takes.
  OptionSpecs (*options)() = [] { return OptionSpecs{}; };

  // Throws OperatorError where the graph does not exist for this N, naming what would work.
  void (*check)(uint32_t nodes, const Options& options) = [](uint32_t, const Options&) {};

  // Needs checked arguments. The graph is connected, and a function of the arguments alone. Throws
  // OperatorError for what only building can show (a file's contents).
  std::shared_ptr<const Graph> (*make)(uint32_t nodes, uint64_t seed, const Options& options);

  // What the operator should know before a start although the graph exists: a sentence, "" where
  // there is nothing to say. Null = nothing at any N.
  std::string (*note)(uint32_t nodes, const Options& options) = nullptr;
};

// GraphInfo::make of a graph that N alone describes.
template <class OfSize>
std::shared_ptr<const Graph> make_sized(uint32_t nodes, uint64_t, const Options&) {
  return std::make_shared<OfSize>(nodes);
}

#define GRAPH(symbol) extern const GraphInfo symbol##_graph;
#include "topology/graphs.def"
#undef GRAPH

std::span<const GraphInfo* const> all_graphs();

// Throws OperatorError with the known names.
const GraphInfo& find_graph(const std::string& name);

// `options` come from find_graph(name).options(). Throws OperatorError; N = 0 is refused for all.
std::shared_ptr<const Graph> make_graph(const std::string& name, uint32_t nodes, uint64_t seed,
                                        const Options& options);

// The graph's note, "" where it has none.
std::string graph_note(const std::string& name, uint32_t nodes, const Options& options);

// With the default of every option.
std::shared_ptr<const Graph> make_graph(const std::string& name, uint32_t nodes, uint64_t seed = 0);

}  // namespace kith
