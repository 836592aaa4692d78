// Integrals over [0, infinity) of functions that are smooth between known points.
#pragma once

#include <functional>
#include <vector>

namespace kith {

// The integral of f over [from, infinity), for a non-negative f that is smooth between those of the
// `breakpoints` (in any order) that lie above `from`, and falls at infinity like x^-a with a > 1,
// or faster. At least one breakpoint must lie above `from`.
//
// Gauss-Kronrod, 15 points, on each section between breakpoints; the section with the largest
// estimate of its error is halved until all estimates together are below 1e-8 of the integral. The
// estimate is pessimistic: 1e-10 is usual.
double integrate_from(double from, const std::function<double(double)>& f,
                      std::vector<double> breakpoints);

}  // namespace kith
