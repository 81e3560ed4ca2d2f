#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "agent/core/time.h"

namespace tocsin {

struct Sample {
  TimePoint t;
  double v = 0;
};

/// The NaN with which a series says "I am gone" (Prometheus' staleness marker), and the ordinary one.
inline const double kStaleNaN = std::bit_cast<double>(std::uint64_t{0x7ff0000000000002});
inline const double kNaN = std::bit_cast<double>(std::uint64_t{0x7ff8000000000001});

/// True for the staleness marker only; an ordinary NaN is a value.
inline bool is_stale(double v) {
  return std::bit_cast<std::uint64_t>(v) == 0x7ff0000000000002;
}

}  // namespace tocsin
