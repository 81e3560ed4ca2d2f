// What a restart takes, what is written in an hour, and what keeping samples on disk costs in memory: with 100,000
// series that are scraped every 15 s.

#include "agent/store/metrics_db.h"

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cmath>
#include <filesystem>
#include <fstream>

namespace tocsin {
namespace {

constexpr std::int64_t kStart = 1'700'000'000'000;
constexpr std::int64_t kSeries = 100'000;

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

TimePoint at_second(std::int64_t s) {
  return TimePoint(Duration(kStart + s * 1000));
}

std::string bench_path() {
  return (std::filesystem::temp_directory_path() / "tocsin-metrics-bench" / "metrics.db").string();
}

struct Writing {
  std::uint64_t written = 0;  // by the process, in bytes, checkpoints included
  double seconds = 0;         // of the engine's thread, in flush()
  double seconds_max = 0;
};

std::uint64_t written_so_far() {
  std::ifstream io("/proc/self/io");
  for (std::string name, number; io >> name >> number;) {
    if (name == "wchar:") return std::stoull(number);
  }
  return 0;
}

/// A second of scrapes at a time, each host in its own second of the 15, as scrapes are spread.
Writing ingest(MetricsDb* db, SeriesStore& store, std::int64_t seconds) {
  std::vector<SeriesRef> refs;
  for (std::int64_t i = 0; i < kSeries; ++i) refs.push_back(*store.ref(site_labels(i)));
  Writing out;
  const std::uint64_t before = written_so_far();
  for (std::int64_t s = 0; s < seconds; ++s) {
    for (std::int64_t host = s % 15; host < kSeries / 250; host += 15) {
      for (std::int64_t i = host * 250; i < (host + 1) * 250; ++i) {
        store.append(refs[static_cast<std::size_t>(i)], at_second(s), value(i, s / 15));
      }
    }
    if (s % 15 == 0) store.maintain(at_second(s));
    if (db == nullptr) continue;
    const auto began = std::chrono::steady_clock::now();
    db->flush(store, 1.0 / 300, at_second(s));
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    out.seconds += took;
    out.seconds_max = std::max(out.seconds_max, took);
    if (s % 30 == 0) db->wait();
  }
  if (db != nullptr) db->wait();
  out.written = written_so_far() - before;
  return out;
}

std::size_t heap() {
  malloc_trim(0);
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void metrics_db_hours(benchmark::State& state) {
  const std::string path = bench_path();
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  for (auto _ : state) {
    const std::size_t empty = heap();
    double memory_only = 0;
    {
      SeriesStore store({.bytes_max = std::size_t{4} << 30});
      ingest(nullptr, store, 7200);
      memory_only = static_cast<double>(heap() - empty);
    }
    const std::size_t before = heap();
    SeriesStore store({.bytes_max = std::size_t{4} << 30});
    auto db = *MetricsDb::open(path, {}, store, TimePoint::min());
    const Writing writing = ingest(db.get(), store, 7200);
    state.counters["memory_bytes_per_series"] = (static_cast<double>(heap() - before) - memory_only) / kSeries;
    state.counters["written_MB_per_hour"] = static_cast<double>(writing.written) / 2e6;
    state.counters["flush_us"] = writing.seconds / 7200 * 1e6;
    state.counters["flush_max_us"] = writing.seconds_max * 1e6;
    state.counters["file_MB"] = static_cast<double>(db->stats().bytes) / 1e6;
  }
}
BENCHMARK(metrics_db_hours)->Iterations(1)->Unit(benchmark::kSecond);

/// After metrics_db_hours: opens what that left, with two hours of samples.
void metrics_db_restart(benchmark::State& state) {
  const std::string path = bench_path();
  if (!std::filesystem::exists(path)) return state.SkipWithError("run metrics_db_hours before it");
  for (auto _ : state) {
    auto store = std::make_unique<SeriesStore>(SeriesStoreLimits{.bytes_max = std::size_t{4} << 30});
    auto db = *MetricsDb::open(path, {}, *store, at_second(0));
    state.PauseTiming();
    state.counters["series"] = static_cast<double>(store->stats().series);
    state.counters["samples"] = static_cast<double>(store->stats().samples);
    db.reset();
    store.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(metrics_db_restart)->Iterations(5)->Unit(benchmark::kMillisecond);

/// A day-old hour of 1,000 series, read back from the file.
void metrics_db_history(benchmark::State& state) {
  const std::string path = bench_path();
  if (!std::filesystem::exists(path)) return state.SkipWithError("run metrics_db_hours before it");
  SeriesStore store;
  auto db = *MetricsDb::open(path, {}, store, at_second(7199));
  const auto history = db->history();
  std::vector<Sample> out;
  for (auto _ : state) {
    for (std::int64_t i = 0; i < 1000; ++i) {
      out.clear();
      history->samples(site_labels(i), at_second(0), at_second(3600), out);
    }
  }
  state.counters["samples"] = static_cast<double>(out.size());
  state.SetItemsProcessed(state.iterations() * 1000);
  db.reset();
  std::filesystem::remove_all(std::filesystem::path(path).parent_path());
}
BENCHMARK(metrics_db_history)->Iterations(20)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tocsin
