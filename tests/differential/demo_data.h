#pragma once

#include <vector>

#include "agent/core/labels.h"
#include "agent/core/sample.h"

/// What both sides get to see: the series of a demo service with three instances, sampled every five seconds for 75
/// minutes, the same in every run.
namespace tocsin::differential {

struct DemoSeries {
  LabelList labels;
  std::vector<Sample> samples;
};

/// Samples lie 1.237 s behind every fifth second. Windows end at .321 s and subqueries step at whole seconds, so that
/// no sample and no step ever lies on the edge of a window: there Prometheus 2.42 and 3 differ (left-open ranges).
inline constexpr TimePoint kDataStart{std::chrono::seconds(1'700'000'000)};
inline constexpr Duration kDataInterval{5000};
inline constexpr int kDataPoints = 900;
inline constexpr Duration kSampleShift{1237};
inline constexpr Duration kEvaluationShift{321};

/// Gauges, counters with resets, classic histograms, gaps with and without stale markers, series that come and go, NaN
/// and infinities.
std::vector<DemoSeries> demo_data();

}  // namespace tocsin::differential
