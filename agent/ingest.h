#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/scheduler.h"
#include "agent/store/series_store.h"
#include "agent/throttle.h"

namespace tocsin {

/// What one run of a target found, as the page shows it.
struct RunPoint {
  TimePoint at;
  float seconds = 0;
  bool success = false;
};

/// How a target stands.
struct TargetStatus {
  std::shared_ptr<const PlannedTarget> target;
  bool seen = false;  // it has run at least once
  bool success = false;
  std::string cause;
  std::string detail;
  TimePoint last_run;
  double last_seconds = 0;
  /// The newest failure, also after it is over.
  TimePoint last_failure;
  std::string last_failure_cause;
  std::string last_failure_detail;
  std::uint64_t runs_total = 0;
  std::uint64_t failures_total = 0;
  std::uint64_t missed_total = 0;
  std::uint64_t refused_samples_total = 0;  // by a limit of the store, or out of order
  std::uint64_t histograms_total = 0;       // samples of native histograms, which are not kept
  std::deque<RunPoint> history;             // the newest last, at most 120
};

/// Samples of probes on their way into the store: adds the target's labels and the frame's own metrics, marks series
/// that a target no longer has as stale, and keeps what the page and /metrics show. The engine's thread.
class Ingest {
 public:
  explicit Ingest(SeriesStore& store) : store_(store) {}

  void apply(const ProbeRun& run);
  /// Targets that are gone: their series end at `now`. Keeps those in `targets`, makes a status for new ones.
  void set_targets(const std::vector<std::shared_ptr<const PlannedTarget>>& targets, TimePoint now);

  /// What a family is that no target has described; of more than 100,000 families nothing new is kept.
  void describe(MetricInfo info);

  std::vector<const TargetStatus*> status() const;

  /// How often a run failed because of a limit, by cause: sample_limit, label_limit, body_size.
  const std::map<std::string, std::uint64_t, std::less<>>& limits_hit() const { return limits_hit_; }
  /// What targets have said of their metrics, by family.
  const std::map<std::string, MetricInfo, std::less<>>& families() const { return families_; }

  /// The newest samples of all exposed targets in the text exposition format, sorted by family.
  void expose(std::string& out) const;

 private:
  struct Series {
    Labels labels;
    SeriesRef ref;
    double value = 0;
    std::uint64_t run = 0;  // in which run it was seen last
  };
  struct Target {
    TargetStatus status;
    std::unordered_map<Labels, Series> series;  // by the labels the probe gave
    std::uint64_t run = 0;
    const void* metrics = nullptr;
  };
  void put(Target& target, const Labels& given, double value, TimePoint at, bool honor_labels = false);
  void put_frame(Target& target, const ProbeRun& run);
  void end_unseen(Target& target, TimePoint at);
  void tell_limits(const Target& target, const ProbeRun& run);
  static Labels full_labels(const PlannedTarget& target, const Labels& given, bool honor_labels);

  SeriesStore& store_;
  std::map<std::string, Target> targets_;  // by identity
  std::map<std::string, MetricInfo, std::less<>> families_;
  std::map<std::string, std::uint64_t, std::less<>> limits_hit_;
  // Of the run being applied:
  std::size_t refused_series_ = 0;
  std::string refusal_;
  Throttle say_refused_, say_histograms_;
};

/// Appends one line of the exposition format.
void append_exposition_line(std::string& out, const Labels& labels, double value);
/// A value as the exposition format and Prometheus' API print it: shortest, NaN, +Inf, -Inf.
std::string format_value(double value);

}  // namespace tocsin
