// The table of functions, as the parser checks them and as messages and listings name them.

#include "rules/promql/functions.h"

#include <algorithm>

namespace tocsin::promql {
namespace {

constexpr auto kS = ValueType::kScalar;
constexpr auto kV = ValueType::kVector;
constexpr auto kM = ValueType::kMatrix;
constexpr auto kT = ValueType::kString;

constexpr Function row(std::string_view name, ValueType result, std::initializer_list<ValueType> args, int variadic = 0,
                       bool experimental = false) {
  Function f{.name = name, .variadic = variadic, .result = result, .experimental = experimental};
  for (const ValueType arg : args) f.arg_types[f.arg_count++] = arg;
  return f;
}
constexpr Function experimental(std::string_view name, ValueType result, std::initializer_list<ValueType> args,
                                int variadic = 0) {
  return row(name, result, args, variadic, true);
}

/// Sorted by name.
constexpr std::array kFunctions = std::to_array<Function>({
    row("abs", kV, {kV}),
    row("absent", kV, {kV}),
    row("absent_over_time", kV, {kM}),
    row("acos", kV, {kV}),
    row("acosh", kV, {kV}),
    row("asin", kV, {kV}),
    row("asinh", kV, {kV}),
    row("atan", kV, {kV}),
    row("atanh", kV, {kV}),
    row("avg_over_time", kV, {kM}),
    row("ceil", kV, {kV}),
    row("changes", kV, {kM}),
    row("clamp", kV, {kV, kS, kS}),
    row("clamp_max", kV, {kV, kS}),
    row("clamp_min", kV, {kV, kS}),
    row("cos", kV, {kV}),
    row("cosh", kV, {kV}),
    row("count_over_time", kV, {kM}),
    row("day_of_month", kV, {kV}, 1),
    row("day_of_week", kV, {kV}, 1),
    row("day_of_year", kV, {kV}, 1),
    row("days_in_month", kV, {kV}, 1),
    row("deg", kV, {kV}),
    row("delta", kV, {kM}),
    row("deriv", kV, {kM}),
    experimental("double_exponential_smoothing", kV, {kM, kS, kS}),
    experimental("end", kS, {}),
    row("exp", kV, {kV}),
    row("first_over_time", kV, {kM}),
    row("floor", kV, {kV}),
    row("histogram_avg", kV, {kV}),
    row("histogram_count", kV, {kV}),
    row("histogram_fraction", kV, {kS, kS, kV}),
    row("histogram_quantile", kV, {kS, kV}),
    experimental("histogram_quantiles", kV, {kV, kT, kS, kS}, 9),
    row("histogram_stddev", kV, {kV}),
    row("histogram_stdvar", kV, {kV}),
    row("histogram_sum", kV, {kV}),
    row("hour", kV, {kV}, 1),
    row("idelta", kV, {kM}),
    row("increase", kV, {kM}),
    experimental("info", kV, {kV, kV}, 1),
    row("irate", kV, {kM}),
    row("label_join", kV, {kV, kT, kT, kT}, -1),
    row("label_replace", kV, {kV, kT, kT, kT, kT}),
    row("last_over_time", kV, {kM}),
    row("ln", kV, {kV}),
    row("log10", kV, {kV}),
    row("log2", kV, {kV}),
    experimental("mad_over_time", kV, {kM}),
    experimental("max_of", kS, {kS, kS}),
    row("max_over_time", kV, {kM}),
    experimental("min_of", kS, {kS, kS}),
    row("min_over_time", kV, {kM}),
    row("minute", kV, {kV}, 1),
    row("month", kV, {kV}, 1),
    row("pi", kS, {}),
    row("predict_linear", kV, {kM, kS}),
    row("present_over_time", kV, {kM}),
    row("quantile_over_time", kV, {kS, kM}),
    row("rad", kV, {kV}),
    experimental("range", kS, {}),
    row("rate", kV, {kM}),
    row("resets", kV, {kM}),
    row("round", kV, {kV, kS}, 1),
    row("scalar", kS, {kV}),
    row("sgn", kV, {kV}),
    row("sin", kV, {kV}),
    row("sinh", kV, {kV}),
    row("sort", kV, {kV}),
    experimental("sort_by_label", kV, {kV, kT}, -1),
    experimental("sort_by_label_desc", kV, {kV, kT}, -1),
    row("sort_desc", kV, {kV}),
    row("sqrt", kV, {kV}),
    experimental("start", kS, {}),
    experimental("start_timestamp", kV, {kV}),
    row("stddev_over_time", kV, {kM}),
    row("stdvar_over_time", kV, {kM}),
    experimental("step", kS, {}),
    row("sum_over_time", kV, {kM}),
    row("tan", kV, {kV}),
    row("tanh", kV, {kV}),
    row("time", kS, {}),
    row("timestamp", kV, {kV}),
    experimental("ts_of_first_over_time", kV, {kM}),
    experimental("ts_of_last_over_time", kV, {kM}),
    experimental("ts_of_max_over_time", kV, {kM}),
    experimental("ts_of_min_over_time", kV, {kM}),
    row("vector", kV, {kS}),
    row("year", kV, {kV}, 1),
});
static_assert(std::ranges::is_sorted(kFunctions, {}, &Function::name));

}  // namespace

const Function* find_function(std::string_view name) {
  const auto at = std::ranges::lower_bound(kFunctions, name, {}, &Function::name);
  return at != kFunctions.end() && at->name == name ? &*at : nullptr;
}

}  // namespace tocsin::promql
