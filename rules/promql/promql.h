#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/result.h"
#include "agent/core/sample.h"
#include "agent/store/series_store.h"

/// PromQL with the semantics of Prometheus 3.
namespace tocsin::promql {

/// Where in the text of an expression; counts from 1, column in bytes.
struct Place {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

struct ParseError {
  Place at;
  std::string message;
  /// `line:column: parse error: message`, as Prometheus says it.
  std::string str() const;
};

class Expr;  // the AST, in ast.h
using ExprPtr = std::shared_ptr<const Expr>;

/// What the language has beyond what Prometheus understands as it comes.
struct ParseOptions {
  /// The functions and aggregators that Prometheus wants to be switched on: info, limitk, mad_over_time …
  bool experimental = true;
  /// tocsin's own, in MetricsQL's words and with its meaning on PromQL's windows. Prometheus refuses them all.
  ///   a default b, a if b, a ifnot b      with on(…), ignoring(…); names of metrics and labels elsewhere
  ///   count_gt_over_time(x[r], v)         how many samples are above v; also _le_, _eq_, _ne_
  ///   share_gt_over_time(x[r], v)         the same as a share of the samples in the window; also _le_, _eq_
  ///   median_over_time(x[r])              quantile_over_time(0.5, …)
  ///   zscore_over_time(x[r])              (last - mean) / standard deviation; 0 where nothing deviates
  ///   increase_pure(x[r])                 from the last sample before the window to the last one in it, resets
  ///                                       counted, nothing extrapolated: whole numbers stay whole
  ///   label_set(v, "name", "value", …)    sets labels; "" takes one away
  bool extras = true;

  /// What Prometheus takes without any feature flag.
  static ParseOptions strict() { return {false, false}; }
};

/// Parses and type-checks. Depth and size are limited.
tl::expected<ExprPtr, ParseError> parse(std::string_view text, ParseOptions options = {});
/// Text that parses to the same tree.
std::string to_string(const Expr& expr);
/// The same over several lines, indented by two spaces, wherever a line would be longer than 100 bytes; what
/// Prometheus' format_query answers.
std::string pretty(const Expr& expr);

enum class ValueType { kScalar, kString, kVector, kMatrix };
std::string_view to_string(ValueType type);  // "scalar", "string", "vector", "matrix"

struct VectorElement {
  Labels labels;
  Sample sample;
};
struct MatrixSeries {
  Labels labels;
  std::vector<Sample> samples;
};
using Vector = std::vector<VectorElement>;
using Matrix = std::vector<MatrixSeries>;
struct ScalarValue {
  Sample sample;
};
struct StringValue {
  TimePoint t;
  std::string text;
};

struct QueryResult {
  std::variant<ScalarValue, StringValue, Vector, Matrix> value;
  /// Annotations, as Prometheus words them, with ` (line:column)`.
  std::vector<std::string> warnings;
  std::vector<std::string> infos;
  /// What it took, for limits, for `tocsin why` and for metrics.
  std::uint64_t samples_read = 0;
  std::uint64_t series_matched = 0;
  std::uint64_t samples_peak = 0;  // held at once
  ValueType type() const { return static_cast<ValueType>(value.index()); }
};

/// What queries of one store, evaluated one after the other at the same times, have in common: a rule group's. Series
/// that the same matchers select, and values of the same parts of expressions. Must not be shared by queries with other
/// options. One thread.
class QueryCache {
 public:
  QueryCache();
  ~QueryCache();
  QueryCache(const QueryCache&) = delete;
  QueryCache& operator=(const QueryCache&) = delete;

  /// Values found so far do not count any more: another round of evaluations begins.
  void begin();
  /// A sample of this metric was written since.
  void wrote(std::string_view metric);

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

struct QueryOptions {
  Duration lookback = kDefaultLookback;
  /// Values held in memory at once, those of intermediate results and of the window being read included; a place
  /// between two samples of a series takes as much as a sample. More is Prometheus' error of too many samples.
  std::uint64_t samples_max = 50'000'000;
  /// Series that one selector may match; more is an error. Only with a checkpoint.
  std::uint64_t series_max = std::numeric_limits<std::uint64_t>::max();
  /// Called again and again while a query is evaluated, every few thousand values it touches. An error ends the query
  /// with that error. The store may be another one afterwards: samples and series may have come and gone.
  std::function<Result<void>()> checkpoint;
  Duration default_subquery_step = std::chrono::minutes(1);
  bool delayed_name_removal = false;
  std::shared_ptr<QueryCache> cache;
};

/// A parsed expression made ready to be evaluated again and again: what does not change between evaluations is kept
/// (the selected series while the store's generation stands). Not thread-safe; belongs to one rule or one request.
class Query {
 public:
  explicit Query(ExprPtr expr, QueryOptions options = {});
  ~Query();
  Query(Query&&) noexcept;
  Query& operator=(Query&&) noexcept;

  const Expr& expr() const;
  /// The value at one instant. Errors are Prometheus' sentences: `found duplicate series for the match group …`.
  Result<QueryResult> instant(const SeriesStore& store, TimePoint at);
  /// The values at start, start+step … <= end; a scalar or a vector expression only. Always a Matrix, sorted by labels.
  Result<QueryResult> range(const SeriesStore& store, TimePoint start, TimePoint end, Duration step);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin::promql
