// Alertmanager's time intervals (timeinterval/). The instant is turned into the local calendar first, with the zone's
// own rules, so an interval means what the clock on the wall says, also on the days on which that is put forward or
// back.

#include "notifiers/time_interval.h"

#include <date/date.h>
#include <date/tz.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace tocsin {
namespace {

struct KindText {
  std::string_view type;
  std::string_view wrong;  // what it should have been
  int least;
  int most;
};
constexpr std::array kKinds{
    KindText{"weekday or range of weekdays", "a weekday or a range of them like \"monday:friday\"", 0, 6},
    KindText{"day of the month or range", "a day of the month or a range like \"1:7\"; -1 is the last day", -31, 31},
    KindText{"month or range of months", "a month or a range like \"march:may\" or \"3:5\"", 1, 12},
    KindText{"year or range of years", "a year or a range like \"2026:2028\"", 0, 9999},
};
constexpr std::array<std::string_view, 7> kWeekdays{"sunday",   "monday", "tuesday", "wednesday",
                                                    "thursday", "friday", "saturday"};
constexpr std::array<std::string_view, 12> kMonths{"january",   "february", "march",    "april",
                                                   "may",       "june",     "july",     "august",
                                                   "september", "october",  "november", "december"};

const KindText& text_of(RangeKind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <std::size_t n>
std::optional<int> place(const std::array<std::string_view, n>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<int>(found - names.begin());
}

std::optional<int> read_end(RangeKind kind, std::string_view text) {
  std::optional<int> value;
  if (kind == RangeKind::kWeekday) {
    value = place(kWeekdays, text);
  } else if (kind == RangeKind::kMonth) {
    value = place(kMonths, text);
    value = value ? *value + 1 : number(text);
  } else {
    value = number(text);
  }
  const KindText& k = text_of(kind);
  if (!value || *value < k.least || *value > k.most) return std::nullopt;
  if (kind == RangeKind::kDayOfMonth && *value == 0) return std::nullopt;
  return value;
}

std::string end_text(RangeKind kind, int value) {
  if (kind == RangeKind::kWeekday) return std::string(kWeekdays[static_cast<std::size_t>(value)]);
  if (kind == RangeKind::kMonth) return std::string(kMonths[static_cast<std::size_t>(value - 1)]);
  return std::to_string(value);
}

const std::string* text_in(const ConfigNode& node) {
  if (node.as_string() != nullptr) return node.as_string();
  return node.plain.empty() ? nullptr : &node.plain;
}

bool read_range(RangeKind kind, const ConfigNode& node, int& first, int& last, Diagnostics& diagnostics) {
  const auto* whole = std::get_if<std::int64_t>(&node.value);  // years = [2026]
  const std::string* given = text_in(node);
  if (given == nullptr && whole == nullptr) {
    return config_detail::wrong_kind(node, text_of(kind).type, diagnostics);
  }
  std::string text = given != nullptr ? *given : std::to_string(*whole);
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  const std::size_t colon = text.find(':');
  const auto from = read_end(kind, std::string_view(text).substr(0, colon));
  const auto to = colon == text.npos ? from : read_end(kind, std::string_view(text).substr(colon + 1));
  std::string mistake;
  if (!from || !to) {
    mistake = fmt::format("{} is not {}.", tocsin::quoted(text), text_of(kind).wrong);
  } else if (*from < 0 && *to > 0) {
    mistake = fmt::format("{} begins counted from the end of the month, so its end must be negative too.",
                          tocsin::quoted(text));
  } else if ((*from < 0) == (*to < 0) && *from > *to) {
    mistake = fmt::format("{} ends before it begins; write two ranges instead.", tocsin::quoted(text));
  }
  if (!mistake.empty()) {
    diagnostics.add(node.at, std::move(mistake));
    return false;
  }
  first = *from;
  last = *to;
  return true;
}

template <RangeKind kind>
bool inside(const std::vector<CalendarRange<kind>>& ranges, int value) {
  return ranges.empty() || std::any_of(ranges.begin(), ranges.end(),
                                       [value](const auto& r) { return value >= r.first && value <= r.last; });
}

bool inside_month(const std::vector<CalendarRange<RangeKind::kDayOfMonth>>& ranges, int day, int days) {
  const auto holds = [day, days](const auto& r) {
    const int first = r.first < 0 ? days + r.first + 1 : r.first;
    const int last = r.last < 0 ? days + r.last + 1 : r.last;
    return day >= first && day <= last;
  };
  return ranges.empty() || std::any_of(ranges.begin(), ranges.end(), holds);
}

}  // namespace

template <RangeKind kind>
bool Codec<CalendarRange<kind>>::read(const ConfigNode& node, CalendarRange<kind>& value, Diagnostics& diagnostics) {
  return read_range(kind, node, value.first, value.last, diagnostics);
}
template <RangeKind kind>
ConfigNode Codec<CalendarRange<kind>>::write(const CalendarRange<kind>& value) {
  std::string text = end_text(kind, value.first);
  if (value.first != value.last) text += ":" + end_text(kind, value.last);
  return {std::move(text), {}};
}
template <RangeKind kind>
std::string Codec<CalendarRange<kind>>::type() {
  return std::string(text_of(kind).type);
}
template struct Codec<CalendarRange<RangeKind::kWeekday>>;
template struct Codec<CalendarRange<RangeKind::kDayOfMonth>>;
template struct Codec<CalendarRange<RangeKind::kMonth>>;
template struct Codec<CalendarRange<RangeKind::kYear>>;

bool Codec<ClockTime>::read(const ConfigNode& node, ClockTime& value, Diagnostics& diagnostics) {
  const std::string* text = text_in(node);
  if (text == nullptr) return config_detail::wrong_kind(node, "time of day in quotes (like \"09:00\")", diagnostics);
  const bool shape = text->size() == 5 && (*text)[2] == ':';
  const auto hours = shape ? number(std::string_view(*text).substr(0, 2)) : std::nullopt;
  const auto minutes = shape ? number(std::string_view(*text).substr(3)) : std::nullopt;
  if (!hours || !minutes || *hours < 0 || *minutes < 0 || *minutes > 59 || *hours * 60 + *minutes > 24 * 60) {
    diagnostics.add(node.at,
                    fmt::format("{} is not a time of day between \"00:00\" and \"24:00\".", tocsin::quoted(*text)));
    return false;
  }
  value.minutes = *hours * 60 + *minutes;
  return true;
}
ConfigNode Codec<ClockTime>::write(const ClockTime& value) {
  return {fmt::format("{:02}:{:02}", value.minutes / 60, value.minutes % 60), {}};
}

bool Codec<ZoneName>::read(const ConfigNode& node, ZoneName& value, Diagnostics& diagnostics) {
  const std::string* text = node.as_string();
  if (text == nullptr) return config_detail::wrong_kind(node, "name of a time zone", diagnostics);
  try {
    value = {*text, *text == "Local" ? date::current_zone() : date::locate_zone(text->empty() ? "UTC" : *text)};
  } catch (const std::runtime_error&) {
    diagnostics.add(node.at, fmt::format("There is no time zone {}; its name is one of IANA's, like \"Europe/Berlin\".",
                                         tocsin::quoted(*text)));
    return false;
  }
  return true;
}

void TimesOfDay::fields(Fields& f) {
  f("start_time", start_time, "The first minute inside.").required();
  f("end_time", end_time, "The first minute outside; \"24:00\" is the end of the day.").required();
  if (f.reading() && f.node()->find("start_time") != nullptr && f.node()->find("end_time") != nullptr &&
      start_time.minutes >= end_time.minutes) {
    f.mistake_at("end_time", "\"end_time\" must be later than \"start_time\"; past midnight, write two ranges.");
  }
}

void TimeInterval::fields(Fields& f) {
  f("times", times, "Times of the day: tables with start_time and end_time.");
  f("weekdays", weekdays, "Days of the week, or ranges of them.");
  f("days_of_month", days_of_month, "Days of the month, or ranges; below zero they count from its end.");
  f("months", months, "Months, by name or number, or ranges of them.");
  f("years", years, "Years, or ranges of them.");
  f("location", location, "The time zone of the clock on the wall: an IANA name, or Local.");
}

void NamedTimeInterval::fields(Fields& f) {
  if (f.node() != nullptr) at = f.node()->at;
  f("name", name, "What routes call it.")
      .required()
      .check([](const std::string& text) { return !text.empty(); }, "must not be empty");
  f("time_intervals", time_intervals, "When it holds: when one of these does.");
}

bool TimeInterval::contains(TimePoint now) const {
  using namespace std::chrono_literals;
  Duration wall = now.time_since_epoch();
  if (location.zone != nullptr) wall = location.zone->to_local(now).time_since_epoch();
  const date::local_time<Duration> local{wall};
  const auto midnight = date::floor<date::days>(local);
  const date::year_month_day day(midnight);
  const int minutes = static_cast<int>((local - midnight) / 1min);
  const auto last_day = date::year_month_day_last(day.year(), date::month_day_last(day.month())).day();
  const bool in_times = times.empty() || std::any_of(times.begin(), times.end(), [minutes](const TimesOfDay& t) {
                          return minutes >= t.start_time.minutes && minutes < t.end_time.minutes;
                        });
  return in_times && inside(weekdays, static_cast<int>(date::weekday(midnight).c_encoding())) &&
         inside_month(days_of_month, static_cast<int>(unsigned(day.day())), static_cast<int>(unsigned(last_day))) &&
         inside(months, static_cast<int>(unsigned(day.month()))) && inside(years, int(day.year()));
}

bool NamedTimeInterval::contains(TimePoint now) const {
  return std::any_of(time_intervals.begin(), time_intervals.end(),
                     [now](const TimeInterval& interval) { return interval.contains(now); });
}

}  // namespace tocsin
