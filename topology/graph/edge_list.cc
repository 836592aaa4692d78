// Edge list: the undirected graph that a text file describes.
//
//   file = { line }     line = [ i j ] [ "#" comment ]     i, j in 0 .. N-1
//
// An edge may stand in both directions, or twice; it counts once. Degree and spectrum are what the
// file makes them; a file whose graph is not connected is refused.
#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "topology/adjacency.h"
#include "topology/error.h"
#include "topology/reach.h"
#include "topology/registry.h"

namespace kith {

namespace {

// One word of the file as a node.
uint32_t node_of(const std::string& word, uint32_t nodes, const std::string& where) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error == std::errc::invalid_argument || end != word.data() + word.size()) {
    throw OperatorError(where + "\"" + word + "\" is not a node: a line is two whole numbers, i j");
  }
  if (error != std::errc() || value >= nodes) {
    throw OperatorError(where + "node " + word + " does not exist: with " + std::to_string(nodes) +
                        " nodes they are 0 to " + std::to_string(nodes - 1));
  }
  return static_cast<uint32_t>(value);
}

// Appends the edge of `line`, if it holds one.
void parse_line(std::string line, uint32_t nodes, const std::string& where,
                std::vector<Edge>& edges) {
  line.resize(std::min(line.size(), line.find('#')));
  std::istringstream words(line);
  std::string first;
  std::string second;
  std::string third;
  if (!(words >> first)) return;
  if (!(words >> second)) {
    throw OperatorError(where + "only one word; a line is two whole numbers, i j");
  }
  if (words >> third) {
    throw OperatorError(where + "a third column (\"" + third +
                        "\"); edges carry no weights here, they follow from the mixing rule");
  }
  const uint32_t a = node_of(first, nodes, where);
  const uint32_t b = node_of(second, nodes, where);
  if (a == b) {
    throw OperatorError(where + "joins node " + first + " to itself; remove the line");
  }
  edges.emplace_back(std::min(a, b), std::max(a, b));
}

std::vector<Edge> read_edges(const std::string& path, uint32_t nodes) {
  std::ifstream file(path);
  if (!file) throw OperatorError("edge-list: cannot read file \"" + path + "\"");
  std::vector<Edge> edges;
  std::string line;
  for (uint64_t number = 1; std::getline(file, line); ++number) {
    parse_line(line, nodes, path + ":" + std::to_string(number) + ": ", edges);
  }
  if (file.bad()) throw OperatorError("edge-list: reading file \"" + path + "\" failed");
  std::ranges::sort(edges);
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges;
}

std::shared_ptr<const Graph> make_edge_list(uint32_t nodes, uint64_t, const Options& options) {
  const std::string& path = options.text("file");
  auto graph = std::make_shared<AdjacencyGraph>(nodes, read_edges(path, nodes));
  const uint32_t cut_off = first_unreached(*graph);
  if (cut_off != nodes) {
    throw OperatorError(path + ": the graph is not connected: no path leads from node 0 to node " +
                        std::to_string(cut_off) + "; add an edge, or start fewer than " +
                        std::to_string(nodes) + " nodes");
  }
  return graph;
}

void check_edge_list(uint32_t, const Options& options) {
  if (options.text("file").empty()) {
    throw OperatorError("edge-list needs the key file: a text file with one edge \"i j\" a line");
  }
}

}  // namespace

const GraphInfo edge_list_graph = {
    .name = "edge-list",
    .help = "undirected, read from a text file with one edge \"i j\" a line",
    .undirected = true,
    .options =
        [] {
          return OptionSpecs{{"file", OptionSpec::Type::kText, std::string(),
                              "path of the file; # starts a comment"}};
        },
    .check = check_edge_list,
    .make = make_edge_list,
};

}  // namespace kith
