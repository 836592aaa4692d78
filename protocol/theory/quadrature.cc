#include "protocol/theory/quadrature.h"

#include <algorithm>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <cmath>
#include <limits>

#include "topology/assert.h"

namespace kith {

namespace {

using Function = std::function<double(double)>;

constexpr double kTolerance = 1e-8;
constexpr int kMostHalvings = 4000;  // an f that needs more is not smooth between its breakpoints

struct Section {
  double a;
  double b;
  bool tail;  // a and b are of t, not of x
  double value = 0;
  double error = 0;
};

// Beyond the last breakpoint c: x = c + c (e^y - 1), y = t/(1 - t), t in [0, 1). A power law
// becomes an exponential in y, whatever its exponent.
double tail_at(const Function& f, double c, double t) {
  const double y = t / (1 - t);
  const double x = c * std::exp(y);
  if (!(x < std::numeric_limits<double>::max())) return 0;
  const double value = f(x);
  return value == 0 ? 0 : value * x / ((1 - t) * (1 - t));
}

// The rule works on [-1, 1]: on other intervals some versions do not scale the error.
Section measured(const Function& f, double c, Section section) {
  const double middle = (section.a + section.b) / 2;
  const double half = (section.b - section.a) / 2;
  const auto mapped = [&](double z) {
    const double at = middle + half * z;
    return half * (section.tail ? tail_at(f, c, at) : f(at));
  };
  section.value = boost::math::quadrature::gauss_kronrod<double, 15>::integrate(
      mapped, -1.0, 1.0, 0, kTolerance, &section.error);
  return section;
}

// Sorted, and none more than four times the one before: so a steep beginning is seen whatever the
// length of its section.
std::vector<double> refined(double from, std::vector<double> breakpoints) {
  std::erase_if(breakpoints, [&](double point) { return point <= from; });
  std::ranges::sort(breakpoints);
  std::vector<double> out = {from};
  for (const double point : breakpoints) {
    while (out.back() > 0 && point > 4 * out.back()) out.push_back(4 * out.back());
    if (point > out.back()) out.push_back(point);
  }
  return out;
}

}  // namespace

double integrate_from(double from, const Function& f, std::vector<double> breakpoints) {
  breakpoints = refined(from, std::move(breakpoints));
  KITH_ASSERT(breakpoints.size() > 1);
  const double last = breakpoints.back();

  std::vector<Section> heap;
  for (size_t i = 0; i + 1 < breakpoints.size(); ++i) {
    heap.push_back(measured(f, last, {breakpoints[i], breakpoints[i + 1], false}));
  }
  heap.push_back(measured(f, last, {0, 1, true}));
  std::ranges::make_heap(heap, {}, &Section::error);
  const auto sum_of = [&](double Section::*part) {
    double sum = 0;
    for (const Section& section : heap) sum += section.*part;
    return sum;
  };
  double error = sum_of(&Section::error);
  double value = sum_of(&Section::value);
  for (int halvings = 0; error > kTolerance * value && halvings < kMostHalvings; ++halvings) {
    std::ranges::pop_heap(heap, {}, &Section::error);
    const Section worst = heap.back();
    heap.pop_back();
    const double middle = (worst.a + worst.b) / 2;
    error -= worst.error;
    value -= worst.value;
    for (const auto& [a, b] : {std::pair{worst.a, middle}, {middle, worst.b}}) {
      heap.push_back(measured(f, last, {a, b, worst.tail}));
      error += heap.back().error;
      value += heap.back().value;
      std::ranges::push_heap(heap, {}, &Section::error);
    }
  }
  return sum_of(&Section::value);
}

}  // namespace kith
