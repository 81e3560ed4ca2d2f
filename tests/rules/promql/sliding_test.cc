// The steps of a range query share what they find out about overlapping windows; each must say what an instant query at
// that time says, which reads its window alone.

#include "rules/promql/sliding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "rules/promql/promql.h"

namespace tocsin::promql {
namespace {

constexpr TimePoint kStart{std::chrono::hours(24 * 365)};

/// Counters with resets, gauges that go both ways, constants, and values that nobody likes.
void fill(SeriesStore& store) {
  std::mt19937_64 random(11);
  for (int series = 0; series < 12; ++series) {
    const SeriesRef ref = *store.ref({{kMetricName, "x_total"}, {"i", std::to_string(series)}});
    double v = 0;
    for (int k = 0; k < 400; ++k) {
      if (random() % 10 == 0) continue;
      switch (series % 6) {
        case 0:
          v = random() % 20 == 0 ? 0 : v + static_cast<double>(random() % 100);
          break;
        case 1:
          v = static_cast<double>(random() % 2000) / 7 - 100;
          break;
        case 2:
          v = 0.1;
          break;
        case 3:
          v = random() % 30 == 0 ? kNaN : static_cast<double>(random() % 5);
          break;
        case 4:
          v = random() % 40 == 0 ? 1e308 : random() % 2 == 0 ? 1e16 : -1;
          break;
        default:
          v = random() % 60 == 0 ? HUGE_VAL : random() % 50 == 0 ? kStaleNaN : static_cast<double>(k);
      }
      store.append(ref, kStart + k * std::chrono::seconds(10) + Duration(static_cast<int>(random() % 3)), v);
    }
  }
}

bool same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) == std::isnan(b);
  return a == b || std::abs(a - b) <= 1e-9 * std::max(std::abs(a), std::abs(b));
}

class Sliding : public testing::TestWithParam<const char*> {};

TEST_P(Sliding, SaysAtEachStepWhatAnInstantQuerySays) {
  SeriesStore store;
  fill(store);
  for (const char* range : {"1m", "10m", "40m"}) {
    const std::string text = fmt::format(fmt::runtime(GetParam()), fmt::format("x_total[{}]", range));
    Query query(*parse(text)), alone(*parse(text));
    const Duration step = std::chrono::seconds(15);
    const TimePoint end = kStart + std::chrono::minutes(70);
    const auto all = query.range(store, kStart, end, step);
    ASSERT_TRUE(all) << all.error().message;
    std::map<Labels, std::map<TimePoint, double>> by_series;
    for (const MatrixSeries& s : std::get<Matrix>(all->value)) {
      for (const Sample& sample : s.samples) by_series[s.labels][sample.t] = sample.v;
    }
    std::size_t compared = 0;
    for (TimePoint t = kStart; t <= end; t += step) {
      const auto one = alone.instant(store, t);
      ASSERT_TRUE(one);
      for (const VectorElement& e : std::get<Vector>(one->value)) {
        const auto& series = by_series[e.labels];
        const auto found = series.find(t);
        ASSERT_NE(found, series.end()) << text << e.labels.str();
        EXPECT_TRUE(same(found->second, e.sample.v)) << text << e.labels.str() << found->second << " " << e.sample.v;
        ++compared;
      }
    }
    std::size_t given = 0;
    for (const auto& [labels, samples] : by_series) given += samples.size();
    EXPECT_EQ(given, compared) << text;
    EXPECT_GT(compared, 1000U);
  }
}

INSTANTIATE_TEST_SUITE_P(Functions, Sliding,
                         testing::Values("rate({})", "increase({})", "changes({})", "resets({})", "sum_over_time({})",
                                         "avg_over_time({})", "stddev_over_time({})", "stdvar_over_time({})",
                                         "min_over_time({})", "max_over_time({})", "ts_of_min_over_time({})",
                                         "ts_of_max_over_time({})", "count_over_time({})",
                                         "double_exponential_smoothing({}, 0.3, 0.6)"));

}  // namespace
}  // namespace tocsin::promql
