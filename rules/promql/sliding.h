#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "rules/promql/functions.h"

namespace tocsin::promql {

/// A window function over windows that move along one series: what neighbouring windows share is not looked at again,
/// so that a step costs the same whatever the length of its window.
class SlidingKernel {
 public:
  virtual ~SlidingKernel() = default;
  /// Another series begins; `samples` stays where it is until the next begin(), and the scalar arguments are the same
  /// at each step. False: these samples are better left to the plain kernel.
  virtual bool begin(std::span<const Sample> samples, const double* params) = 0;
  /// Of samples[first, end), which are w.samples too. Neither end moves back from call to call.
  virtual double at(std::size_t first, std::size_t end, const Window& w) = 0;
};

/// nullptr: the function has nothing to keep from one window to the next, or reads each window in one go anyway. What
/// it says is what the plain kernel says, but for the last bit of a sum.
std::unique_ptr<SlidingKernel> make_sliding(std::string_view function);

namespace kernel {
/// rate() and increase() when the resets are known: `resets` are the values before each, in order.
double extrapolated_counter(const Window& w, bool per_second, std::span<const double> resets);
}  // namespace kernel

}  // namespace tocsin::promql
