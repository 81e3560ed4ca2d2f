#include "agent/store/series_store.h"

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cmath>
#include <random>

#include "agent/core/labels.h"

namespace tocsin {
namespace {

constexpr std::int64_t kStart = 1'700'000'000'000;
constexpr std::int64_t kInterval = 15'000;

/// What a site looks like: 250 metrics of each of many hosts, five labels.
Labels site_labels(std::int64_t i) {
  const std::string metric = "node_some_metric_number_" + std::to_string(i % 250) + "_total";
  const std::string host = "host-" + std::to_string(i / 250) + ".example.com:9100";
  const std::string device = "dev" + std::to_string(i % 7);
  return Labels{
      {"__name__", metric}, {"job", "node"}, {"cluster", "eu-west-1"}, {"instance", host}, {"device", device}};
}

/// Of ten series four stand still, three count, two are gauges of two decimals that move now and then, one is noise.
double value(std::int64_t series, std::int64_t step) {
  const auto noise = static_cast<std::uint64_t>(series * 7919 + step) * 0x9e3779b97f4a7c15U;
  switch (series % 10) {
    case 0:
    case 1:
    case 2:
    case 3:
      return static_cast<double>(series % 5);
    case 4:
    case 5:
    case 6:
      return static_cast<double>(series + step * 40 + static_cast<std::int64_t>(noise % 16));
    case 7:
    case 8:
      return std::floor(static_cast<double>(step / 8 + series % 100) * 37.0) / 100;
    default:
      return static_cast<double>(noise >> 11) * 0x1p-53;
  }
}

std::vector<SeriesRef> fill(SeriesStore& store, std::int64_t series, std::int64_t samples, std::int64_t jitter = 0) {
  std::vector<SeriesRef> refs;
  refs.reserve(static_cast<std::size_t>(series));
  for (std::int64_t i = 0; i < series; ++i) refs.push_back(*store.ref(site_labels(i)));
  for (std::int64_t s = 0; s < samples; ++s) {
    for (std::int64_t i = 0; i < series; ++i) {
      const std::int64_t late = jitter == 0 ? 0 : (i / 250 * 31 + s * 17) % jitter;
      store.append(refs[static_cast<std::size_t>(i)], TimePoint(Duration(kStart + s * kInterval + late)), value(i, s));
    }
  }
  return refs;
}

TimePoint step_time(std::int64_t s) {
  return TimePoint(Duration(kStart + s * kInterval));
}

void label_interning(benchmark::State& state) {
  LabelInterner interner;
  for (std::int64_t i = 0; i < 10'000; ++i) interner.intern(site_labels(i));
  std::int64_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(interner.intern(site_labels(i++ % 10'000)));
}
BENCHMARK(label_interning);

void store_create_series(benchmark::State& state) {
  std::vector<Labels> labels;
  for (std::int64_t i = 0; i < state.range(0); ++i) labels.push_back(site_labels(i));
  for (auto _ : state) {
    SeriesStore store;
    for (const Labels& l : labels) benchmark::DoNotOptimize(store.ref(l));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(store_create_series)->Arg(100'000)->Unit(benchmark::kMillisecond);

void store_find_series(benchmark::State& state) {
  SeriesStore store;
  std::vector<Labels> labels;
  for (std::int64_t i = 0; i < 100'000; ++i) labels.push_back(site_labels(i));
  for (const Labels& l : labels) store.ref(l);
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(store.find(labels[i++ % labels.size()]));
}
BENCHMARK(store_find_series);

/// One scrape of everything, by refs that are known.
void store_append(benchmark::State& state) {
  SeriesStore store({.retention = std::chrono::hours(1)});
  const std::vector<SeriesRef> refs = fill(store, state.range(0), 1);
  std::int64_t step = 1;
  for (auto _ : state) {
    for (std::size_t i = 0; i < refs.size(); ++i) {
      store.append(refs[i], step_time(step), value(static_cast<std::int64_t>(i), step));
    }
    ++step;
    state.PauseTiming();
    if (step % 20 == 0) store.maintain(step_time(step));
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(store_append)->Arg(10'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

void store_select(benchmark::State& state, const char* text) {
  SeriesStore store;
  fill(store, 100'000, 1);
  const Matchers matchers = *parse_matchers(text);
  std::size_t found = 0;
  for (auto _ : state) found = store.select(matchers, TimePoint::min(), TimePoint::max()).size();
  state.counters["found"] = static_cast<double>(found);
}
BENCHMARK_CAPTURE(store_select, one_metric, R"({__name__="node_some_metric_number_3_total"})")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(store_select, one_series,
                  R"({__name__="node_some_metric_number_3_total",job="node",instance="host-7.example.com:9100"})")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(store_select, regex, R"({__name__="node_some_metric_number_3_total",instance=~"host-1.*"})")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(store_select, a_tenth_of_all, R"({instance=~"host-1.?\\.example\\.com:9100|host-2..*"})")
    ->Unit(benchmark::kMicrosecond);

void store_newest(benchmark::State& state) {
  SeriesStore store;
  const std::vector<SeriesRef> refs = fill(store, 100'000, 2);
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(store.newest(refs[i++ % refs.size()], step_time(2)));
}
BENCHMARK(store_newest);

void store_newest_in_the_past(benchmark::State& state) {
  SeriesStore store;
  const std::vector<SeriesRef> refs = fill(store, 1'000, 240);
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(store.newest(refs[i++ % refs.size()], step_time(100)));
}
BENCHMARK(store_newest_in_the_past);

void store_decode(benchmark::State& state) {
  SeriesStore store;
  const std::vector<SeriesRef> refs = fill(store, 1'000, 240);
  std::vector<Sample> out;
  std::size_t i = 0;
  for (auto _ : state) {
    out.clear();
    store.samples(refs[i++ % refs.size()], step_time(0), step_time(240), out);
  }
  state.SetItemsProcessed(state.iterations() * 240);
}
BENCHMARK(store_decode);

/// Bytes per series with 240 samples, labels included: by malloc's own count, and by ours. The second argument is how
/// many milliseconds a scrape is late at most.
void store_memory(benchmark::State& state) {
  for (auto _ : state) {
    malloc_trim(0);
    const auto used = [] {
      const struct mallinfo2 info = mallinfo2();
      return info.uordblks + info.hblkhd;
    };
    const std::size_t before = used();
    SeriesStore store({.retention = std::chrono::hours(2), .bytes_max = std::size_t{4} << 30});
    { const std::vector<SeriesRef> refs = fill(store, state.range(0), 240, state.range(1)); }
    const auto series = static_cast<double>(state.range(0));
    state.counters["malloc_bytes_per_series"] = static_cast<double>(used() - before) / series;
    state.counters["bytes_per_series"] = static_cast<double>(store.stats().bytes) / series;
  }
}
BENCHMARK(store_memory)->Args({100'000, 0})->Args({100'000, 5})->Iterations(1)->Unit(benchmark::kSecond);
BENCHMARK(store_memory)->Args({1'000'000, 0})->Iterations(1)->Unit(benchmark::kSecond);

}  // namespace
}  // namespace tocsin
