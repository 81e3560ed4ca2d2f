// Functions of a window that look at how a series moves: rate and its relatives, regression, smoothing. The
// extrapolation of rate() is that of Prometheus: up to the edge of the window when a sample can be expected there, else
// half a sample interval, and a counter is never extrapolated below zero.
//
// With `anchored` or `smoothed` the window brings samples from outside; the values at its edges are then picked or
// interpolated, and nothing is extrapolated.

#include <algorithm>
#include <cmath>

#include "rules/promql/functions.h"
#include "rules/promql/plan.h"
#include "rules/promql/sliding.h"

namespace tocsin::promql::kernel {
namespace {

std::int64_t ms(const Sample& s) {
  return s.t.time_since_epoch().count();
}
double seconds(std::int64_t t) {
  return static_cast<double>(t) / 1000;
}

/// The value of the line through two samples. A counter that was reset in between starts from zero.
double interpolate(const Sample& a, const Sample& b, std::int64_t t, bool counter) {
  const double from = counter && b.v < a.v ? 0 : a.v;
  return from + (b.v - from) * static_cast<double>(t - ms(a)) / static_cast<double>(ms(b) - ms(a));
}

double extended_delta(const Window& w, bool counter) {
  const auto samples = w.samples;
  std::size_t last = samples.size() - 1;
  const auto search = [&](auto&& found) {
    std::size_t i = 0;
    while (i < samples.size() - 1 && !found(ms(samples[i]))) ++i;
    return i;
  };
  const std::size_t after_start = search([&](std::int64_t t) { return t > w.from; });
  std::size_t first = after_start > 0 ? after_start - 1 : 0;
  const bool smoothed = w.smoothing == Smoothing::kSmoothed;
  if (smoothed) last = search([&](std::int64_t t) { return t >= w.to; });
  if (ms(samples[last]) <= w.from || (smoothed && ms(samples[first]) > w.to)) return kAbsent;

  const double left = smoothed && ms(samples[first]) < w.from
                          ? interpolate(samples[first], samples[first + 1], w.from, counter)
                          : samples[first].v;
  const double right = smoothed && last > 0 && ms(samples[last]) > w.to
                           ? interpolate(samples[last - 1], samples[last], w.to, counter)
                           : samples[last].v;
  double result = right - left;
  if (!counter) return result;
  // Resets at the edges are in `left` and `right` already.
  if (ms(samples[first]) <= w.from) ++first;
  const std::size_t end = ms(samples[last]) >= w.to ? last : last + 1;
  double previous = left;
  for (std::size_t i = first; i < end; ++i) {
    if (samples[i].v < previous) result += previous;
    previous = samples[i].v;
  }
  if (right < previous) result += previous;
  return result;
}

/// What rate() and its relatives make of `result`, by which the samples of the window rose.
double extrapolate(const Window& w, double result, bool counter, bool per_second) {
  const Sample& first = w.samples.front();
  const Sample& last = w.samples.back();
  double to_start = seconds(ms(first) - w.from);
  double to_end = seconds(w.to - ms(last));
  const double sampled = seconds(ms(last) - ms(first));
  const double average = sampled / static_cast<double>(w.samples.size() - 1);
  const double threshold = average * 1.1;
  if (to_start >= threshold) to_start = average / 2;
  if (counter) {
    const double to_zero = result > 0 && first.v >= 0 ? sampled * (first.v / result) : to_start;
    if (to_zero < to_start) to_start = to_zero;
  }
  if (to_end >= threshold) to_end = average / 2;
  double factor = (sampled + to_start + to_end) / sampled;
  if (per_second) factor /= seconds(w.to - w.from);
  return result * factor;
}

double extrapolated(const Window& w, bool counter, bool per_second) {
  if (w.smoothing != Smoothing::kNone) {
    const double result = extended_delta(w, counter);
    return is_absent(result) || !per_second ? result : result / seconds(w.to - w.from);
  }
  const auto samples = w.samples;
  if (samples.size() < 2) return kAbsent;
  double result = samples.back().v - samples.front().v;
  if (counter) {
    double previous = samples.front().v;
    for (const Sample& s : samples.subspan(1)) {
      if (s.v < previous) result += previous;
      previous = s.v;
    }
  }
  return extrapolate(w, result, counter, per_second);
}

double instant_delta(const Window& w, bool rate) {
  const std::size_t n = w.samples.size();
  if (n < 2) return kAbsent;
  const Sample& a = w.samples[n - 2];
  const Sample& b = w.samples[n - 1];
  double result = rate && b.v < a.v ? b.v : b.v - a.v;
  if (rate) result /= seconds(ms(b) - ms(a));
  return result;
}

struct Line {
  double slope = 0;
  double intercept = 0;
};

/// Least squares; `x` counts seconds from `origin`, which should be near the samples for the sake of accuracy.
Line regression(std::span<const Sample> samples, std::int64_t origin) {
  const double first = samples.front().v;
  if (std::ranges::all_of(samples, [&](const Sample& s) { return s.v == first; })) {
    if (std::isinf(first)) return {kNaN, kNaN};
    return {0, first};
  }
  KahanSum x, y, xy, x2;
  for (const Sample& s : samples) {
    const double at = seconds(ms(s) - origin);
    x.add(at);
    y.add(s.v);
    xy.add(at * s.v);
    x2.add(at * at);
  }
  const double n = static_cast<double>(samples.size());
  const double covariance = xy.value() - x.value() * y.value() / n;
  const double variance = x2.value() - x.value() * x.value() / n;
  const double slope = covariance / variance;
  return {slope, y.value() / n - slope * x.value() / n};
}

/// Counts the neighbours for which `changed`; anchored, the last sample before the window is the first neighbour.
template <class F>
double count_steps(const Window& w, F&& changed) {
  auto samples = w.samples;
  if (w.smoothing == Smoothing::kAnchored) {
    if (ms(samples.back()) <= w.from) return kAbsent;
    while (samples.size() > 1 && ms(samples[1]) <= w.from) samples = samples.subspan(1);
  }
  double count = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) count += changed(samples[i - 1].v, samples[i].v) ? 1 : 0;
  return count;
}

}  // namespace

double rate(const Window& w) {
  return extrapolated(w, true, true);
}
double increase(const Window& w) {
  return extrapolated(w, true, false);
}
double extrapolated_counter(const Window& w, bool per_second, std::span<const double> resets) {
  if (w.samples.size() < 2) return kAbsent;
  double result = w.samples.back().v - w.samples.front().v;
  for (const double before : resets) result += before;
  return extrapolate(w, result, true, per_second);
}
double increase_pure(const Window& w) {
  return extended_delta(w, true);
}
double delta(const Window& w) {
  return extrapolated(w, false, false);
}
double irate(const Window& w) {
  return instant_delta(w, true);
}
double idelta(const Window& w) {
  return instant_delta(w, false);
}

double deriv(const Window& w) {
  return w.samples.size() < 2 ? kAbsent : regression(w.samples, ms(w.samples.front())).slope;
}

double predict_linear(const Window& w) {
  if (w.samples.size() < 2) return kAbsent;
  const Line line = regression(w.samples, w.now);
  return line.slope * w.params[0] + line.intercept;
}

double double_exponential_smoothing(const Window& w) {
  const auto samples = w.samples;
  if (samples.size() < 2) return kAbsent;
  const double smoothing = w.params[0], trend_factor = w.params[1];
  double before = 0;
  double smoothed = samples[0].v;
  double trend = samples[1].v - samples[0].v;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    if (i > 1) trend = trend_factor * (smoothed - before) + (1 - trend_factor) * trend;
    const double next = smoothing * samples[i].v + (1 - smoothing) * (smoothed + trend);
    before = std::exchange(smoothed, next);
  }
  return smoothed;
}

double changes(const Window& w) {
  return count_steps(w, [](double a, double b) { return a != b && !(std::isnan(a) && std::isnan(b)); });
}
double resets(const Window& w) {
  return count_steps(w, [](double a, double b) { return b < a; });
}

}  // namespace tocsin::promql::kernel
