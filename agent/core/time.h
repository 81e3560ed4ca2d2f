#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "agent/core/result.h"

namespace tocsin {

/// Spans and instants of everything that is recorded: milliseconds, as Prometheus counts. Instants are UTC.
using Duration = std::chrono::milliseconds;
using TimePoint = std::chrono::sys_time<Duration>;

/// The instant until which I/O may take, on the clock that never jumps.
using Deadline = std::chrono::steady_clock::time_point;

/// Reads Prometheus' duration grammar: `1y2w3d4h5m6s7ms`, units in that order, each at most once, or `0`.
/// Errors: empty text, unknown unit, wrong order, more than 292 years.
Result<Duration> parse_duration(std::string_view text);

/// The shortest text that parse_duration() reads back: 90s is "1m30s", zero is "0s". Negative ones get a leading "-".
/// Weeks and years are only used when they divide the whole (Prometheus' model.Duration.String).
std::string format_duration(Duration duration);

/// RFC 3339 in UTC, milliseconds only when there are any: "2026-11-23T19:24:49.5Z" as Go's time.RFC3339Nano prints.
std::string format_rfc3339(TimePoint time);

/// Reads RFC 3339 with any offset and fraction (rounded down to milliseconds).
Result<TimePoint> parse_rfc3339(std::string_view text);

/// Seconds since the epoch, as metrics carry instants.
double to_seconds(TimePoint time);
double to_seconds(Duration duration);
/// Rounds to the nearest millisecond; clamps what does not fit.
TimePoint time_from_seconds(double seconds);
Duration duration_from_seconds(double seconds);

}  // namespace tocsin
