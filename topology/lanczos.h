// The largest eigenvalue of a symmetric operator that is known by its action alone.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace kith {

// Sets y = A x.
using SymmetricOperator = std::function<void(std::span<const double> x, std::span<double> y)>;

// The largest eigenvalue of (I - J) A (I - J) on the vectors of mean zero, so that the eigenvector
// 1 of a Laplacian is left out; its error is about 1e-11 of the spectrum's size. Nothing where 400
// steps do not suffice. size >= 2; O(400 size) memory, half a gigabyte at most.
//
// Lanczos with full reorthogonalisation, never restarted. Spectra's restarted one is not used: it
// returned garbage where the operator has few distinct eigenvalues (complete graph, star), so that
// the Krylov space ends early. Here that end is the exact solution.
std::optional<double> largest_eigenvalue(uint32_t size, const SymmetricOperator& apply);

}  // namespace kith
