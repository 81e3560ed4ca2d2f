#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/core/template/template.h"

/// Go's time package over template values: layouts, zones, printing, and the methods of time.Time and time.Duration.
namespace tocsin::tmpl {

std::int64_t go_nanoseconds(Duration duration);
/// time.Duration.String: "1h2m3.5s", "0s".
std::string go_string(Duration duration);
/// time.Time.String: "2006-01-02 15:04:05.999999999 -0700 MST".
std::string go_string(const Value::Time& time);
/// time.Time.Format with a Go layout ("Jan 2 15:04:05 MST").
std::string format_time(const Value::Time& time, std::string_view layout);
/// time.Parse for the layout's numeric and English parts; UTC when the text has no offset.
Result<Value::Time> parse_time(std::string_view layout, std::string_view text);
/// time.LoadLocation: an IANA name, "UTC", "" or "Local" (taken for UTC).
Result<const date::time_zone*> find_zone(std::string_view name);

/// Calls a method of a time.Time or a time.Duration. Nothing when `receiver` has no such method.
std::optional<Result<Value>> call_time_method(const Value& receiver, std::string_view name,
                                              std::span<const Value> args);

}  // namespace tocsin::tmpl
