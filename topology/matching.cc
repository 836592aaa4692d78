// Each edge takes a colour that is free at both ends. Where there is none, a free at u and b at v,
// the path from v of edges that alternate between a and b is recoloured (Kempe); it frees a at v
// unless it ends at u. On a bipartite graph it cannot end there (Koenig 1916), so Delta colours
// always do. On another graph all pairs (a, b) may fail; then the same is tried with Delta + 1, and
// last comes the way of Misra and Gries (1992), which proves that Delta + 1 suffice.
//
// Boost's Misra and Gries is not the first choice: it spends Delta + 1 colours on even rings and
// hypercubes too (one exchange more a round), and takes minutes on a star of 10,000 nodes and on a
// complete graph of 500.
#include "topology/matching.h"

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/edge_coloring.hpp>
#include <string>

#include "topology/assert.h"
#include "topology/error.h"

namespace kith {

namespace {

constexpr uint32_t kNone = UINT32_MAX;

class KempeColoring {
 public:
  KempeColoring(uint32_t nodes, const std::vector<Edge>& edges, uint32_t extra)
      : edges_(edges), color_(edges.size(), kNone), incident_(nodes) {
    for (uint32_t e = 0; e < edges.size(); ++e) {
      incident_[edges[e].first].push_back(e);
      incident_[edges[e].second].push_back(e);
    }
    for (const auto& list : incident_) {
      colors_ = std::max(colors_, static_cast<uint32_t>(list.size()));
    }
    colors_ += extra;
  }

  // False where an edge found no colour.
  bool run() {
    for (uint32_t e = 0; e < edges_.size(); ++e) {
      if (!color(e)) return false;
    }
    return true;
  }

  uint32_t colors() const { return colors_; }
  std::vector<uint32_t> by_edge() && { return std::move(color_); }

 private:
  bool color(uint32_t e) {
    const auto [u, v] = edges_[e];
    free_at(u, free_u_);
    free_at(v, free_v_);
    std::vector<uint32_t>& common = path_;
    common.clear();
    std::ranges::set_intersection(free_u_, free_v_, std::back_inserter(common));
    if (!common.empty()) {
      color_[e] = common.front();
      return true;
    }
    for (const uint32_t a : free_u_) {
      for (const uint32_t b : free_v_) {
        if (walk(v, a, b) == u) continue;
        for (const uint32_t on_path : path_) color_[on_path] = color_[on_path] == a ? b : a;
        color_[e] = a;
        return true;
      }
    }
    return false;
  }

  void free_at(uint32_t node, std::vector<uint32_t>& out) {
    used_.assign(colors_, false);
    for (const uint32_t e : incident_[node]) {
      if (color_[e] != kNone) used_[color_[e]] = true;
    }
    out.clear();
    for (uint32_t c = 0; c < colors_; ++c) {
      if (!used_[c]) out.push_back(c);
    }
  }

  // Collects the path from `node` of colours a, b, a, ... in path_; returns where it ends.
  uint32_t walk(uint32_t node, uint32_t a, uint32_t b) {
    path_.clear();
    for (uint32_t next = a;; next = next == a ? b : a) {
      const auto& list = incident_[node];
      const auto found = std::ranges::find(list, next, [&](uint32_t e) { return color_[e]; });
      if (found == list.end()) return node;
      path_.push_back(*found);
      node = edges_[*found].first == node ? edges_[*found].second : edges_[*found].first;
    }
  }

  const std::vector<Edge>& edges_;
  std::vector<uint32_t> color_;  // by edge
  std::vector<std::vector<uint32_t>> incident_;
  uint32_t colors_ = 0;  // Delta + extra
  std::vector<uint32_t> free_u_, free_v_, path_;
  std::vector<bool> used_;
};

std::vector<uint32_t> misra_gries(uint32_t nodes, const std::vector<Edge>& edges) {
  using Colored =
      boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS, boost::no_property,
                            boost::property<boost::edge_color_t, size_t>>;
  Colored graph(edges.begin(), edges.end(), nodes);
  boost::edge_coloring(graph, boost::get(boost::edge_color, graph));
  std::vector<uint32_t> colors;
  const auto [first, last] = boost::edges(graph);  // in the order of insertion
  for (auto e = first; e != last; ++e) {
    colors.push_back(static_cast<uint32_t>(boost::get(boost::edge_color, graph, *e)));
  }
  return colors;
}

std::vector<uint32_t> colors_of(uint32_t nodes, const std::vector<Edge>& edges) {
  for (const uint32_t extra : {0u, 1u}) {
    KempeColoring kempe(nodes, edges, extra);
    // A matching has N / 2 edges at the most; many a graph of odd N shows so that Delta is too few.
    const bool enough = edges.size() <= uint64_t{kempe.colors()} * (nodes / 2);
    if (enough && kempe.run()) return std::move(kempe).by_edge();
  }
  return misra_gries(nodes, edges);
}

void check_matching(Matching matching) {
  std::vector<uint32_t> met;
  for (const auto& [a, b] : matching) met.insert(met.end(), {a, b});
  std::ranges::sort(met);
  KITH_ASSERT(std::ranges::adjacent_find(met) == met.end());
}

}  // namespace

bool has_matchings(const Graph& graph) {
  if (!graph.undirected() || graph.nodes() > kMatchingNodes) return false;
  uint64_t arcs = 0;
  uint64_t largest = 0;
  std::vector<NodeId> peers;
  for (uint32_t i = 0; i < graph.nodes(); ++i) {
    graph.in(NodeId{i}, 0, peers);
    arcs += peers.size();
    largest = std::max<uint64_t>(largest, peers.size());
  }
  return arcs / 2 * largest <= kMatchingWork;
}

std::vector<Edge> edges_of(const Graph& graph) {
  std::vector<Edge> edges;
  std::vector<NodeId> peers;
  for (uint32_t i = 0; i < graph.nodes(); ++i) {
    graph.in(NodeId{i}, 0, peers);
    for (const NodeId peer : peers) {
      if (index_of(peer) > i) edges.emplace_back(i, index_of(peer));
    }
  }
  return edges;
}

std::vector<Matching> edge_matchings(const Graph& graph) {
  if (!graph.undirected()) {
    throw OperatorError("only an undirected graph splits into matchings, and this one is directed");
  }
  if (!has_matchings(graph)) {
    throw OperatorError("this graph is too large to be split into matchings; take at most " +
                        std::to_string(kMatchingNodes) +
                        " nodes, and at most 256 where all are joined to all");
  }
  const std::vector<Edge> edges = edges_of(graph);
  const std::vector<uint32_t> colors = colors_of(graph.nodes(), edges);
  std::vector<Matching> matchings;
  for (uint32_t e = 0; e < edges.size(); ++e) {
    if (colors[e] >= matchings.size()) matchings.resize(colors[e] + 1);
    matchings[colors[e]].push_back(edges[e]);
  }
  std::erase_if(matchings, [](const Matching& matching) { return matching.empty(); });
  std::ranges::stable_sort(matchings, std::ranges::greater(), &Matching::size);
  std::ranges::for_each(matchings, check_matching);
  return matchings;
}

}  // namespace kith
