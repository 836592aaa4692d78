// Who uses which slot of a Workspace.
#pragma once

#include <cstddef>

namespace kith::slots {

inline constexpr size_t kFeatures = 0;     // of the batch
inline constexpr size_t kLabels = 1;       // int32, as wide as a float
inline constexpr size_t kRows = 2;         // uint32, as wide as a float
inline constexpr size_t kGradient = 3;     // of a local step
inline constexpr size_t kDifference = 4;   // from the anchor of a local step
inline constexpr size_t kSnapshot = 5;     // gradient at SVRG's snapshot
inline constexpr size_t kRow = 6;          // features of one row, where rows are clipped one by one
inline constexpr size_t kRowGradient = 7;  // of that row
inline constexpr size_t kModel = 8;        // this and all above belong to the model

}  // namespace kith::slots
