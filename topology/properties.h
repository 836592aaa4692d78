// What a topology costs and how fast it mixes: what `kith topology` prints.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "topology/mixing.h"
#include "topology/spectral.h"

namespace kith {

// Of round 0; connected and diameter of all rounds together (topology/reach.h). Degrees are
// in-degrees: messages that a node receives in a round.
struct TopologyProperties {
  uint32_t nodes = 0;
  bool undirected = true;
  bool connected = false;  // strongly, where directed
  uint64_t edges = 0;      // undirected edges counted once; arcs where directed
  uint32_t degree_min = 0;
  double degree_mean = 0;
  uint32_t degree_max = 0;

  // The longest of the shortest paths, in hops; of no meaning where not connected. Above
  // kExactDiameterNodes a lower bound (double sweep: the depth from a node farthest from node 0).
  uint32_t diameter = 0;
  bool diameter_exact = false;

  Spectrum spectrum;  // of a graph that never changes

  // Of one that does. `spectrum` then holds zeta_product^(1 / rounds), what is left of a
  // disagreement per round in the long run, and no lambda_min.
  std::optional<RoundSpectrum> changing;

  // Rounds of gossip alone after which the disagreement is `tolerance` of what it was: the smallest
  // t with zeta^t <= tolerance, in whole periods where the graph changes. Nothing where zeta is 1.
  double tolerance = 1e-3;
  std::optional<uint64_t> rounds_to_tolerance;

  std::optional<std::vector<size_t>> matchings;  // edges of each, where has_matchings(graph)
};

inline constexpr uint32_t kExactDiameterNodes = 4096;

// Throws OperatorError where the spectrum is out of reach, or the tolerance not above 0 and
// below 1.
TopologyProperties topology_properties(const Mixing& mixing, double tolerance = 1e-3);

// Needs a tolerance above 0 and below 1.
std::optional<uint64_t> rounds_to_tolerance(double zeta, double tolerance);

}  // namespace kith
