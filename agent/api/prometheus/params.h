#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/api/prometheus/reply.h"
#include "agent/core/matcher.h"
#include "agent/core/time.h"
#include "agent/net/http_server.h"

namespace tocsin::promapi {

/// Seconds since the epoch or RFC 3339, to the millisecond. Error: `cannot parse "x" to a valid timestamp`.
Result<TimePoint> parse_time(std::string_view text);
/// Seconds or `1h30m`. Error: `cannot parse "x" to a valid duration`.
Result<Duration> parse_step(std::string_view text);

/// A parameter that has to be there.
ApiResult<TimePoint> required_time(const ServerRequest& request, std::string_view name);
/// One that need not.
ApiResult<TimePoint> optional_time(const ServerRequest& request, std::string_view name, TimePoint otherwise);
ApiResult<Duration> optional_duration(const ServerRequest& request, std::string_view name, Duration otherwise);
/// `limit`: how many results there may be; 0: all.
ApiResult<std::size_t> limit_param(const ServerRequest& request);

/// What `match[]` says, each for itself. Each must have a matcher that does not match the empty text.
Result<std::vector<Matchers>> match_params(const ServerRequest& request);

/// `U__` and underscores around code points in hexadecimal, as label names that are no classic ones stand in a path:
/// `U__http_2e_status` is `http.status`. What is not escaped so is given back.
std::string unescape_label_name(std::string_view name);

/// Instants of a parameter that is left out.
inline constexpr TimePoint kEarliest{-Duration(std::int64_t{1} << 53)};
inline constexpr TimePoint kLatest{Duration(std::int64_t{1} << 53)};

}  // namespace tocsin::promapi
