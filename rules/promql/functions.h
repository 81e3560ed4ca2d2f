#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/core/sample.h"
#include "rules/promql/ast.h"
#include "rules/promql/promql.h"

namespace tocsin::promql {

/// The samples a range function sees at one step.
struct Window {
  std::span<const Sample> samples;  // ascending, never empty; with smoothing also some beside the window
  std::int64_t from = 0;            // the window is (from, to], milliseconds
  std::int64_t to = 0;
  std::int64_t now = 0;
  Smoothing smoothing = Smoothing::kNone;
  const double* params = nullptr;          // the scalar arguments at this step
  std::vector<double>* scratch = nullptr;  // reused from call to call
};

using MathKernel = double (*)(double);
/// `params` are the scalar arguments at this step. kAbsent drops the sample.
using ParamKernel = double (*)(double, const double* params);
/// Of seconds since the epoch.
using DateKernel = double (*)(std::int64_t);
/// kAbsent: no result at this step.
using WindowKernel = double (*)(const Window&);
enum class Special {
  kNothing,  // works on native histograms only
  kAbsentVector,
  kAbsentOverTime,
  kScalar,
  kVector,
  kTime,
  kPi,
  kStart,
  kEnd,
  kStep,
  kRange,
  kMinOf,
  kMaxOf,
  kTimestamp,
  kSort,
  kSortDesc,
  kSortByLabel,
  kSortByLabelDesc,
  kLabelReplace,
  kLabelJoin,
  kLabelSet,
  kInfo,
  kHistogramQuantile,
  kHistogramQuantiles,
  kHistogramFraction,
};

/// A row of the table of functions.
struct Function {
  std::string_view name;
  /// Types of the arguments; the last one repeats, or may be left out, as `variadic` says.
  std::array<ValueType, 5> arg_types{};
  std::size_t arg_count = 0;
  /// 0: exactly arg_count; n: the last may be left out or given up to n times; -1: any number of times.
  int variadic = 0;
  ValueType result = ValueType::kVector;
  std::variant<Special, MathKernel, ParamKernel, DateKernel, WindowKernel> kernel;
  bool experimental = false;
  bool extra = false;  // not in Prometheus
};

/// nullptr when there is no such function.
const Function* find_function(std::string_view name);

/// Compensated summation (Neumaier's): what Prometheus sums with.
struct KahanSum {
  double sum = 0;
  double c = 0;
  void add(double v);
  double value() const { return sum + c; }
};
/// The q-quantile of the values, which get sorted; NaN sorts first.
double quantile(double q, std::vector<double>& values);

namespace kernel {  // functions_math.cc
double sgn(double v);
double rad(double v);
double deg(double v);
double round_to(double v, const double* params);
double clamp(double v, const double* params);
double clamp_min(double v, const double* params);
double clamp_max(double v, const double* params);
}  // namespace kernel

namespace kernel {  // functions_time.cc
double day_of_month(std::int64_t t);
double day_of_week(std::int64_t t);
double day_of_year(std::int64_t t);
double days_in_month(std::int64_t t);
double hour(std::int64_t t);
double minute(std::int64_t t);
double month(std::int64_t t);
double year(std::int64_t t);
}  // namespace kernel

namespace kernel {  // functions_range.cc, functions_over_time.cc
double rate(const Window& w);
double increase(const Window& w);
double delta(const Window& w);
double irate(const Window& w);
double idelta(const Window& w);
double deriv(const Window& w);
double predict_linear(const Window& w);
double double_exponential_smoothing(const Window& w);
double changes(const Window& w);
double resets(const Window& w);
double avg_over_time(const Window& w);
double count_over_time(const Window& w);
double first_over_time(const Window& w);
double last_over_time(const Window& w);
double mad_over_time(const Window& w);
double max_over_time(const Window& w);
double min_over_time(const Window& w);
double present_over_time(const Window& w);
double quantile_over_time(const Window& w);
double stddev_over_time(const Window& w);
double stdvar_over_time(const Window& w);
double sum_over_time(const Window& w);
double ts_of_first_over_time(const Window& w);
double ts_of_last_over_time(const Window& w);
double ts_of_max_over_time(const Window& w);
double ts_of_min_over_time(const Window& w);
double increase_pure(const Window& w);
double median_over_time(const Window& w);
double zscore_over_time(const Window& w);
double count_eq_over_time(const Window& w);
double count_gt_over_time(const Window& w);
double count_le_over_time(const Window& w);
double count_ne_over_time(const Window& w);
double share_eq_over_time(const Window& w);
double share_gt_over_time(const Window& w);
double share_le_over_time(const Window& w);
}  // namespace kernel

}  // namespace tocsin::promql
