// The quantisers of N(0, 1) with 2^b levels of least mean squared error (Max 1960; Lloyd 1982), for
// b = 1 to 4 bits. Symmetric: the positive levels, ascending. Each level is the mean of its cell,
// E[z | z in the cell], and the cells meet in the middle between two levels.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace kith::lloyd_max {

inline constexpr size_t kMostBits = 4;

inline constexpr std::array<double, 1> kOneBit = {0.7978845608028654};
inline constexpr std::array<double, 2> kTwoBits = {0.4527800346364921, 1.510417608499096};
inline constexpr std::array<double, 4> kThreeBits = {0.2450941789442218, 0.7560052812058781,
                                                     1.343909278505000, 2.151945704536987};
inline constexpr std::array<double, 8> kFourBits = {
    0.1283950298511471, 0.3880482994902908, 0.6567591185324648, 0.9423404564869632,
    1.256231197347178,  1.618046386021882,  2.069017226531384,  2.732589570995159};

constexpr std::span<const double> levels(size_t bits) {
  if (bits == 1) return kOneBit;
  if (bits == 2) return kTwoBits;
  if (bits == 3) return kThreeBits;
  return kFourBits;
}

// E (q(z) - z)^2
constexpr double distortion(size_t bits) {
  constexpr double kDistortions[] = {0.3633802276324187, 0.1174818478293287, 0.03454776078850364,
                                     0.009501008008191762};
  return kDistortions[bits - 1];
}

}  // namespace kith::lloyd_max
