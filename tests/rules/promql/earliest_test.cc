#include "rules/promql/earliest.h"

#include <gtest/gtest.h>

namespace tocsin::promql {
namespace {

using namespace std::chrono_literals;

struct Row {
  const char* expr;
  Duration before_start;  // min(): the whole past; max(): nothing is read
};

TEST(EarliestSample, IsWhatTheSelectorsSay) {
  const TimePoint start{100h}, end{200h};
  const Row rows[] = {
      {"up", 5min},
      {"up offset 1h", 65min},
      {"up offset -1h", -55min},
      {"rate(x[1h])", 1h},
      {"rate(x[1h] offset 2h) + up", 3h},
      {"up @ 36000", 90h + 5min},
      {"up @ start()", 5min},
      {"up @ end()", -100h + 5min},
      {"max_over_time(rate(x[5m])[1d:1m] offset 1h)", 25h + 5min},
      {"max_over_time((up @ start())[1d:])", 5min},
      {"rate(x[1h] anchored)", 65min},
      {"sum by (a) (x) / on (a) (y offset 1w)", 168h + 5min},
      {"histogram_quantile(0.9, rate(x[10m]))", 10min},
      {"rate(x[step() * 2])", Duration::min()},
      {"1 + time()", Duration::max()},
  };
  for (const Row& row : rows) {
    const auto expr = parse(row.expr);
    ASSERT_TRUE(expr) << row.expr << ": " << expr.error().str();
    const TimePoint got = earliest_sample(**expr, start, end, {});
    const TimePoint expected = row.before_start == Duration::min()   ? TimePoint::min()
                               : row.before_start == Duration::max() ? TimePoint::max()
                                                                     : start - row.before_start;
    EXPECT_EQ(got, expected) << row.expr;
  }
}

}  // namespace
}  // namespace tocsin::promql
