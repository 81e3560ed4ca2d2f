// The table of functions, as the parser checks them and as messages and listings name them.

#include "rules/promql/functions.h"

#include <algorithm>
#include <cmath>

namespace tocsin::promql {
namespace {

constexpr auto kS = ValueType::kScalar;
constexpr auto kV = ValueType::kVector;
constexpr auto kM = ValueType::kMatrix;
constexpr auto kT = ValueType::kString;

using Kernel = decltype(Function::kernel);

constexpr Function row(std::string_view name, ValueType result, std::initializer_list<ValueType> args, Kernel kernel,
                       int variadic = 0, bool experimental = false) {
  Function f{.name = name, .variadic = variadic, .result = result, .kernel = kernel, .experimental = experimental};
  for (const ValueType arg : args) f.arg_types[f.arg_count++] = arg;
  return f;
}
constexpr Function experimental(std::string_view name, ValueType result, std::initializer_list<ValueType> args,
                                Kernel kernel, int variadic = 0) {
  return row(name, result, args, kernel, variadic, true);
}

constexpr Function extra(std::string_view name, std::initializer_list<ValueType> args, Kernel kernel,
                         int variadic = 0) {
  Function f = row(name, kV, args, kernel, variadic);
  f.extra = true;
  return f;
}

/// Sorted by name.
constexpr std::array kFunctions = std::to_array<Function>({
    row("abs", kV, {kV}, MathKernel{[](double v) { return std::fabs(v); }}),
    row("absent", kV, {kV}, Special::kAbsentVector),
    row("absent_over_time", kV, {kM}, Special::kAbsentOverTime),
    row("acos", kV, {kV}, MathKernel{[](double v) { return std::acos(v); }}),
    row("acosh", kV, {kV}, MathKernel{[](double v) { return std::acosh(v); }}),
    row("asin", kV, {kV}, MathKernel{[](double v) { return std::asin(v); }}),
    row("asinh", kV, {kV}, MathKernel{[](double v) { return std::asinh(v); }}),
    row("atan", kV, {kV}, MathKernel{[](double v) { return std::atan(v); }}),
    row("atanh", kV, {kV}, MathKernel{[](double v) { return std::atanh(v); }}),
    row("avg_over_time", kV, {kM}, WindowKernel{kernel::avg_over_time}),
    row("ceil", kV, {kV}, MathKernel{[](double v) { return std::ceil(v); }}),
    row("changes", kV, {kM}, WindowKernel{kernel::changes}),
    row("clamp", kV, {kV, kS, kS}, ParamKernel{kernel::clamp}),
    row("clamp_max", kV, {kV, kS}, ParamKernel{kernel::clamp_max}),
    row("clamp_min", kV, {kV, kS}, ParamKernel{kernel::clamp_min}),
    row("cos", kV, {kV}, MathKernel{[](double v) { return std::cos(v); }}),
    row("cosh", kV, {kV}, MathKernel{[](double v) { return std::cosh(v); }}),
    extra("count_eq_over_time", {kM, kS}, WindowKernel{kernel::count_eq_over_time}),
    extra("count_gt_over_time", {kM, kS}, WindowKernel{kernel::count_gt_over_time}),
    extra("count_le_over_time", {kM, kS}, WindowKernel{kernel::count_le_over_time}),
    extra("count_ne_over_time", {kM, kS}, WindowKernel{kernel::count_ne_over_time}),
    row("count_over_time", kV, {kM}, WindowKernel{kernel::count_over_time}),
    row("day_of_month", kV, {kV}, DateKernel{kernel::day_of_month}, 1),
    row("day_of_week", kV, {kV}, DateKernel{kernel::day_of_week}, 1),
    row("day_of_year", kV, {kV}, DateKernel{kernel::day_of_year}, 1),
    row("days_in_month", kV, {kV}, DateKernel{kernel::days_in_month}, 1),
    row("deg", kV, {kV}, MathKernel{kernel::deg}),
    row("delta", kV, {kM}, WindowKernel{kernel::delta}),
    row("deriv", kV, {kM}, WindowKernel{kernel::deriv}),
    experimental("double_exponential_smoothing", kV, {kM, kS, kS}, WindowKernel{kernel::double_exponential_smoothing}),
    experimental("end", kS, {}, Special::kEnd),
    row("exp", kV, {kV}, MathKernel{[](double v) { return std::exp(v); }}),
    row("first_over_time", kV, {kM}, WindowKernel{kernel::first_over_time}),
    row("floor", kV, {kV}, MathKernel{[](double v) { return std::floor(v); }}),
    row("histogram_avg", kV, {kV}, Special::kNothing),
    row("histogram_count", kV, {kV}, Special::kNothing),
    row("histogram_fraction", kV, {kS, kS, kV}, Special::kHistogramFraction),
    row("histogram_quantile", kV, {kS, kV}, Special::kHistogramQuantile),
    experimental("histogram_quantiles", kV, {kV, kT, kS, kS}, Special::kHistogramQuantiles, 9),
    row("histogram_stddev", kV, {kV}, Special::kNothing),
    row("histogram_stdvar", kV, {kV}, Special::kNothing),
    row("histogram_sum", kV, {kV}, Special::kNothing),
    row("hour", kV, {kV}, DateKernel{kernel::hour}, 1),
    row("idelta", kV, {kM}, WindowKernel{kernel::idelta}),
    row("increase", kV, {kM}, WindowKernel{kernel::increase}),
    extra("increase_pure", {kM}, WindowKernel{kernel::increase_pure}),
    experimental("info", kV, {kV, kV}, Special::kInfo, 1),
    row("irate", kV, {kM}, WindowKernel{kernel::irate}),
    row("label_join", kV, {kV, kT, kT, kT}, Special::kLabelJoin, -1),
    row("label_replace", kV, {kV, kT, kT, kT, kT}, Special::kLabelReplace),
    extra("label_set", {kV, kT, kT}, Special::kLabelSet, -1),
    row("last_over_time", kV, {kM}, WindowKernel{kernel::last_over_time}),
    row("ln", kV, {kV}, MathKernel{[](double v) { return std::log(v); }}),
    row("log10", kV, {kV}, MathKernel{[](double v) { return std::log10(v); }}),
    row("log2", kV, {kV}, MathKernel{[](double v) { return std::log2(v); }}),
    experimental("mad_over_time", kV, {kM}, WindowKernel{kernel::mad_over_time}),
    experimental("max_of", kS, {kS, kS}, Special::kMaxOf),
    row("max_over_time", kV, {kM}, WindowKernel{kernel::max_over_time}),
    extra("median_over_time", {kM}, WindowKernel{kernel::median_over_time}),
    experimental("min_of", kS, {kS, kS}, Special::kMinOf),
    row("min_over_time", kV, {kM}, WindowKernel{kernel::min_over_time}),
    row("minute", kV, {kV}, DateKernel{kernel::minute}, 1),
    row("month", kV, {kV}, DateKernel{kernel::month}, 1),
    row("pi", kS, {}, Special::kPi),
    row("predict_linear", kV, {kM, kS}, WindowKernel{kernel::predict_linear}),
    row("present_over_time", kV, {kM}, WindowKernel{kernel::present_over_time}),
    row("quantile_over_time", kV, {kS, kM}, WindowKernel{kernel::quantile_over_time}),
    row("rad", kV, {kV}, MathKernel{kernel::rad}),
    experimental("range", kS, {}, Special::kRange),
    row("rate", kV, {kM}, WindowKernel{kernel::rate}),
    row("resets", kV, {kM}, WindowKernel{kernel::resets}),
    row("round", kV, {kV, kS}, ParamKernel{kernel::round_to}, 1),
    row("scalar", kS, {kV}, Special::kScalar),
    row("sgn", kV, {kV}, MathKernel{kernel::sgn}),
    extra("share_eq_over_time", {kM, kS}, WindowKernel{kernel::share_eq_over_time}),
    extra("share_gt_over_time", {kM, kS}, WindowKernel{kernel::share_gt_over_time}),
    extra("share_le_over_time", {kM, kS}, WindowKernel{kernel::share_le_over_time}),
    row("sin", kV, {kV}, MathKernel{[](double v) { return std::sin(v); }}),
    row("sinh", kV, {kV}, MathKernel{[](double v) { return std::sinh(v); }}),
    row("sort", kV, {kV}, Special::kSort),
    experimental("sort_by_label", kV, {kV, kT}, Special::kSortByLabel, -1),
    experimental("sort_by_label_desc", kV, {kV, kT}, Special::kSortByLabelDesc, -1),
    row("sort_desc", kV, {kV}, Special::kSortDesc),
    row("sqrt", kV, {kV}, MathKernel{[](double v) { return std::sqrt(v); }}),
    experimental("start", kS, {}, Special::kStart),
    experimental("start_timestamp", kV, {kV}, Special::kNothing),
    row("stddev_over_time", kV, {kM}, WindowKernel{kernel::stddev_over_time}),
    row("stdvar_over_time", kV, {kM}, WindowKernel{kernel::stdvar_over_time}),
    experimental("step", kS, {}, Special::kStep),
    row("sum_over_time", kV, {kM}, WindowKernel{kernel::sum_over_time}),
    row("tan", kV, {kV}, MathKernel{[](double v) { return std::tan(v); }}),
    row("tanh", kV, {kV}, MathKernel{[](double v) { return std::tanh(v); }}),
    row("time", kS, {}, Special::kTime),
    row("timestamp", kV, {kV}, Special::kTimestamp),
    experimental("ts_of_first_over_time", kV, {kM}, WindowKernel{kernel::ts_of_first_over_time}),
    experimental("ts_of_last_over_time", kV, {kM}, WindowKernel{kernel::ts_of_last_over_time}),
    experimental("ts_of_max_over_time", kV, {kM}, WindowKernel{kernel::ts_of_max_over_time}),
    experimental("ts_of_min_over_time", kV, {kM}, WindowKernel{kernel::ts_of_min_over_time}),
    row("vector", kV, {kS}, Special::kVector),
    row("year", kV, {kV}, DateKernel{kernel::year}, 1),
    extra("zscore_over_time", {kM}, WindowKernel{kernel::zscore_over_time}),
});
static_assert(std::ranges::is_sorted(kFunctions, {}, &Function::name));

}  // namespace

const Function* find_function(std::string_view name) {
  const auto at = std::ranges::lower_bound(kFunctions, name, {}, &Function::name);
  return at != kFunctions.end() && at->name == name ? &*at : nullptr;
}

}  // namespace tocsin::promql
