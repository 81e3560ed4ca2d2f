#include "agent/core/time.h"

#include <date/date.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

namespace tocsin {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t ms;
  bool only_when_whole;  // used in output only if it divides the whole
};
constexpr std::int64_t kDay = 24LL * 60 * 60 * 1000;
constexpr std::array<Unit, 7> kUnits{{{"y", 365 * kDay, true},
                                      {"w", 7 * kDay, true},
                                      {"d", kDay, false},
                                      {"h", 60LL * 60 * 1000, false},
                                      {"m", 60LL * 1000, false},
                                      {"s", 1000, false},
                                      {"ms", 1, false}}};
// Go keeps durations in nanoseconds; the longest is a little over 292 years.
constexpr std::int64_t kMaxMs = std::numeric_limits<std::int64_t>::max() / 1'000'000;

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration{0};
  if (text.empty()) return fail("empty duration string");
  const auto bad = [&] { return fail("not a valid duration string: \"{}\" (like 30s, 5m or 1h30m)", text); };
  std::int64_t total = 0;
  std::size_t unit = 0;
  for (std::string_view rest = text; !rest.empty();) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc() || rest.front() == '-') return bad();
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const std::size_t letters = std::min(rest.find_first_of("0123456789"), rest.size());
    const std::string_view name = rest.substr(0, letters);
    rest.remove_prefix(letters);
    while (unit < kUnits.size() && kUnits[unit].name != name) ++unit;
    if (unit == kUnits.size()) return bad();
    if (number > (kMaxMs - total) / kUnits[unit].ms) return fail("duration out of range: \"{}\"", text);
    total += number * kUnits[unit].ms;
    ++unit;
  }
  return Duration{total};
}

std::string format_duration(Duration duration) {
  std::int64_t ms = duration.count();
  if (ms == 0) return "0s";
  std::string out;
  if (ms < 0) {
    out = "-";
    ms = -ms;
  }
  for (const Unit& unit : kUnits) {
    if (unit.only_when_whole && ms % unit.ms != 0) continue;
    if (const std::int64_t n = ms / unit.ms; n > 0) {
      out += fmt::format("{}{}", n, unit.name);
      ms -= n * unit.ms;
    }
  }
  return out;
}

std::string format_rfc3339(TimePoint time) {
  const auto day = date::floor<date::days>(time);
  const date::year_month_day ymd{date::sys_days{day}};
  const date::hh_mm_ss<Duration> clock{time - day};
  std::string fraction;
  if (const auto ms = clock.subseconds().count(); ms != 0) {
    fraction = fmt::format(".{:03}", ms);
    while (fraction.back() == '0') fraction.pop_back();
  }
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", static_cast<int>(ymd.year()),
                     static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), fraction);
}

Result<TimePoint> parse_rfc3339(std::string_view text) {
  const auto bad = [&] { return fail("not a time in RFC 3339: \"{}\" (like 2026-01-31T23:59:59Z)", text); };
  const auto number = [&](std::size_t at, std::size_t digits, int least, int most) -> int {
    int value = 0;
    if (at + digits > text.size()) return -1;
    for (std::size_t i = at; i < at + digits; ++i) {
      if (text[i] < '0' || text[i] > '9') return -1;
      value = value * 10 + (text[i] - '0');
    }
    return value < least || value > most ? -1 : value;
  };
  const auto is = [&](std::size_t at, std::string_view one_of) {
    return at < text.size() && one_of.find(text[at]) != std::string_view::npos;
  };
  const int year = number(0, 4, 0, 9999), month = number(5, 2, 1, 12), day = number(8, 2, 1, 31);
  const int hour = number(11, 2, 0, 23), minute = number(14, 2, 0, 59), second = number(17, 2, 0, 60);
  if (year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 || second < 0 || !is(4, "-") || !is(7, "-") ||
      !is(10, "Tt ") || !is(13, ":") || !is(16, ":")) {
    return bad();
  }
  const date::year_month_day ymd{date::year{year}, date::month{static_cast<unsigned>(month)},
                                 date::day{static_cast<unsigned>(day)}};
  if (!ymd.ok()) return bad();
  std::size_t at = 19;
  std::int64_t ms = 0;
  if (is(at, ".")) {
    ++at;
    const std::size_t first = at;
    for (std::int64_t scale = 100; is(at, "0123456789"); ++at, scale /= 10) ms += (text[at] - '0') * scale;
    if (at == first) return bad();
  }
  std::chrono::minutes offset{0};
  if (is(at, "+-")) {
    const int h = number(at + 1, 2, 0, 23), m = number(at + 4, 2, 0, 59);
    if (h < 0 || m < 0 || !is(at + 3, ":")) return bad();
    offset = std::chrono::minutes{h * 60 + m} * (text[at] == '-' ? -1 : 1);
    at += 6;
  } else if (is(at, "Zz")) {
    ++at;
  } else {
    return bad();
  }
  if (at != text.size()) return bad();
  return TimePoint{date::sys_days{ymd}.time_since_epoch()} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
         std::chrono::seconds{second} + Duration{ms} - offset;
}

namespace {

std::int64_t rounded_ms(double seconds) {
  constexpr double kLimit = 9.2e18;
  const double ms = seconds * 1000;
  if (std::isnan(ms)) return 0;
  return ms >= kLimit    ? std::numeric_limits<std::int64_t>::max()
         : ms <= -kLimit ? std::numeric_limits<std::int64_t>::min()
                         : static_cast<std::int64_t>(std::llround(ms));
}

}  // namespace

double to_seconds(TimePoint time) {
  return to_seconds(time.time_since_epoch());
}
double to_seconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1000;
}
TimePoint time_from_seconds(double seconds) {
  return TimePoint{Duration{rounded_ms(seconds)}};
}
Duration duration_from_seconds(double seconds) {
  return Duration{rounded_ms(seconds)};
}

}  // namespace tocsin
