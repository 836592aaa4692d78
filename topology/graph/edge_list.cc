// Edge list: the graph that a text file describes.
//
//   file = { line }     line = [ i j [ w ] ] [ "#" comment ]     i, j in 0 .. N-1, 0 < w <= 1
//
// Undirected: i and j hear each other, and w = w_ij = w_ji. With directed = true j hears i, and w
// is what j multiplies i's vector by, w_ji of the mixing matrix. Either all lines have a weight or
// none: with weights the file is the mixing matrix without its diagonal, and w_ii is what is left
// to 1. So the weights of what a node hears sum to 1 at most, and, where directed, to as much as
// the weights of what it says (each to 1e-6): W is doubly stochastic.
//
// An edge may stand twice, undirected in both directions; it counts once. Degree and spectrum are
// what the file makes them; a file whose graph is not connected (strongly, where directed) is
// refused.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>

#include "topology/adjacency.h"
#include "topology/error.h"
#include "topology/reach.h"
#include "topology/registry.h"

namespace kith {

namespace {

constexpr double kSumTolerance = 1e-6;

// What lines say. Without a weight it is 0.
using Arcs = std::vector<WeightedArc>;

// One word of the file as a node.
uint32_t node_of(const std::string& word, uint32_t nodes, const std::string& where) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error == std::errc::invalid_argument || end != word.data() + word.size()) {
    throw OperatorError(
        where + "\"" + word +
        "\" is not a node: a line is two whole numbers, i j, or those and a weight");
  }
  if (error != std::errc() || value >= nodes) {
    throw OperatorError(where + "node " + word + " does not exist: with " + std::to_string(nodes) +
                        " nodes they are 0 to " + std::to_string(nodes - 1));
  }
  return static_cast<uint32_t>(value);
}

float weight_of(const std::string& word, const std::string& where) {
  float value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  // Written so that NaN is refused.
  if (error != std::errc() || end != word.data() + word.size() || !(value > 0 && value <= 1)) {
    throw OperatorError(where + "\"" + word +
                        "\" is not a weight: the third column is a number above 0, at most 1");
  }
  return value;
}

// Appends the edge of `line`, if it holds one.
void parse_line(std::string line, uint32_t nodes, const std::string& where, Arcs& arcs) {
  line.resize(std::min(line.size(), line.find('#')));
  std::istringstream words(line);
  std::string first;
  std::string second;
  std::string third;
  std::string fourth;
  if (!(words >> first)) return;
  if (!(words >> second)) {
    throw OperatorError(where + "only one word; a line is two whole numbers, i j");
  }
  const bool weighted = static_cast<bool>(words >> third);
  if (words >> fourth) {
    throw OperatorError(where + "a fourth column (\"" + fourth + "\"); a line is i j, or i j w");
  }
  const uint32_t from = node_of(first, nodes, where);
  const uint32_t to = node_of(second, nodes, where);
  if (from == to) {
    throw OperatorError(where + "joins node " + first + " to itself; remove the line" +
                        (weighted ? ", w_ii is what the others leave to 1" : ""));
  }
  const float weight = weighted ? weight_of(third, where) : 0;
  if (!arcs.empty() && (arcs.front().weight > 0) != weighted) {
    throw OperatorError(where +
                        (weighted ? "has a weight, and the lines before have none"
                                  : "has no weight, and the lines before have one") +
                        "; give all edges a weight or none");
  }
  arcs.push_back({from, to, weight});
}

// As they stand in the file.
Arcs read_arcs(const std::string& path, uint32_t nodes) {
  std::ifstream file(path);
  if (!file) throw OperatorError("edge-list: cannot read file \"" + path + "\"");
  Arcs arcs;
  std::string line;
  for (uint64_t number = 1; std::getline(file, line); ++number) {
    parse_line(line, nodes, path + ":" + std::to_string(number) + ": ", arcs);
  }
  if (file.bad()) throw OperatorError("edge-list: reading file \"" + path + "\" failed");
  return arcs;
}

// Each once, sorted. An edge of two weights is refused.
void deduplicate(Arcs& arcs, const std::string& path) {
  const auto ends = [](const WeightedArc& arc) { return std::pair(arc.from, arc.to); };
  std::ranges::sort(arcs, [&](const WeightedArc& a, const WeightedArc& b) {
    return ends(a) != ends(b) ? ends(a) < ends(b) : a.weight < b.weight;
  });
  const auto two =
      std::ranges::adjacent_find(arcs, [&](const WeightedArc& a, const WeightedArc& b) {
        return ends(a) == ends(b) && a.weight != b.weight;
      });
  if (two != arcs.end()) {
    throw OperatorError(path + ": the edge " + std::to_string(two->from) + " " +
                        std::to_string(two->to) + " has two weights; keep one");
  }
  const auto same = [&](const WeightedArc& a, const WeightedArc& b) { return ends(a) == ends(b); };
  arcs.erase(std::unique(arcs.begin(), arcs.end(), same), arcs.end());
}

void check_sums(const Arcs& arcs, uint32_t nodes, const std::string& path) {
  std::vector<double> heard(nodes, 0.0);
  std::vector<double> said(nodes, 0.0);
  for (const WeightedArc& arc : arcs) {
    heard[arc.to] += static_cast<double>(arc.weight);
    said[arc.from] += static_cast<double>(arc.weight);
  }
  for (uint32_t i = 0; i < nodes; ++i) {
    if (heard[i] > 1 + kSumTolerance) {
      throw OperatorError(path + ": the weights of what node " + std::to_string(i) +
                          " hears sum to " + to_text(heard[i]) +
                          "; lower them to 1 or less together");
    }
    if (std::abs(heard[i] - said[i]) > kSumTolerance) {
      throw OperatorError(path + ": the weights of what node " + std::to_string(i) +
                          " hears sum to " + to_text(heard[i]) + ", of what it says to " +
                          to_text(said[i]) +
                          ", and the average would drift; make them equal, or leave the weights "
                          "out");
    }
  }
}

void check_connected(const Graph& graph, const std::string& path) {
  for (const Direction direction : {Direction::kOut, Direction::kIn}) {
    const uint32_t found = first_unreached(graph, direction);
    if (found == graph.nodes()) continue;
    const std::string cut_off = "node " + std::to_string(found);
    throw OperatorError(
        path + ": the graph is not connected: no path leads from " +
        (direction == Direction::kOut ? "node 0 to " + cut_off : cut_off + " to node 0") +
        "; add an edge, or start fewer than " + std::to_string(graph.nodes()) + " nodes");
  }
}

std::shared_ptr<const Graph> undirected_graph(uint32_t nodes, const Arcs& arcs) {
  std::vector<Edge> edges;
  edges.reserve(arcs.size());
  for (const WeightedArc& arc : arcs) edges.emplace_back(arc.from, arc.to);
  return std::make_shared<AdjacencyGraph>(nodes, edges);
}

std::shared_ptr<const Graph> make_edge_list(uint32_t nodes, uint64_t, const Options& options) {
  const std::string& path = options.text("file");
  const bool directed = options.flag("directed");
  Arcs arcs = read_arcs(path, nodes);
  if (!directed) {
    for (WeightedArc& arc : arcs)
      arc = {std::min(arc.from, arc.to), std::max(arc.from, arc.to), arc.weight};
  }
  deduplicate(arcs, path);
  const bool weighted = !arcs.empty() && arcs.front().weight > 0;
  std::shared_ptr<const Graph> graph;
  if (!directed && !weighted) {
    graph = undirected_graph(nodes, arcs);
  } else {
    const size_t edges = arcs.size();
    for (size_t e = 0; !directed && e < edges; ++e) {
      arcs.push_back({arcs[e].to, arcs[e].from, arcs[e].weight});
    }
    if (weighted) check_sums(arcs, nodes, path);
    graph = std::make_shared<ArcGraph>(nodes, arcs, weighted);
  }
  check_connected(*graph, path);
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
    .help = "read from a text file with one edge a line: \"i j\", or \"i j w\" with its weight",
    .undirected = false,
    .options =
        [] {
          using Type = OptionSpec::Type;
          return OptionSpecs{
              {"file", Type::kText, std::string(), "path of the file; # starts a comment"},
              {"directed", Type::kFlag, false, "\"i j\" tells j of i alone, not i of j"}};
        },
    .check = check_edge_list,
    .make = make_edge_list,
};

}  // namespace kith
