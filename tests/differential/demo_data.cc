// Each value is a function of the series' number and the sample's, made noisy by a hash: nothing depends on the order
// in which series are made. Counters never come near zero, not even after a reset: there the extrapolation of rate()
// and increase() changed between 2.42 and 3.

#include "tests/differential/demo_data.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>

namespace tocsin::differential {
namespace {

constexpr int kInstances = 3;

std::uint64_t mix(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// In [0, 1).
double noise(std::uint64_t series, int k) {
  return static_cast<double>(mix(series * 1'000'003 + static_cast<std::uint64_t>(k)) >> 11) / 9007199254740992.0;
}

std::string instance_name(int i) {
  return "demo-" + std::to_string(i) + ":" + std::to_string(10000 + i);
}

class Maker {
 public:
  using Value = std::function<double(int k)>;

  /// A sample wherever `there` says so; with `stale`, a marker where a run of samples ends.
  void add(int instance, const std::string& name, const LabelList& labels, const Value& value,
           const std::function<bool(int k)>& there = nullptr, bool stale = true) {
    DemoSeries series;
    series.labels = {{"__name__", name}, {"instance", instance_name(instance)}, {"job", "demo"}};
    series.labels.insert(series.labels.end(), labels.begin(), labels.end());
    bool before = false;
    for (int k = 0; k < kDataPoints; ++k) {
      const TimePoint t = kDataStart + k * kDataInterval + kSampleShift;
      const bool now = there == nullptr || there(k);
      if (now) series.samples.push_back({t, value(k)});
      if (!now && before && stale) series.samples.push_back({t, kStaleNaN});
      before = now;
    }
    out_.push_back(std::move(series));
  }

  /// Ascending sums of increments; what was counted before a reset is lost down to `floor`.
  void add_counter(int instance, const std::string& name, const LabelList& labels, double start,
                   const std::function<double(int k, double noise)>& increment, int reset_every = 0) {
    const std::uint64_t id = ++ids_;
    std::vector<double> values;
    double sum = start;
    for (int k = 0; k < kDataPoints; ++k) {
      if (reset_every > 0 && k > 0 && (k + 50 * instance) % reset_every == 0) sum = start / 2;
      sum += increment(k, noise(id, k));
      values.push_back(sum);
    }
    add(instance, name, labels, [&values](int k) { return values[static_cast<std::size_t>(k)]; });
  }

  std::uint64_t next_id() { return ++ids_; }
  std::vector<DemoSeries> take() { return std::move(out_); }

 private:
  std::vector<DemoSeries> out_;
  std::uint64_t ids_ = 0;
};

void add_gauges(Maker& maker, int i) {
  const char* const types[] = {"free", "buffers", "cached", "used"};
  for (int type = 0; type < 4; ++type) {
    const std::uint64_t id = maker.next_id();
    maker.add(i, "demo_memory_usage_bytes", {{"type", types[type]}},
              [=](int k) { return std::floor(1e8 * (type + 1) + 3e7 * std::sin(k / 40.0 + i) + 1e7 * noise(id, k)); });
  }
  maker.add(i, "demo_num_cpus", {}, [=](int) { return std::ldexp(1, i + 1); });
  const std::uint64_t disk = maker.next_id();
  maker.add(i, "demo_disk_usage_bytes", {},
            [=](int k) { return std::floor(5e10 + 1e10 * i + 2.5e6 * k + 1e6 * noise(disk, k)); });
  maker.add(i, "demo_disk_total_bytes", {}, [=](int) { return 1e11 + 1e10 * i; });
  maker.add(i, "demo_batch_last_success_timestamp_seconds", {}, [=](int k) {
    const int batch = (k + 7 * i) / (20 + 5 * i);
    return 1.7e9 + batch * 5.0 * (20 + 5 * i) - 35.0 * i;
  });
  const std::uint64_t steps = maker.next_id();
  maker.add(i, "demo_batch_last_run_processed_bytes", {},
            [=](int k) { return std::floor(2e5 + 1e5 * noise(steps, k / 24)); });
}

void add_counters(Maker& maker, int i) {
  const char* const modes[] = {"idle", "user", "system"};
  for (int mode = 0; mode < 3; ++mode) {
    maker.add_counter(
        i, "demo_cpu_usage_seconds_total", {{"mode", modes[mode]}}, 50'000 + 7'000 * mode + 1'300 * i,
        [=](int k, double n) { return (mode == 0 ? 3.5 : 0.7) + 0.4 * n + 0.2 * std::sin(k / 60.0); },
        i == 1 ? 340 : 0);
  }
  maker.add_counter(
      i, "demo_items_shipped_total", {}, 9'000 + 100 * i, [](int, double n) { return std::floor(4 * n); },
      i == 2 ? 210 : 0);
}

void add_histogram(Maker& maker, int i) {
  const char* const bounds[] = {"0.001", "0.01", "0.05", "0.1", "0.5", "1", "+Inf"};
  const struct {
    const char *method, *path, *status;
    double pace;
  } requests[] = {{"GET", "/api/foo", "200", 30}, {"GET", "/api/bar", "500", 3}, {"POST", "/api/foo", "200", 11}};
  for (const auto& r : requests) {
    const LabelList labels{{"method", r.method}, {"path", r.path}, {"status", r.status}};
    const std::uint64_t id = maker.next_id();
    std::vector<std::vector<double>> buckets(std::size(bounds));
    std::vector<double> sum(std::size(bounds));
    for (std::size_t b = 0; b < std::size(bounds); ++b) sum[b] = 100'000.0 * static_cast<double>(b + 1);
    for (int k = 0; k < kDataPoints; ++k) {
      double so_far = 0;
      for (std::size_t b = 0; b < std::size(bounds); ++b) {
        so_far += std::floor(r.pace * noise(id + 977 * b, k));
        sum[b] += so_far;
        buckets[b].push_back(sum[b]);
      }
    }
    for (std::size_t b = 0; b < std::size(bounds); ++b) {
      LabelList with_bound = labels;
      with_bound.emplace_back("le", bounds[b]);
      maker.add(i, "demo_api_request_duration_seconds_bucket", with_bound,
                [&](int k) { return buckets[b][static_cast<std::size_t>(k)]; });
    }
    maker.add(i, "demo_api_request_duration_seconds_count", labels,
              [&](int k) { return buckets.back()[static_cast<std::size_t>(k)]; });
    maker.add_counter(i, "demo_api_request_duration_seconds_sum", labels, 70'000,
                      [pace = r.pace](int, double n) { return 0.1 * pace * n; });
  }
}

void add_what_comes_and_goes(Maker& maker, int i) {
  const auto level = [i](int k) { return 500 + 10.0 * i + k % 17; };
  // Gaps longer and shorter than the five minutes that a sample stands for "now".
  const auto on = [i](int k) { return (k + 31 * i) % 130 < 50 || (k + 31 * i) % 130 > 90; };
  maker.add(i, "demo_intermittent_metric", {}, level, on, i != 1);
  const auto rare = [i](int k) { return (k + 11 * i) % 95 < 12; };
  maker.add(i, "demo_rare_metric", {}, level, rare, false);
  // The version of what runs, as a label: one series ends where the next begins.
  for (int version = 0; version < 3; ++version) {
    maker.add(
        i, "demo_build_info", {{"version", "1." + std::to_string(version)}}, [](int) { return 1.0; },
        [=](int k) { return (k + 40 * i) / 400 == version; });
  }
}

void add_odd_values(Maker& maker, int i) {
  const double inf = std::numeric_limits<double>::infinity();
  const std::uint64_t id = maker.next_id();
  maker.add(i, "demo_odd_values", {{"kind", "nan"}}, [=](int k) { return k % 9 == i ? kNaN : 3 * noise(id, k); });
  maker.add(i, "demo_odd_values", {{"kind", "signed"}}, [=](int k) { return 8 * noise(id + 500, k) - 4; });
  maker.add(i, "demo_odd_values", {{"kind", "whole"}}, [=](int k) { return std::floor(6 * noise(id + 900, k)) - 2; });
  maker.add(i, "demo_infinite_values", {}, [=](int k) {
    return k % 11 == i ? inf : k % 13 == i ? -inf : 1 + noise(id, k);
  });
}

}  // namespace

std::vector<DemoSeries> demo_data() {
  Maker maker;
  for (int i = 0; i < kInstances; ++i) {
    add_gauges(maker, i);
    add_counters(maker, i);
    add_histogram(maker, i);
    add_what_comes_and_goes(maker, i);
    add_odd_values(maker, i);
  }
  return maker.take();
}

}  // namespace tocsin::differential
