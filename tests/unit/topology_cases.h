// Every registered graph at many sizes and seeds, for tests of what holds for all of them.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

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

// Calls `visit(label, graph)` for each registered graph at each size where it exists.
inline void for_each_graph(
    const std::function<void(const std::string&, std::shared_ptr<const Graph>)>& visit) {
  for (const uint32_t nodes : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 12u, 16u, 23u, 33u, 64u, 100u}) {
    for (const GraphInfo* info : all_graphs()) {
      const std::string label = std::string(info->name) + " N=" + std::to_string(nodes);
      const std::string name = info->name;
      if (name == "random-regular") {
        for (const int64_t degree : {1, 2, 3, 4, 7, 14, 31, 60}) {
          const Options options = graph_options(name, {{"degree", degree}});
          if (!refusal([&] { info->check(nodes, options); }).empty()) continue;
          for (const uint64_t seed : {1u, 2u, 3u}) {
            visit(label + " degree=" + std::to_string(degree) + " seed=" + std::to_string(seed),
                  make_graph(name, nodes, seed, options));
          }
        }
      } else if (name == "edge-list") {
        const TextFile file(branched_path(nodes));
        visit(label, graph_with(name, nodes, {{"file", file.path()}}));
      } else {
        visit(label, make_graph(name, nodes));
      }
    }
  }
}

}  // namespace kith
