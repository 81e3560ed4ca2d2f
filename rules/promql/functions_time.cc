// The calendar, in UTC.

#include <date/date.h>

#include "rules/promql/functions.h"

namespace tocsin::promql::kernel {
namespace {

std::int64_t day_number(std::int64_t t) {
  return t >= 0 ? t / 86400 : -((-t + 86399) / 86400);
}

/// Years outside of what the calendar library counts in are brought to its edge.
date::year_month_day civil(std::int64_t t) {
  constexpr std::int64_t kEdge = 11'000'000;  // days: about 30,000 years
  const std::int64_t days = std::clamp(day_number(t), -kEdge, kEdge);
  return date::year_month_day{date::sys_days{date::days{days}}};
}
std::int64_t second_of_day(std::int64_t t) {
  return t - day_number(t) * 86400;
}

}  // namespace

double day_of_month(std::int64_t t) {
  return static_cast<unsigned>(civil(t).day());
}
double day_of_week(std::int64_t t) {
  return static_cast<double>(((day_number(t) + 4) % 7 + 7) % 7);
}
double day_of_year(std::int64_t t) {
  const auto day = civil(t);
  const auto new_year = date::sys_days{day.year() / 1 / 1};
  return static_cast<double>((date::sys_days{day} - new_year).count() + 1);
}
double days_in_month(std::int64_t t) {
  const auto day = civil(t);
  return static_cast<unsigned>((day.year() / day.month() / date::last).day());
}
double hour(std::int64_t t) {
  return static_cast<double>(second_of_day(t) / 3600);
}
double minute(std::int64_t t) {
  return static_cast<double>(second_of_day(t) / 60 % 60);
}
double month(std::int64_t t) {
  return static_cast<unsigned>(civil(t).month());
}
double year(std::int64_t t) {
  return static_cast<int>(civil(t).year());
}

}  // namespace tocsin::promql::kernel
