#include "topology/properties.h"

#include <algorithm>
#include <cmath>

#include "topology/error.h"
#include "topology/matching.h"
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

void measure_mixing(const Mixing& mixing, double tolerance, TopologyProperties& out) {
  out.tolerance = tolerance;
  if (mixing.graph().period() == 1) {
    out.spectrum = spectrum(mixing);
    out.rounds_to_tolerance = rounds_to_tolerance(out.spectrum.zeta, tolerance);
    return;
  }
  out.changing = round_spectrum(mixing);
  const double zeta = out.changing->zeta_product;
  out.spectrum.zeta = std::pow(zeta, 1 / static_cast<double>(out.changing->rounds));
  out.spectrum.spectral_gap = 1 - out.spectrum.zeta;
  if (const auto periods = rounds_to_tolerance(zeta, tolerance)) {
    out.rounds_to_tolerance = *periods * out.changing->rounds;
  }
}

}  // namespace

std::optional<uint64_t> rounds_to_tolerance(double zeta, double tolerance) {
  if (zeta >= 1) return std::nullopt;
  if (zeta <= tolerance) return 1;
  return static_cast<uint64_t>(std::ceil(std::log(tolerance) / std::log(zeta)));
}

TopologyProperties topology_properties(const Mixing& mixing, double tolerance) {
  if (!(tolerance > 0 && tolerance < 1)) {
    throw OperatorError(
        "the tolerance is what may be left of a disagreement: above 0 and below 1, such as 0.001");
  }
  const Graph& graph = mixing.graph();
  TopologyProperties result;
  result.nodes = graph.nodes();
  result.undirected = graph.undirected();
  result.connected = connected(graph);
  count_degrees(graph, result);
  measure_diameter(graph, result);
  measure_mixing(mixing, tolerance, result);
  if (graph.period() == 1 && has_matchings(graph)) {
    result.matchings.emplace();
    for (const Matching& matching : edge_matchings(graph)) {
      result.matchings->push_back(matching.size());
    }
  }
  return result;
}

}  // namespace kith
