#pragma once

#include <optional>

#include "agent/core/time.h"

namespace tocsin {

/// Lets one log line through per minute, of those that something could say all the time.
class Throttle {
 public:
  /// True when it may be said now.
  bool due(TimePoint now) {
    if (last_ && now >= *last_ && now - *last_ < std::chrono::minutes(1)) return false;
    last_ = now;
    return true;
  }

 private:
  std::optional<TimePoint> last_;
};

}  // namespace tocsin
