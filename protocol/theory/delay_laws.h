// The laws behind make_delay(), by their parameters, which the table in delay.cc has checked.
#pragma once

#include <memory>
#include <span>

#include "protocol/theory/delay.h"

namespace kith {

using DelayParameters = std::span<const double>;

std::unique_ptr<Delay> constant_delay(DelayParameters p);             // value
std::unique_ptr<Delay> exponential_delay(DelayParameters p);          // mean
std::unique_ptr<Delay> shifted_exponential_delay(DelayParameters p);  // shift, mean of the rest
std::unique_ptr<Delay> uniform_delay(DelayParameters p);              // from <= to
std::unique_ptr<Delay> pareto_delay(DelayParameters p);               // xm > 0, alpha > 1
std::unique_ptr<Delay> weibull_delay(DelayParameters p);              // scale > 0, shape > 0
std::unique_ptr<Delay> log_normal_delay(DelayParameters p);           // median > 0, sigma > 0
std::unique_ptr<Delay> hyperexponential_delay(DelayParameters p);     // P(mean1), mean1, mean2

}  // namespace kith
