#include "notifiers/time_interval.h"

#include <gmock/gmock.h>

namespace tocsin {
namespace {

using ::testing::HasSubstr;

struct Row {
  const char* interval;  // TOML of one interval
  const char* time;
  bool inside;
};

TEST(TimeInterval, SaysWhatTheClockOnTheWallSays) {
  const Row rows[] = {
      {"", "2026-11-24T12:00:00Z", true},
      {"times = [{ start_time = '09:00', end_time = '17:00' }]", "2026-11-24T09:00:00Z", true},
      {"times = [{ start_time = '09:00', end_time = '17:00' }]", "2026-11-24T16:59:59.999Z", true},
      {"times = [{ start_time = '09:00', end_time = '17:00' }]", "2026-11-24T17:00:00Z", false},
      {"times = [{ start_time = '22:00', end_time = '24:00' }]", "2026-11-24T23:59:59Z", true},
      {"weekdays = ['monday:friday']", "2026-11-28T12:00:00Z", false},
      {"weekdays = ['Saturday', 'sunday']", "2026-11-28T12:00:00Z", true},
      {"days_of_month = ['1:7']", "2026-11-07T12:00:00Z", true},
      {"days_of_month = ['1:7']", "2026-11-08T12:00:00Z", false},
      {"days_of_month = ['-1']", "2026-02-28T12:00:00Z", true},
      {"days_of_month = ['-1']", "2028-02-28T12:00:00Z", false},
      {"days_of_month = ['-3:-1']", "2026-04-28T00:00:00Z", true},
      {"days_of_month = ['30:31']", "2026-02-28T12:00:00Z", false},
      {"days_of_month = ['25:-1']", "2026-02-28T12:00:00Z", true},
      {"months = ['march:may', '12']", "2026-04-01T00:00:00Z", true},
      {"months = ['march:may', '12']", "2026-06-01T00:00:00Z", false},
      {"months = ['march:may', '12']", "2026-12-01T00:00:00Z", true},
      {"years = ['2020:2025', 2027]", "2026-06-01T00:00:00Z", false},
      {"years = ['2020:2025', 2027]", "2027-06-01T00:00:00Z", true},
      {"weekdays = ['friday']\nmonths = ['may']", "2026-05-02T00:00:00Z", false},
      // Berlin is ahead of UTC by one hour in winter and by two in summer; the clock is put forward on 2026-03-29.
      {"location = 'Europe/Berlin'\ntimes = [{ start_time = '09:00', end_time = '10:00' }]", "2026-03-28T08:00:00Z",
       true},
      {"location = 'Europe/Berlin'\ntimes = [{ start_time = '09:00', end_time = '10:00' }]", "2026-03-29T08:00:00Z",
       false},
      {"location = 'Europe/Berlin'\ntimes = [{ start_time = '09:00', end_time = '10:00' }]", "2026-03-29T07:00:00Z",
       true},
      // The hour that is not there, and the one that comes twice (2026-10-25).
      {"location = 'Europe/Berlin'\ntimes = [{ start_time = '02:00', end_time = '03:00' }]", "2026-03-29T01:00:00Z",
       false},
      {"location = 'Europe/Berlin'\ntimes = [{ start_time = '02:00', end_time = '03:00' }]", "2026-10-25T00:30:00Z",
       true},
      {"location = 'Europe/Berlin'\ntimes = [{ start_time = '02:00', end_time = '03:00' }]", "2026-10-25T01:30:00Z",
       true},
      {"location = 'Pacific/Auckland'\nweekdays = ['wednesday']", "2026-11-24T12:00:00Z", true},
  };
  for (const Row& row : rows) {
    Diagnostics diagnostics;
    TimeInterval interval;
    read_config(parse_toml(row.interval, "t", diagnostics), interval, diagnostics);
    EXPECT_EQ(diagnostics.str(), "") << row.interval;
    EXPECT_EQ(interval.contains(*parse_rfc3339(row.time)), row.inside) << row.interval << " at " << row.time;
  }
}

TEST(TimeInterval, MistakesAreToldWithTheirPlace) {
  const std::pair<const char*, const char*> rows[] = {
      {"weekdays = ['freitag']", "t:1:13: \"freitag\" is not a weekday"},
      {"weekdays = ['saturday:sunday']", "ends before it begins"},
      {"days_of_month = ['0']", "is not a day of the month"},
      {"days_of_month = ['-3:3']", "must be negative too"},
      {"months = ['13']", "is not a month"},
      {"years = ['soon']", "is not a year"},
      {"times = [{ start_time = '9:00', end_time = '17:00' }]", "is not a time of day"},
      {"times = [{ start_time = '17:00', end_time = '09:00' }]", "must be later than"},
      {"times = [{ start_time = '09:00' }]", "\"end_time\" is missing"},
      {"location = 'Europe/Berlim'", "There is no time zone"},
  };
  for (const auto& [toml, message] : rows) {
    Diagnostics diagnostics;
    TimeInterval interval;
    read_config(parse_toml(toml, "t", diagnostics), interval, diagnostics);
    EXPECT_THAT(diagnostics.str(), HasSubstr(message)) << toml;
  }
}

}  // namespace
}  // namespace tocsin
