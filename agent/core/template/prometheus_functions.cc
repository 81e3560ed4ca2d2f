// What alert annotations and labels may call (Prometheus docs, "Template reference"), but for what needs a query engine
// or this server's own URL.

#include <algorithm>
#include <cmath>

#include "agent/core/go_text.h"
#include "agent/core/template/format.h"
#include "agent/core/template/functions.h"
#include "agent/core/template/go_time.h"
#include "agent/core/url.h"

namespace tocsin::tmpl {
namespace {

Result<Value> humanize(Value value, double step, std::span<const std::string_view> above,
                       std::span<const std::string_view> below) {
  const Result<double> number = number_of(value);
  if (!number) return tl::make_unexpected(number.error());
  double v = *number;
  std::string_view prefix;
  const bool plain = v == 0 || std::isnan(v) || std::isinf(v) || (below.empty() && std::fabs(v) <= 1);
  if (!plain && std::fabs(v) >= 1) {
    for (std::size_t i = 0; i < above.size() && std::fabs(v) >= step; ++i, v /= step) prefix = above[i];
  } else if (!plain) {
    for (std::size_t i = 0; i < below.size() && std::fabs(v) < 1; ++i, v *= step) prefix = below[i];
  }
  return format_float(v, 'g', 4) + std::string(prefix);
}

Result<Value> humanize_1000(Value v) {
  constexpr std::string_view kAbove[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
  constexpr std::string_view kBelow[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
  return humanize(std::move(v), 1000, kAbove, kBelow);
}

Result<Value> humanize_1024(Value v) {
  constexpr std::string_view kAbove[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
  return humanize(std::move(v), 1024, kAbove, {});
}

Result<Value> humanize_percentage(Value v) {
  return number_of(v).map([](double d) { return Value(format_float(d * 100, 'g', 4) + "%"); });
}

// Seconds since the epoch to an instant; nothing for NaN and infinities.
Result<Value> instant(double seconds) {
  if (std::fabs(seconds) * 1e9 > 9.2e18)
    return fail("{} cannot be represented as a nanoseconds timestamp since it overflows int64",
                format_float(seconds, 'g', -1));
  return Value::Time{TimePoint{Duration{static_cast<std::int64_t>(std::floor(seconds * 1e9 / 1e6))}}};
}

Result<Value> humanize_timestamp(Value v) {
  const Result<double> seconds = number_of(v);
  if (!seconds) return tl::make_unexpected(seconds.error());
  if (std::isnan(*seconds) || std::isinf(*seconds)) return format_float(*seconds, 'g', 4);
  const Result<Value> at = instant(*seconds);
  return at ? Result<Value>(at->print()) : at;
}

Result<Value> to_time(Value v) {
  const Result<double> seconds = number_of(v);
  if (!seconds) return tl::make_unexpected(seconds.error());
  if (std::isnan(*seconds) || std::isinf(*seconds)) return fail("value is NaN or Inf");
  return instant(*seconds);
}

Result<Value> to_duration(Value v) {
  const Result<double> seconds = number_of(v);
  if (!seconds) return tl::make_unexpected(seconds.error());
  if (std::isnan(*seconds) || std::isinf(*seconds)) return fail("value is NaN or Inf");
  return duration_from_seconds(*seconds);
}

Result<Value> parse_duration_text(std::string text) {
  return parse_duration(text).map([](Duration d) { return Value(to_seconds(d)); });
}

// strings.Title: the first letter of each word in upper case, the rest as it is.
Result<Value> title(std::string text) {
  std::string out;
  bool begins = true;
  for (std::string_view rest = text; !rest.empty();) {
    const char32_t rune = take_rune(rest);
    append_rune(out, begins ? to_upper(rune) : rune);
    const bool word =
        (rune >= '0' && rune <= '9') || rune == '_' || rune >= 0x80 || to_lower(rune) != rune || to_upper(rune) != rune;
    begins = !word || is_space(rune);
  }
  return out;
}

// host:port, [v6]:port as Go's net.SplitHostPort; nothing when it has no port.
std::optional<std::pair<std::string, std::string>> split_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  if (host.find_first_of("[]") != std::string_view::npos) return std::nullopt;
  return std::pair(std::string(host), std::string(text.substr(colon + 1)));
}

Result<Value> strip_port(std::string text) {
  const auto parts = split_port(text);
  return parts ? parts->first : text;
}

Result<Value> strip_domain(std::string text) {
  const auto parts = split_port(text);
  const std::string host = parts ? parts->first : text;
  const bool address =
      host.find(':') != std::string::npos || host.find_first_not_of("0123456789.") == std::string::npos;
  if (address) return text;
  const std::string name = host.substr(0, host.find('.'));
  return parts && !parts->second.empty() ? name + ":" + parts->second : name;
}

const Value* field_of(const Value& sample, std::string_view name) {
  const Map* map = sample.as_object() != nullptr ? &sample.as_object()->fields : sample.as_map();
  const auto at = map == nullptr ? Map::const_iterator() : map->find(name);
  return map == nullptr || at == map->end() ? nullptr : &at->second;
}

std::string label_of(const Value& sample, std::string_view name) {
  const Value* labels = field_of(sample, "Labels");
  const Map* map = labels == nullptr ? nullptr : labels->as_map();
  const auto at = map == nullptr ? Map::const_iterator() : map->find(name);
  return map == nullptr || at == map->end() ? "" : at->second.print();
}

Result<Value> first(Samples samples) {
  if (samples.items.empty()) return fail("first() called on vector with no elements");
  return samples.items.front();
}

Result<Value> value(Value sample) {
  const Value* v = field_of(sample, "Value");
  if (v == nullptr) return tl::make_unexpected(bad_operand(0, "*template.sample", sample));
  return *v;
}

Result<Value> sort_by_label(std::string name, Samples samples) {
  std::stable_sort(samples.items.begin(), samples.items.end(),
                   [&](const Value& a, const Value& b) { return label_of(a, name) < label_of(b, name); });
  return Value(std::move(samples.items));
}

Result<Value> args(std::span<const Value> values) {
  Map map;
  for (std::size_t i = 0; i < values.size(); ++i) map[fmt::format("arg{}", i)] = values[i];
  return Value::any_map(std::move(map));
}

}  // namespace

Value query_result(std::map<std::string, std::string> labels, double value) {
  Map map;
  for (auto& [name, text] : labels) map[name] = std::move(text);
  Value::Object sample;
  sample.type = "*template.sample";
  sample.fields = {{"Labels", Value(std::move(map))}, {"Value", value}};
  return Value(std::move(sample));
}

Functions prometheus_functions() {
  Functions functions = shared_functions();
  functions.merge(Functions{
      {"first", typed("first", first)},
      {"value", typed("value", value)},
      {"label", typed("label", [](std::string name, Value s) -> Result<Value> { return label_of(s, name); })},
      {"strvalue", typed("strvalue", [](Value s) -> Result<Value> { return label_of(s, "__value__"); })},
      {"sortByLabel", typed("sortByLabel", sort_by_label)},
      {"args", args},
      {"humanize", typed("humanize", humanize_1000)},
      {"humanize1024", typed("humanize1024", humanize_1024)},
      {"humanizePercentage", typed("humanizePercentage", humanize_percentage)},
      {"humanizeTimestamp", typed("humanizeTimestamp", humanize_timestamp)},
      {"toTime", typed("toTime", to_time)},
      {"toDuration", typed("toDuration", to_duration)},
      {"parseDuration", typed("parseDuration", parse_duration_text)},
      {"title", typed("title", title)},
      {"stripPort", typed("stripPort", strip_port)},
      {"stripDomain", typed("stripDomain", strip_domain)},
      {"urlQueryEscape", typed("urlQueryEscape", [](std::string s) -> Result<Value> { return query_escape(s); })},
  });
  return functions;
}

}  // namespace tocsin::tmpl
