// Go writes a layout as the reference instant itself ("Mon Jan 2 15:04:05 MST 2006"). The layout is cut into pieces,
// each a piece of that instant or literal text; formatting and parsing both walk those pieces.

#include "agent/core/template/go_time.h"

#include <date/tz.h>

#include <array>

#include "agent/core/labels.h"
#include "agent/core/template/functions.h"

namespace tocsin::tmpl {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"January",   "February", "March",    "April",
                                                      "May",       "June",     "July",     "August",
                                                      "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};

// The pieces of the reference instant, longest first where one begins another.
constexpr std::array<std::string_view, 34> kPieces = {
    "January",   "Jan",   "Monday", "Mon", "MST", "002", "__2",     "01",        "02",    "03",     "04",  "05",
    "06",        "15",    "2006",   "_2",  "PM",  "pm",  "-070000", "-07:00:00", "-0700", "-07:00", "-07", "Z070000",
    "Z07:00:00", "Z0700", "Z07:00", "Z07", "1",   "2",   "3",       "4",         "5",     ""};

struct Piece {
  std::string_view text;  // of the layout
  bool literal = true;
};

bool is_lower(std::string_view rest) {
  return !rest.empty() && rest.front() >= 'a' && rest.front() <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// ".000" or ".999" (or with a comma): how long it is, or 0. The digits must end there.
std::size_t fraction_length(std::string_view rest) {
  if (rest.size() < 2 || (rest[0] != '.' && rest[0] != ',') || (rest[1] != '0' && rest[1] != '9')) return 0;
  std::size_t end = 1;
  while (end < rest.size() && rest[end] == rest[1]) ++end;
  return end < rest.size() && is_digit(rest[end]) ? 0 : end;
}

std::size_t piece_length(std::string_view rest) {
  if (const std::size_t fraction = fraction_length(rest); fraction > 0) return fraction;
  if (rest.starts_with("_2006")) return 0;
  for (const std::string_view piece : kPieces) {
    if (piece.empty() || !rest.starts_with(piece)) continue;
    if ((piece == "Jan" || piece == "Mon") && is_lower(rest.substr(3))) continue;
    return piece.size();
  }
  return 0;
}

// Takes the next piece off the front of `layout`, which is not empty.
Piece take_piece(std::string_view& layout) {
  Piece piece;
  std::size_t length = piece_length(layout);
  piece.literal = length == 0;
  for (length = std::max<std::size_t>(length, 1); piece.literal && length < layout.size(); ++length) {
    if (piece_length(layout.substr(length)) > 0) break;
  }
  piece.text = layout.substr(0, length);
  layout.remove_prefix(length);
  return piece;
}

struct Civil {
  date::year_month_day ymd;
  date::hh_mm_ss<Duration> clock;
  std::chrono::seconds offset{0};
  std::string zone = "UTC";
  unsigned weekday = 0;
  int year_day = 1;
};

Civil civil(const Value::Time& time) {
  Civil c;
  if (time.zone != nullptr) {
    const date::sys_info info = time.zone->get_info(std::chrono::floor<std::chrono::seconds>(time.at));
    c.offset = info.offset;
    c.zone = info.abbrev;
  }
  const auto local = time.at + c.offset;
  const auto day = date::floor<date::days>(local);
  c.ymd = date::year_month_day{date::sys_days{day}};
  c.clock = date::hh_mm_ss<Duration>{local - day};
  c.weekday = date::weekday{date::sys_days{day}}.c_encoding();
  c.year_day = static_cast<int>((day - date::sys_days{c.ymd.year() / 1 / 1}).count()) + 1;
  return c;
}

std::string offset_text(std::chrono::seconds offset, std::string_view piece) {
  if (piece.front() == 'Z' && offset.count() == 0) return "Z";
  const auto seconds = std::abs(offset.count());
  const std::string_view colon = piece.find(':') != std::string_view::npos ? ":" : "";
  std::string out = fmt::format("{}{:02}", offset.count() < 0 ? '-' : '+', seconds / 3600);
  const std::size_t digits = piece.size() - 1 - (colon.empty() ? 0 : piece.size() > 6 ? 2 : 1);
  if (digits >= 4) out += fmt::format("{}{:02}", colon, seconds / 60 % 60);
  if (digits >= 6) out += fmt::format("{}{:02}", colon, seconds % 60);
  return out;
}

std::string fraction_text(const Civil& c, std::string_view piece) {
  std::string digits =
      fmt::format("{:03}000000", c.clock.subseconds().count()).substr(0, std::min<std::size_t>(piece.size() - 1, 9));
  if (piece[1] == '9') {
    while (digits.ends_with('0')) digits.pop_back();
    if (digits.empty()) return "";
  }
  return piece.front() + digits;
}

std::string piece_text(const Civil& c, std::string_view p) {
  const auto month = static_cast<unsigned>(c.ymd.month());
  const auto day = static_cast<unsigned>(c.ymd.day());
  const auto hour = c.clock.hours().count(), hour12 = hour % 12 == 0 ? 12 : hour % 12;
  const int year = static_cast<int>(c.ymd.year());
  if (p.front() == '.' || p.front() == ',') return fraction_text(c, p);
  if (p.front() == '-' || p.front() == 'Z') return offset_text(c.offset, p);
  if (p == "January") return std::string(kMonths[month - 1]);
  if (p == "Jan") return std::string(kMonths[month - 1].substr(0, 3));
  if (p == "Monday") return std::string(kDays[c.weekday]);
  if (p == "Mon") return std::string(kDays[c.weekday].substr(0, 3));
  if (p == "MST") return c.zone;
  if (p == "002") return fmt::format("{:03}", c.year_day);
  if (p == "__2") return fmt::format("{:3}", c.year_day);
  if (p == "01") return fmt::format("{:02}", month);
  if (p == "02") return fmt::format("{:02}", day);
  if (p == "_2") return fmt::format("{:2}", day);
  if (p == "03") return fmt::format("{:02}", hour12);
  if (p == "04") return fmt::format("{:02}", c.clock.minutes().count());
  if (p == "05") return fmt::format("{:02}", c.clock.seconds().count());
  if (p == "06") return fmt::format("{:02}", year % 100);
  if (p == "15") return fmt::format("{:02}", hour);
  if (p == "2006") return fmt::format("{:04}", year);
  if (p == "PM") return hour >= 12 ? "PM" : "AM";
  if (p == "pm") return hour >= 12 ? "pm" : "am";
  if (p == "1") return fmt::format("{}", month);
  if (p == "2") return fmt::format("{}", day);
  if (p == "3") return fmt::format("{}", hour12);
  if (p == "4") return fmt::format("{}", c.clock.minutes().count());
  return fmt::format("{}", c.clock.seconds().count());  // "5"
}

}  // namespace

std::int64_t go_nanoseconds(Duration duration) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 1'000'000;
  return std::clamp<std::int64_t>(duration.count(), -kMost, kMost) * 1'000'000;
}

std::string go_string(Duration duration) {
  const std::int64_t ms = duration.count();
  const auto magnitude = ms < 0 ? 0 - static_cast<std::uint64_t>(ms) : static_cast<std::uint64_t>(ms);
  if (magnitude == 0) return "0s";
  std::string out = ms < 0 ? "-" : "";
  if (magnitude < 1000) return out + fmt::format("{}ms", magnitude);
  const std::uint64_t seconds = magnitude / 1000;
  if (seconds >= 3600) out += fmt::format("{}h", seconds / 3600);
  if (seconds >= 60) out += fmt::format("{}m", seconds / 60 % 60);
  std::string fraction = fmt::format("{:03}", magnitude % 1000);
  while (fraction.ends_with('0')) fraction.pop_back();
  return out + fmt::format("{}{}{}s", seconds % 60, fraction.empty() ? "" : ".", fraction);
}

std::string go_string(const Value::Time& time) {
  return format_time(time, "2006-01-02 15:04:05.999999999 -0700 MST");
}

std::string format_time(const Value::Time& time, std::string_view layout) {
  const Civil c = civil(time);
  std::string out;
  while (!layout.empty()) {
    const Piece piece = take_piece(layout);
    out += piece.literal ? std::string(piece.text) : piece_text(c, piece.text);
  }
  return out;
}

Result<const date::time_zone*> find_zone(std::string_view name) {
  if (name.empty() || name == "UTC") return nullptr;
  try {
    return name == "Local" ? date::current_zone() : date::locate_zone(std::string(name));
  } catch (const std::runtime_error&) {
    return fail("unknown time zone {}", name);
  }
}

namespace {

// What parse_time() has read so far.
struct Parsed {
  int year = 1, month = 1, day = 1, hour = 0, minute = 0, second = 0, ms = 0, offset = 0;
  int afternoon = -1;
};

class TimeParser {
 public:
  explicit TimeParser(std::string_view text) : rest_(text) {}

  bool piece(const Piece& p) {
    if (p.literal) return take(p.text);
    const std::string_view t = p.text;
    if (t.front() == '.' || t.front() == ',') return fraction(t[1] == '9');
    if (t.front() == '-' || t.front() == 'Z') return offset(t);
    if (t == "January" || t == "Jan") return name(kMonths, t.size() == 3, out.month) && ++out.month > 0;
    if (t == "Monday" || t == "Mon") {
      int ignored = 0;
      return name(kDays, t.size() == 3, ignored);
    }
    if (t == "MST") return take("UTC") || take("GMT");
    if (t == "PM" || t == "pm") {
      const bool after = take(t == "PM" ? "PM" : "pm");
      out.afternoon = after ? 1 : 0;
      return after || take(t == "PM" ? "AM" : "am");
    }
    if (t == "2006") return number(4, 4, 0, 9999, out.year);
    if (t == "06") return number(2, 2, 0, 99, out.year) && (out.year += out.year >= 69 ? 1900 : 2000) > 0;
    if (t == "01" || t == "1") return number(t.size(), 2, 1, 12, out.month);
    if (t == "02" || t == "2") return number(t.size(), 2, 1, 31, out.day);
    if (t == "_2") return (take(" "), number(1, 2, 1, 31, out.day));
    if (t == "15") return number(2, 2, 0, 23, out.hour);
    if (t == "03" || t == "3") return number(t.size(), 2, 1, 12, out.hour);
    if (t == "04" || t == "4") return number(t.size(), 2, 0, 59, out.minute);
    if (t == "05" || t == "5") {
      // A fraction may follow the seconds even when the layout has none.
      return number(t.size(), 2, 0, 59, out.second) && (fraction_length_ahead() == 0 || fraction(false));
    }
    return false;
  }
  bool done() const { return rest_.empty(); }

  Parsed out;

 private:
  bool take(std::string_view literal) {
    if (!rest_.starts_with(literal)) return false;
    rest_.remove_prefix(literal.size());
    return true;
  }
  bool number(std::size_t least_digits, std::size_t most_digits, int least, int most, int& value) {
    std::size_t n = 0;
    int v = 0;
    for (; n < most_digits && n < rest_.size() && is_digit(rest_[n]); ++n) v = v * 10 + (rest_[n] - '0');
    if (n < least_digits || v < least || v > most) return false;
    rest_.remove_prefix(n);
    value = v;
    return true;
  }
  template <std::size_t N>
  bool name(const std::array<std::string_view, N>& names, bool is_short, int& index) {
    for (std::size_t i = 0; i < N; ++i) {
      if (!take(is_short ? names[i].substr(0, 3) : names[i])) continue;
      index = static_cast<int>(i);
      return true;
    }
    return false;
  }
  std::size_t fraction_length_ahead() const {
    return rest_.size() > 1 && (rest_[0] == '.' || rest_[0] == ',') && is_digit(rest_[1]) ? 1 : 0;
  }
  bool fraction(bool optional) {
    if (fraction_length_ahead() == 0) return optional;
    rest_.remove_prefix(1);
    int scale = 100;
    for (; !rest_.empty() && is_digit(rest_.front()); rest_.remove_prefix(1), scale /= 10)
      out.ms += (rest_.front() - '0') * scale;
    return true;
  }
  bool offset(std::string_view layout) {
    if (layout.front() == 'Z' && take("Z")) return true;
    const bool minus = rest_.starts_with('-');
    if (!minus && !rest_.starts_with('+')) return false;
    rest_.remove_prefix(1);
    int hours = 0, minutes = 0;
    if (!number(2, 2, 0, 24, hours)) return false;
    if (layout.size() > 3) {
      if (layout.find(':') != std::string_view::npos && !take(":")) return false;
      if (!number(2, 2, 0, 59, minutes)) return false;
    }
    out.offset = (hours * 60 + minutes) * (minus ? -60 : 60);
    return true;
  }

  std::string_view rest_;
};

}  // namespace

Result<Value::Time> parse_time(std::string_view layout, std::string_view text) {
  TimeParser parser(text);
  for (std::string_view rest = layout; !rest.empty();) {
    const Piece piece = take_piece(rest);
    if (!parser.piece(piece)) {
      return fail("parsing time {} as {}: cannot parse it as {}", quoted(text), quoted(layout), quoted(piece.text));
    }
  }
  if (!parser.done()) return fail("parsing time {}: extra text at its end", quoted(text));
  Parsed& p = parser.out;
  if (p.afternoon == 1 && p.hour < 12) p.hour += 12;
  if (p.afternoon == 0 && p.hour == 12) p.hour = 0;
  const date::year_month_day ymd{date::year{p.year}, date::month{static_cast<unsigned>(p.month)},
                                 date::day{static_cast<unsigned>(p.day)}};
  if (!ymd.ok()) return fail("parsing time {}: day out of range", quoted(text));
  return Value::Time{TimePoint{date::sys_days{ymd}.time_since_epoch()} + std::chrono::hours{p.hour} +
                     std::chrono::minutes{p.minute} + std::chrono::seconds{p.second} + Duration{p.ms} -
                     std::chrono::seconds{p.offset}};
}

namespace {

Duration from_nanoseconds(std::int64_t ns) {
  return Duration{ns / 1'000'000};
}

Function time_method(const Value::Time& t, std::string_view name) {
  const Civil c = civil(t);
  const auto number = [&](auto n) {
    return typed(name, [v = static_cast<std::int64_t>(n)]() -> Result<Value> { return v; });
  };
  const auto ms = t.at.time_since_epoch().count();
  if (name == "Unix") return number(std::chrono::floor<std::chrono::seconds>(t.at).time_since_epoch().count());
  if (name == "UnixMilli") return number(ms);
  if (name == "UnixNano") return number(go_nanoseconds(t.at.time_since_epoch()));
  if (name == "Year") return number(static_cast<int>(c.ymd.year()));
  if (name == "Day") return number(static_cast<unsigned>(c.ymd.day()));
  if (name == "Hour") return number(c.clock.hours().count());
  if (name == "Minute") return number(c.clock.minutes().count());
  if (name == "Second") return number(c.clock.seconds().count());
  if (name == "YearDay") return number(c.year_day);
  if (name == "Month" || name == "Weekday" || name == "String") {
    const std::string text = name == "Month"     ? std::string(kMonths[static_cast<unsigned>(c.ymd.month()) - 1])
                             : name == "Weekday" ? std::string(kDays[c.weekday])
                                                 : go_string(t);
    return typed(name, [text]() -> Result<Value> { return text; });
  }
  if (name == "IsZero") return typed(name, [t]() -> Result<Value> { return t.at == kZeroTime; });
  if (name == "UTC") return typed(name, [t]() -> Result<Value> { return Value::Time{t.at}; });
  if (name == "Local") {
    return typed(name, [t]() -> Result<Value> { return Value::Time{t.at, find_zone("Local").value_or(nullptr)}; });
  }
  if (name == "Format") return typed(name, [t](std::string layout) -> Result<Value> { return format_time(t, layout); });
  if (name == "Add") {
    return typed(name, [t](Duration d) -> Result<Value> { return Value::Time{t.at + d, t.zone}; });
  }
  if (name == "Sub") return typed(name, [t](Value::Time u) -> Result<Value> { return Duration{t.at - u.at}; });
  if (name == "Before") return typed(name, [t](Value::Time u) -> Result<Value> { return t.at < u.at; });
  if (name == "After") return typed(name, [t](Value::Time u) -> Result<Value> { return t.at > u.at; });
  if (name == "Equal") return typed(name, [t](Value::Time u) -> Result<Value> { return t.at == u.at; });
  return nullptr;
}

Function duration_method(Duration d, std::string_view name) {
  const auto number = [&](auto v) { return typed(name, [v]() -> Result<Value> { return v; }); };
  if (name == "Hours") return number(to_seconds(d) / 3600);
  if (name == "Minutes") return number(to_seconds(d) / 60);
  if (name == "Seconds") return number(to_seconds(d));
  if (name == "Milliseconds") return number(std::int64_t{d.count()});
  if (name == "Microseconds") return number(go_nanoseconds(d) / 1000);
  if (name == "Nanoseconds") return number(go_nanoseconds(d));
  if (name == "String") return typed(name, [d]() -> Result<Value> { return go_string(d); });
  if (name == "Abs") return typed(name, [d]() -> Result<Value> { return std::chrono::abs(d); });
  if (name == "Truncate" || name == "Round") {
    const bool round = name == "Round";
    return typed(name, [d, round](Duration unit) -> Result<Value> {
      if (unit.count() <= 0) return d;
      const Duration half = round ? (d.count() < 0 ? -unit / 2 : unit / 2) : Duration{0};
      return Duration{(d + half).count() / unit.count() * unit.count()};
    });
  }
  return nullptr;
}

}  // namespace

std::optional<Result<Value>> call_time_method(const Value& receiver, std::string_view name,
                                              std::span<const Value> args) {
  Function method;
  if (const auto* t = receiver.as_time()) method = time_method(*t, name);
  if (const auto* d = receiver.as_duration()) method = duration_method(*d, name);
  if (!method) return std::nullopt;
  return method(args);
}

std::optional<Duration> duration_of(const Value& value) {
  if (const auto* d = value.as_duration()) return *d;
  if (const auto* i = value.as_int()) return from_nanoseconds(*i);
  if (const auto* f = value.as_float(); f != nullptr && std::abs(*f) < 9e18)
    return from_nanoseconds(static_cast<std::int64_t>(*f));
  return std::nullopt;
}

}  // namespace tocsin::tmpl
