// Instant queries over the newest samples of 1,000 series of ten minutes at 15 s, prepared once and asked again and
// again, as a rule does.

#include <benchmark/benchmark.h>

#include <stdexcept>

#include "rules/promql/promql.h"

namespace tocsin::promql {
namespace {

constexpr TimePoint kStart{std::chrono::hours(24 * 365)};
constexpr Duration kStep = std::chrono::seconds(15);
constexpr int kSamples = 40;
constexpr int kSeries = 1000;

void fill(SeriesStore& store) {
  for (int i = 0; i < kSeries; ++i) {
    const std::string instance = "host-" + std::to_string(i / 10), path = "/" + std::to_string(i % 10);
    const SeriesRef ref = *store.ref(
        Labels{{kMetricName, "http_requests_total"}, {"instance", instance}, {"job", "web"}, {"path", path}});
    for (int k = 0; k < kSamples; ++k) store.append(ref, kStart + k * kStep, static_cast<double>(k * (i + 1)));
  }
}

void instant_query(benchmark::State& state, const char* text) {
  SeriesStore store;
  fill(store);
  auto expr = parse(text);
  if (!expr) throw std::runtime_error(expr.error().str());
  Query query(*expr);
  const TimePoint now = kStart + (kSamples - 1) * kStep;
  for (auto _ : state) {
    auto result = query.instant(store, now);
    if (!result) throw std::runtime_error(result.error().message);
    benchmark::DoNotOptimize(result);
  }
  state.counters["series"] = kSeries;
}

BENCHMARK_CAPTURE(instant_query, selector, "http_requests_total");
BENCHMARK_CAPTURE(instant_query, one_series, "http_requests_total{instance=\"host-7\",path=\"/3\"}");
BENCHMARK_CAPTURE(instant_query, sum_rate, "sum(rate(http_requests_total[5m]))");
BENCHMARK_CAPTURE(instant_query, sum_by_rate, "sum by (instance) (rate(http_requests_total[5m]))");
BENCHMARK_CAPTURE(instant_query, compare, "http_requests_total > 1e9");
BENCHMARK_CAPTURE(instant_query, one_to_one, "http_requests_total - http_requests_total");
BENCHMARK_CAPTURE(instant_query, avg_over_time, "avg_over_time(http_requests_total[5m])");

}  // namespace
}  // namespace tocsin::promql
