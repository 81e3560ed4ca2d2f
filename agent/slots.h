#pragma once

#include <cstdint>
#include <string_view>

#include "agent/core/time.h"

namespace tocsin {

/// FNV-1a 64 of `text`: where in its interval something runs.
constexpr std::uint64_t slot_hash(std::string_view text) {
  std::uint64_t h = 14695981039346656037ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return h;
}

/// When something with this interval runs: at `offset + k × interval` since the epoch, so that a restart keeps the
/// rhythm and many things with one interval spread over it.
struct Slots {
  Duration interval{1000};
  Duration offset{0};

  static Slots spread(std::string_view identity, Duration interval) {
    return {interval,
            Duration(static_cast<std::int64_t>(slot_hash(identity) % static_cast<std::uint64_t>(interval.count())))};
  }

  /// The first slot after `t`.
  TimePoint after(TimePoint t) const {
    const std::int64_t since = (t.time_since_epoch() - offset).count();
    const std::int64_t n = interval.count();
    const std::int64_t slot = since >= 0 ? since / n : -((-since + n - 1) / n);
    return TimePoint{Duration((slot + 1) * n) + offset};
  }

  /// How many slots lie in (`from`, `to`].
  std::int64_t between(TimePoint from, TimePoint to) const {
    return to <= from ? 0 : (after(to) - after(from)) / interval;
  }
};

}  // namespace tocsin
