#include "agent/core/time.h"

#include <gtest/gtest.h>

namespace tocsin {
namespace {

TEST(Duration, ReadsWhatItPrints) {
  for (const char* text : {"0s", "1ms", "1s", "1m30s", "1h", "1d", "1w", "1y", "1d1h1m1s1ms", "10d", "90d", "3h20m"}) {
    const auto parsed = parse_duration(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(format_duration(*parsed), text);
  }
}

TEST(Duration, RefusesWhatPrometheusRefuses) {
  for (const char* text : {"", "1", "1x", "s", "-1s", "1s1m", "1m1m", "1.5s", "300y", " 1s", "1s "}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Rfc3339, RoundTrips) {
  for (const char* text : {"2026-11-23T19:24:49Z", "1970-01-01T00:00:00.5Z", "2024-02-29T23:59:59.123Z"}) {
    const auto parsed = parse_rfc3339(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(format_rfc3339(*parsed), text);
  }
  EXPECT_EQ(format_rfc3339(*parse_rfc3339("2026-11-23T19:24:49.123456789+02:00")), "2026-11-23T17:24:49.123Z");
  EXPECT_FALSE(parse_rfc3339("2026-02-30T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2026-11-23"));
}

}  // namespace
}  // namespace tocsin
