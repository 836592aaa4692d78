// Every registered graph at many sizes and seeds, for tests of what holds for all of them.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "topology/error.h"
#include "topology/registry.h"

namespace kith {

// A text file that lives as long as the object.
class TextFile {
 public:
  explicit TextFile(const std::string& text)
      : path_(std::filesystem::temp_directory_path() /
              ("kith-" + std::to_string(getpid()) + "-" +
               std::to_string(reinterpret_cast<uintptr_t>(this)) + ".txt")) {
    std::ofstream(path_) << text;
  }
  ~TextFile() { std::filesystem::remove(path_); }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;

  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

inline Options graph_options(const std::string& name,
                             const std::map<std::string, OptionValue>& given) {
  return Options("topology", find_graph(name).options(), given);
}

inline std::shared_ptr<const Graph> graph_with(const std::string& name, uint32_t nodes,
                                               const std::map<std::string, OptionValue>& given,
                                               uint64_t seed = 0) {
  return make_graph(name, nodes, seed, graph_options(name, given));
}

// The sentence of the OperatorError that `act` throws, or "" when it throws none.
inline std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const OperatorError& error) {
    return error.what();
  }
  return "";
}

// A path with one branch: irregular from 4 nodes on.
inline std::string branched_path(uint32_t nodes) {
  std::string text = "# a path whose last node hangs on node 1\n";
  for (uint32_t i = 1; i < nodes; ++i) {
    const uint32_t to = i + 1 == nodes && nodes > 3 ? 1 : i - 1;
    text += std::to_string(to) + " " + std::to_string(i) + "\n";
  }
  return text;
}

// A directed ring with a chord, every arc with a weight: doubly stochastic, not symmetric.
inline std::string weighted_arcs(uint32_t nodes) {
  std::string text;
  for (uint32_t i = 0; i < nodes && nodes > 1; ++i) {
    text += std::to_string(i) + " " + std::to_string((i + 1) % nodes) + " 0.375\n";
    if (nodes > 3) text += std::to_string(i) + " " + std::to_string((i + 2) % nodes) + " 0.25\n";
  }
  return text;
}

inline bool drawn_from_seed(const std::string& name) {
  return name.starts_with("random-") || name == "erdos-renyi" || name == "small-world" ||
         name == "stochastic-block";
}

// Options that a graph is tried with besides its defaults.
inline std::vector<std::map<std::string, OptionValue>> option_cases(const std::string& name) {
  std::vector<std::map<std::string, OptionValue>> cases = {{}};
  if (name == "random-regular") {
    cases.clear();
    for (const int64_t degree : {1, 2, 3, 4, 7, 14, 31, 60}) {
      cases.push_back({{"degree", degree}});
      cases.push_back({{"degree", degree}, {"every_round", true}});
    }
  }
  if (name == "torus") cases.push_back({{"layers", int64_t{0}}});
  if (name == "grid") cases.push_back({{"columns", int64_t{2}}});
  if (name == "base-k-plus-1") {
    for (const int64_t degree : {2, 3, 4, 9}) cases.push_back({{"degree", degree}});
  }
  if (name == "small-world") {
    cases.push_back({{"degree", int64_t{2}}, {"rewire", 0.0}});
    cases.push_back({{"degree", int64_t{6}}, {"rewire", 1.0}});
  }
  if (name == "stochastic-block") {
    cases.push_back({{"blocks", int64_t{5}}, {"p_in", 1.0}, {"p_out", 0.3}});
  }
  if (name == "erdos-renyi") cases.push_back({{"p", 1.0}});
  if (name == "random-geometric") cases.push_back({{"radius", 0.8}});
  return cases;
}

// Calls `visit(label, graph)` for each registered graph at each size where it exists.
inline void for_each_graph(
    const std::function<void(const std::string&, std::shared_ptr<const Graph>)>& visit) {
  for (const uint32_t nodes : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 12u, 16u, 23u, 33u, 64u, 100u}) {
    for (const GraphInfo* info : all_graphs()) {
      const std::string name = info->name;
      const std::string label = name + " N=" + std::to_string(nodes);
      if (name == "edge-list") {
        const TextFile plain(branched_path(nodes));
        visit(label, graph_with(name, nodes, {{"file", plain.path()}}));
        const TextFile arcs(weighted_arcs(nodes));
        visit(label + " directed",
              graph_with(name, nodes, {{"file", arcs.path()}, {"directed", true}}));
        continue;
      }
      for (const auto& given : option_cases(name)) {
        const Options options = graph_options(name, given);
        if (!refusal([&] { info->check(nodes, options); }).empty()) continue;
        std::string with = label;
        for (const auto& [key, value] : given) with += " " + key + "=" + to_text(value);
        for (uint64_t seed = 1; seed <= (drawn_from_seed(name) ? 3 : 1); ++seed) {
          visit(with + " seed=" + std::to_string(seed), make_graph(name, nodes, seed, options));
        }
      }
    }
  }
}

}  // namespace kith
