#include "topology/properties.h"

#include <algorithm>
#include <cmath>

#include "topology/reach.h"

namespace kith {

namespace {

void count_degrees(const Graph& graph, TopologyProperties& out) {
  std::vector<NodeId> peers;
  uint64_t arcs = 0;
  out.degree_min = UINT32_MAX;
  for (uint32_t i = 0; i < graph.nodes(); ++i) {
    graph.in(NodeId{i}, 0, peers);
    const auto degree = static_cast<uint32_t>(peers.size());
    arcs += degree;
    out.degree_min = std::min(out.degree_min, degree);
    out.degree_max = std::max(out.degree_max, degree);
  }
  out.degree_mean = static_cast<double>(arcs) / graph.nodes();
  out.edges = graph.undirected() ? arcs / 2 : arcs;
}

void measure_diameter(const Graph& graph, TopologyProperties& out) {
  Reach reach(graph);
  out.diameter_exact = graph.nodes() <= kExactDiameterNodes;
  if (out.diameter_exact) {
    for (uint32_t i = 0; i < graph.nodes(); ++i) {
      reach.search(NodeId{i}, Direction::kOut);
      out.diameter = std::max(out.diameter, reach.depth());
    }
  } else {
    reach.search(NodeId{0}, Direction::kOut);
    out.diameter = reach.depth();
    reach.search(reach.farthest(), Direction::kOut);
    out.diameter = std::max(out.diameter, reach.depth());
  }
}

}  // namespace

std::optional<uint64_t> rounds_to_thousandth(double zeta) {
  if (zeta >= 1) return std::nullopt;
  if (zeta <= 1e-3) return 1;
  return static_cast<uint64_t>(std::ceil(std::log(1000.0) / -std::log(zeta)));
}

TopologyProperties topology_properties(const Mixing& mixing) {
  const Graph& graph = mixing.graph();
  TopologyProperties result;
  result.nodes = graph.nodes();
  result.undirected = graph.undirected();
  result.connected = connected(graph);
  count_degrees(graph, result);
  measure_diameter(graph, result);
  result.spectrum = spectrum(mixing);
  result.rounds_to_thousandth = rounds_to_thousandth(result.spectrum.zeta);
  return result;
}

}  // namespace kith
