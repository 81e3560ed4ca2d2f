#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/core/config/fields.h"

namespace date {
class time_zone;
}

namespace tocsin {

/// Kinds of ranges in a time interval, each written as text: "monday:friday", "-3:-1", "march", "2026:2028".
enum class RangeKind { kWeekday, kDayOfMonth, kMonth, kYear };

/// First and last, both inside. Weekdays count from Sunday = 0, months from January = 1; days of the month below zero
/// count from its end, -1 being the last.
template <RangeKind kind>
struct CalendarRange {
  int first = 0;
  int last = 0;
};

/// "09:00" to "24:00", in minutes.
struct ClockTime {
  int minutes = 0;
};

/// From start_time to just before end_time of one day.
struct TimesOfDay {
  ClockTime start_time;
  ClockTime end_time;
  void fields(Fields& f);
};

template <RangeKind kind>
struct Codec<CalendarRange<kind>> {
  static bool read(const ConfigNode& node, CalendarRange<kind>& value, Diagnostics& diagnostics);
  static ConfigNode write(const CalendarRange<kind>& value);
  static std::string type();
};
template <>
struct Codec<ClockTime> {
  static bool read(const ConfigNode& node, ClockTime& value, Diagnostics& diagnostics);
  static ConfigNode write(const ClockTime& value);
  static std::string type() { return "time of day"; }
};

/// A time zone by its IANA name.
struct ZoneName {
  std::string name = "UTC";
  const date::time_zone* zone = nullptr;  // null: UTC
};
template <>
struct Codec<ZoneName> {
  static bool read(const ConfigNode& node, ZoneName& value, Diagnostics& diagnostics);
  static ConfigNode write(const ZoneName& value) { return {value.name, {}}; }
  static std::string type() { return "time zone"; }
};

/// Alertmanager's time interval: every field that is given must hold, of a field's list one.
struct TimeInterval {
  std::vector<TimesOfDay> times;
  std::vector<CalendarRange<RangeKind::kWeekday>> weekdays;
  std::vector<CalendarRange<RangeKind::kDayOfMonth>> days_of_month;
  std::vector<CalendarRange<RangeKind::kMonth>> months;
  std::vector<CalendarRange<RangeKind::kYear>> years;
  ZoneName location;
  void fields(Fields& f);

  /// By the clock on the wall at `location`.
  bool contains(TimePoint now) const;
};

/// [[time_interval]]: several under one name, of which one must hold.
struct NamedTimeInterval {
  std::string name;
  std::vector<TimeInterval> time_intervals;
  Position at;
  void fields(Fields& f);

  bool contains(TimePoint now) const;
};

}  // namespace tocsin
