// Window functions of range queries, where a window shares nearly all of its samples with the one before. `rate(x[1d])`
// at 1,000 steps of ten seconds would read each sample 1,000 times.
//
// Counting (changes, resets) is a difference of running counts, and the resets of a counter are few, so they are
// listed. Sums are not taken back out of a running total, because that loses the bits which the big samples of an
// earlier window have pushed out. Instead the window is two parts: of the front part the sum from each sample to its
// end is known, the back part grows; their sum is the window's. When the front part is used up the back part becomes
// the front. Each sample is added twice in all, nothing is ever subtracted, and compensation works as in the plain
// kernel.
//
// Smoothing is the same with maps in place of sums: one step of it is linear in (level, trend), so a run of samples is
// one matrix, that depends on its length only, and one vector. Extremes keep the samples that can still become one.

#include "rules/promql/sliding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "rules/promql/plan.h"

namespace tocsin::promql {
namespace {

/// Values that a sum of a window cannot overflow with, in whatever order it is taken.
bool are_tame(std::span<const Sample> samples) {
  return std::ranges::all_of(samples, [](const Sample& s) { return std::abs(s.v) < 1e290; });
}

/// Sums of windows, of whatever can be joined, in amortised constant time. `Sum` has front(v) and back(v), which add a
/// sample before and behind, and join(later).
template <class Sum>
class TwoParts {
 public:
  void begin(std::span<const Sample> samples, Sum nothing = Sum()) {
    samples_ = samples;
    front_end_ = back_end_ = 0;
    nothing_ = back_ = nothing;
  }
  Sum at(std::size_t first, std::size_t end) {
    if (first >= front_end_) turn(first, end);
    for (; back_end_ < end; ++back_end_) back_.back(samples_[back_end_].v);
    Sum sum = front_[front_.size() - (front_end_ - first)];
    sum.join(back_);
    return sum;
  }

 private:
  /// Makes [first, end) the front part.
  void turn(std::size_t first, std::size_t end) {
    front_.resize(end - first);
    Sum sum = nothing_;
    for (std::size_t i = end; i > first; --i) {
      sum.front(samples_[i - 1].v);
      front_[i - 1 - first] = sum;
    }
    front_end_ = back_end_ = end;
    back_ = nothing_;
  }

  std::span<const Sample> samples_;
  std::vector<Sum> front_;
  std::size_t front_end_ = 0;
  std::size_t back_end_ = 0;
  Sum nothing_;
  Sum back_;
};

struct Total {
  KahanSum sum;
  void front(double v) { sum.add(v); }
  void back(double v) { sum.add(v); }
  void join(const Total& later) {
    sum.add(later.sum.sum);
    sum.c += later.sum.c;
  }
};

class SlidingSum final : public SlidingKernel {
 public:
  explicit SlidingSum(bool average) : average_(average) {}
  bool begin(std::span<const Sample> samples, const double*) override {
    parts_.begin(samples);
    return are_tame(samples);
  }
  double at(std::size_t first, std::size_t end, const Window&) override {
    const KahanSum sum = parts_.at(first, end).sum;
    const auto count = static_cast<double>(end - first);
    return average_ ? sum.sum / count + sum.c / count : sum.value();
  }

 private:
  const bool average_;
  TwoParts<Total> parts_;
};

/// Count, mean and squared distances from it, joined as in Chan, Golub, LeVeque (1979).
struct Spread {
  double count = 0, mean = 0, squares = 0;
  void add(double v) {
    count += 1;
    const double delta = v - mean;
    mean += delta / count;
    squares += delta * (v - mean);
  }
  void front(double v) { add(v); }
  void back(double v) { add(v); }
  void join(const Spread& later) {
    if (later.count == 0) return;
    const double delta = later.mean - mean, all = count + later.count;
    squares += later.squares + delta * delta * count * later.count / all;
    mean += delta * later.count / all;
    count = all;
  }
};

class SlidingSpread final : public SlidingKernel {
 public:
  explicit SlidingSpread(bool root) : root_(root) {}
  bool begin(std::span<const Sample> samples, const double*) override {
    parts_.begin(samples);
    return std::ranges::all_of(samples, [](const Sample& s) { return std::abs(s.v) < 1e140; });
  }
  double at(std::size_t first, std::size_t end, const Window&) override {
    const Spread spread = parts_.at(first, end);
    const double variance = spread.squares / spread.count;
    return root_ ? std::sqrt(variance) : variance;
  }

 private:
  const bool root_;
  TwoParts<Spread> parts_;
};

class SlidingCounter final : public SlidingKernel {
 public:
  explicit SlidingCounter(bool per_second) : per_second_(per_second) {}
  bool begin(std::span<const Sample> samples, const double*) override {
    at_.clear();
    values_.clear();
    next_ = end_ = 0;
    for (std::size_t i = 1; i < samples.size(); ++i) {
      if (!(samples[i].v < samples[i - 1].v)) continue;
      at_.push_back(i);
      values_.push_back(samples[i - 1].v);
    }
    return true;
  }
  double at(std::size_t first, std::size_t end, const Window& w) override {
    while (end_ < at_.size() && at_[end_] < end) ++end_;
    while (next_ < end_ && at_[next_] <= first) ++next_;
    return kernel::extrapolated_counter(w, per_second_, std::span(values_).subspan(next_, end_ - next_));
  }

 private:
  const bool per_second_;
  std::vector<std::size_t> at_;
  std::vector<double> values_;
  std::size_t next_ = 0, end_ = 0;
};

template <class Differs>
class SlidingCount final : public SlidingKernel {
 public:
  explicit SlidingCount(Differs differs) : differs_(differs) {}
  bool begin(std::span<const Sample> samples, const double*) override {
    so_far_.assign(samples.size(), 0);
    for (std::size_t i = 1; i < samples.size(); ++i) {
      so_far_[i] = so_far_[i - 1] + (differs_(samples[i - 1].v, samples[i].v) ? 1 : 0);
    }
    return true;
  }
  double at(std::size_t first, std::size_t end, const Window&) override {
    return static_cast<double>(so_far_[end - 1] - so_far_[first]);
  }

 private:
  Differs differs_;
  std::vector<std::uint32_t> so_far_;
};

/// Candidates in the order of their times, each beaten by the one before it; NaN is beaten by everything.
template <class Beats>
class SlidingExtreme final : public SlidingKernel {
 public:
  SlidingExtreme(Beats beats, bool time) : beats_(beats), time_(time) {}
  bool begin(std::span<const Sample> samples, const double*) override {
    samples_ = samples;
    seen_ = best_ = 0;
    candidates_.clear();
    return true;
  }
  double at(std::size_t first, std::size_t end, const Window&) override {
    for (; seen_ < end; ++seen_) {
      while (candidates_.size() > best_ && is_beaten(samples_[candidates_.back()].v, samples_[seen_].v)) {
        candidates_.pop_back();
      }
      candidates_.push_back(seen_);
    }
    while (candidates_[best_] < first) ++best_;
    const Sample& s = samples_[candidates_[best_]];
    return time_ ? to_seconds(s.t) : s.v;
  }

 private:
  bool is_beaten(double old, double v) const { return std::isnan(old) || beats_(v, old); }
  Beats beats_;
  const bool time_;
  std::span<const Sample> samples_;
  std::vector<std::size_t> candidates_;  // those before best_ are over
  std::size_t best_ = 0;
  std::size_t seen_ = 0;
};

/// What a run of samples does to the level and the trend of double_exponential_smoothing().
struct Smoother {
  double smoothing = 0, trending = 0;
  std::array<double, 4> by = {1, 0, 0, 1};  // rows
  std::array<double, 2> plus = {0, 0};

  std::array<double, 4> one() const {
    const double keep = 1 - smoothing, turn = smoothing * trending;
    return {keep, keep, -turn, 1 - turn};
  }
  static std::array<double, 4> product(const std::array<double, 4>& a, const std::array<double, 4>& b) {
    std::array<double, 4> out = {a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2],
                                 a[2] * b[1] + a[3] * b[3]};
    // What is this long ago says nothing any more, and numbers this small are slow.
    for (double& v : out) v = std::abs(v) < 1e-200 ? 0 : v;
    return out;
  }
  static std::array<double, 2> apply(const std::array<double, 4>& m, const std::array<double, 2>& v) {
    return {m[0] * v[0] + m[1] * v[1], m[2] * v[0] + m[3] * v[1]};
  }
  void front(double v) {
    const auto moved = apply(by, {smoothing * v, smoothing * trending * v});
    plus = {plus[0] + moved[0], plus[1] + moved[1]};
    by = product(by, one());
  }
  void back(double v) {
    const auto moved = apply(one(), plus);
    plus = {moved[0] + smoothing * v, moved[1] + smoothing * trending * v};
    by = product(one(), by);
  }
  void join(const Smoother& later) {
    const auto moved = apply(later.by, plus);
    plus = {moved[0] + later.plus[0], moved[1] + later.plus[1]};
    by = product(later.by, by);
  }
};

class SlidingSmoother final : public SlidingKernel {
 public:
  bool begin(std::span<const Sample> samples, const double* params) override {
    samples_ = samples;
    parts_.begin(samples, Smoother{params[0], params[1]});
    return are_tame(samples);
  }
  double at(std::size_t first, std::size_t end, const Window&) override {
    if (end - first < 2) return kAbsent;
    const Smoother run = parts_.at(first + 1, end);
    const double level = samples_[first].v, trend = samples_[first + 1].v - level;
    return Smoother::apply(run.by, {level, trend})[0] + run.plus[0];
  }

 private:
  std::span<const Sample> samples_;
  TwoParts<Smoother> parts_;
};

template <class Kernel, class... Args>
std::unique_ptr<SlidingKernel> make(Args... args) {
  return std::make_unique<Kernel>(args...);
}
template <class Differs>
std::unique_ptr<SlidingKernel> count(Differs differs) {
  return std::make_unique<SlidingCount<Differs>>(differs);
}
template <class Beats>
std::unique_ptr<SlidingKernel> extreme(Beats beats, bool time) {
  return std::make_unique<SlidingExtreme<Beats>>(beats, time);
}

}  // namespace

std::unique_ptr<SlidingKernel> make_sliding(std::string_view function) {
  if (function == "rate") return make<SlidingCounter>(true);
  if (function == "increase") return make<SlidingCounter>(false);
  if (function == "sum_over_time") return make<SlidingSum>(false);
  if (function == "avg_over_time") return make<SlidingSum>(true);
  if (function == "stddev_over_time") return make<SlidingSpread>(true);
  if (function == "stdvar_over_time") return make<SlidingSpread>(false);
  if (function == "double_exponential_smoothing") return make<SlidingSmoother>();
  if (function == "changes") {
    return count([](double a, double b) { return a != b && !(std::isnan(a) && std::isnan(b)); });
  }
  if (function == "resets") return count([](double a, double b) { return b < a; });
  if (function == "min_over_time") return extreme([](double v, double than) { return v < than; }, false);
  if (function == "max_over_time") return extreme([](double v, double than) { return v > than; }, false);
  if (function == "ts_of_min_over_time") return extreme([](double v, double than) { return v <= than; }, true);
  if (function == "ts_of_max_over_time") return extreme([](double v, double than) { return v >= than; }, true);
  return nullptr;
}

}  // namespace tocsin::promql
