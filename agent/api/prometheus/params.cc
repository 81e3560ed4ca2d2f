// What requests say, read with the verdicts and the words of Prometheus' API.

#include "agent/api/prometheus/params.h"

#include <charconv>
#include <cmath>

#include "agent/core/go_text.h"
#include "rules/promql/ast.h"

namespace tocsin::promapi {
namespace {

std::optional<double> parse_float(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (text.empty() || end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return HUGE_VAL;
  if (error != std::errc() || std::isnan(v)) return std::nullopt;
  return v;
}

Result<Matchers> parse_selector(std::string_view text) {
  const auto parsed = promql::parse(text);
  if (!parsed) {
    const std::string error = parsed.error().str();
    if (error.ends_with("must contain at least one non-empty matcher"))
      return fail("match[] must contain at least one non-empty matcher");
    return fail("{}", error);
  }
  const auto* selector = (*parsed)->as<promql::VectorSelector>();
  if (selector == nullptr || selector->time.offset.is_set() || selector->time.anchor != promql::AtAnchor::kNone) {
    return fail("1:1: parse error: expected a metric selector, and got {}", quoted(text));
  }
  return selector->matchers;
}

}  // namespace

Result<TimePoint> parse_time(std::string_view text) {
  constexpr double kSecondsMax = 9e12;  // what may be added up without an overflow
  if (const auto seconds = parse_float(text); seconds && std::abs(*seconds) <= kSecondsMax) {
    return time_from_seconds(*seconds);
  }
  Result<TimePoint> time = parse_rfc3339(text);
  if (!time) return fail("cannot parse {} to a valid timestamp", quoted(text));
  return time;
}

Result<Duration> parse_step(std::string_view text) {
  if (const auto seconds = parse_float(text)) {
    if (std::abs(*seconds) * 1e9 > 9.2e18)
      return fail("cannot parse {} to a valid duration. It overflows int64", quoted(text));
    return duration_from_seconds(*seconds);
  }
  Result<Duration> duration = parse_duration(text);
  if (!duration) return fail("cannot parse {} to a valid duration", quoted(text));
  return duration;
}

ApiResult<TimePoint> required_time(const ServerRequest& request, std::string_view name) {
  Result<TimePoint> time = parse_time(request.param(name));
  if (!time) return invalid_parameter(name, time.error().message);
  return *time;
}

ApiResult<TimePoint> optional_time(const ServerRequest& request, std::string_view name, TimePoint otherwise) {
  const std::string_view text = request.param(name);
  if (text.empty()) return otherwise;
  Result<TimePoint> time = parse_time(text);
  if (!time) {
    return invalid_parameter(name, fmt::format("Invalid time value for '{}': {}", name, time.error().message));
  }
  return *time;
}

ApiResult<Duration> optional_duration(const ServerRequest& request, std::string_view name, Duration otherwise) {
  const std::string_view text = request.param(name);
  if (text.empty()) return otherwise;
  Result<Duration> duration = parse_step(text);
  if (!duration) return invalid_parameter(name, duration.error().message);
  return *duration;
}

ApiResult<std::size_t> limit_param(const ServerRequest& request) {
  const std::string_view text = request.param("limit");
  if (text.empty()) return 0;
  std::int64_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size()) {
    return invalid_parameter(
        "limit", fmt::format("strconv.Atoi: parsing {}: {}", quoted(text),
                             error == std::errc::result_out_of_range ? "value out of range" : "invalid syntax"));
  }
  if (limit < 0) return invalid_parameter("limit", "limit must be non-negative");
  return static_cast<std::size_t>(limit);
}

Result<std::vector<Matchers>> match_params(const ServerRequest& request) {
  std::vector<Matchers> out;
  for (const std::string_view text : request.params("match[]")) {
    Result<Matchers> matchers = parse_selector(text);
    if (!matchers) return tl::make_unexpected(matchers.error());
    out.push_back(std::move(*matchers));
  }
  return out;
}

std::string unescape_label_name(std::string_view name) {
  constexpr std::string_view kPrefix = "U__";
  if (!name.starts_with(kPrefix)) return std::string(name);
  std::string out;
  for (std::string_view rest = name.substr(kPrefix.size()); !rest.empty();) {
    if (rest.front() != '_') {
      out += rest.front();
      rest.remove_prefix(1);
      continue;
    }
    rest.remove_prefix(1);
    if (rest.starts_with('_')) {
      out += '_';
      rest.remove_prefix(1);
      continue;
    }
    const std::size_t close = rest.find('_');
    if (close == std::string_view::npos || close == 0 || close > 6) return std::string(name);
    std::uint32_t rune = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + close, rune, 16);
    if (error != std::errc() || end != rest.data() + close) return std::string(name);
    append_rune(out, rune);
    rest.remove_prefix(close + 1);
  }
  return out;
}

}  // namespace tocsin::promapi
