// What an algorithm knows of its own course beside the model: how stale the gradients were that it
// applied, how many it waits for, how many came too late. Written by the algorithm, carried to
// results and status by the bodies.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "protocol/archive.h"

namespace kith {

struct Measures {
  // Gradients (or displacements of local steps) by staleness: rounds between the model that they
  // were taken at and the one that they were applied to. The last bin holds all beyond.
  static constexpr size_t kBins = 64;
  std::array<uint64_t, kBins> staleness{};
  uint64_t applied = 0;        // sum of the bins
  uint64_t staleness_sum = 0;  // rounds, over all applied
  uint64_t late = 0;           // arrived after the round that they were meant for, dropped
  uint64_t sent = 0;           // messages with parameters, where some are spared
  uint64_t spared = 0;         // messages that went without, as there was nothing new to tell
  uint64_t spared_bytes = 0;   // of payload, that these would have had
  uint32_t waits_for = 0;      // gradients of an update as it stands: K; 0 = no such thing
  uint32_t local_steps = 0;    // of a round as it stands: tau; 0 = no such thing
  uint32_t levels = 0;         // of QSGD as they stand, where they adapt; 0 = they do not

  void apply(uint64_t rounds_behind) {
    ++staleness[std::min<uint64_t>(rounds_behind, kBins - 1)];
    ++applied;
    staleness_sum += rounds_behind;
  }
  // All that is counted, of another node.
  void add(const Measures& other) {
    for (size_t i = 0; i < kBins; ++i) staleness[i] += other.staleness[i];
    applied += other.applied;
    staleness_sum += other.staleness_sum;
    late += other.late;
    sent += other.sent;
    spared += other.spared;
    spared_bytes += other.spared_bytes;
  }
  void persist(Archive& archive) {
    archive.numbers("staleness", staleness);
    archive.number("applied", applied);
    archive.number("staleness_sum", staleness_sum);
    archive.number("late", late);
    archive.number("sent", sent);
    archive.number("spared", spared);
    archive.number("spared_bytes", spared_bytes);
    archive.number("waits_for", waits_for);
    archive.number("local_steps", local_steps);
    archive.number("levels", levels);
  }
  double mean_staleness() const {
    return applied == 0 ? 0 : static_cast<double>(staleness_sum) / static_cast<double>(applied);
  }
};

}  // namespace kith
