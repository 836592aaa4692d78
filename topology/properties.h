// What a topology costs and how fast it mixes: what `kith topology` prints.
#pragma once

#include <cstdint>
#include <optional>

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

  Spectrum spectrum;

  // Rounds of gossip alone after which the disagreement is 1000 times smaller: the smallest t with
  // zeta^t <= 1/1000. Nothing where zeta is 1.
  std::optional<uint64_t> rounds_to_thousandth;
};

inline constexpr uint32_t kExactDiameterNodes = 4096;

// Throws OperatorError where the spectrum is out of reach.
TopologyProperties topology_properties(const Mixing& mixing);

std::optional<uint64_t> rounds_to_thousandth(double zeta);

}  // namespace kith
