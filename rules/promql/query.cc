// A query: its plan, and what its last block means as a value.

#include <algorithm>
#include <map>

#include "rules/promql/functions.h"
#include "rules/promql/plan.h"

namespace tocsin::promql {
namespace {

constexpr std::size_t kStepsMax = 1'000'000;

std::int64_t ms(TimePoint t) {
  return t.time_since_epoch().count();
}
TimePoint at_ms(std::int64_t t) {
  return TimePoint{Duration{t}};
}

Labels final_labels(const OutSeries& s) {
  return s.drop_name ? without_name(s.labels) : s.labels;
}

/// An instant vector out of a block of one step, in its order.
Result<Vector> to_vector(Evaluation& e, const Block& block, TimePoint t) {
  Vector out;
  bool dropped = false;
  for (std::size_t row = 0; row < block.rows(); ++row) {
    const double v = block.row(row)[0];
    if (is_absent(v)) continue;
    const OutSeries& s = (*block.series)[row];
    dropped |= s.drop_name;
    out.push_back({final_labels(s), {t, v}});
    e.work(1);
  }
  if (!dropped) return out;
  std::vector<const Labels*> sorted;
  for (const VectorElement& element : out) sorted.push_back(&element.labels);
  std::ranges::sort(sorted, [](const Labels* a, const Labels* b) { return *a < *b; });
  const auto same = [](const Labels* a, const Labels* b) { return *a == *b; };
  if (std::ranges::adjacent_find(sorted, same) != sorted.end()) return fail("{}", kSameLabelset);
  return out;
}

/// Series sorted by labels. Those that are the same once their names are gone are put together, unless they meet at a
/// step.
Result<Matrix> to_matrix(Evaluation& e, const Block& block, const Steps& steps) {
  std::map<Labels, MatrixSeries> series;
  for (std::size_t row = 0; row < block.rows(); ++row) {
    const OutSeries& s = (*block.series)[row];
    e.work(steps.count + kSeriesWork);
    const std::span<const double> values(block.row(row), steps.count);
    const auto absent = std::ranges::count_if(values, is_absent);
    if (absent == std::ssize(values)) continue;
    std::vector<Sample> samples;
    samples.reserve(values.size() - static_cast<std::size_t>(absent));
    for (std::size_t i = 0; i < steps.count; ++i) {
      if (!is_absent(values[i])) samples.push_back({at_ms(steps.at(i)), values[i]});
    }
    Labels labels = final_labels(s);
    MatrixSeries& into = series.try_emplace(series.end(), labels)->second;  // mostly they come in order
    into.labels = std::move(labels);
    if (into.samples.empty()) {
      into.samples = std::move(samples);
      continue;
    }
    const auto middle = static_cast<std::ptrdiff_t>(into.samples.size());
    into.samples.insert(into.samples.end(), samples.begin(), samples.end());
    std::inplace_merge(into.samples.begin(), into.samples.begin() + middle, into.samples.end(),
                       [](const Sample& a, const Sample& b) { return a.t < b.t; });
    const auto same = [](const Sample& a, const Sample& b) { return a.t == b.t; };
    if (std::ranges::adjacent_find(into.samples, same) != into.samples.end()) return fail("{}", kSameLabelset);
  }
  Matrix out;
  out.reserve(series.size());
  for (auto& [labels, s] : series) out.push_back(std::move(s));
  return out;
}

/// What `anchored` and `smoothed` make of a range selector that is the whole query: values at the very edges of the
/// window.
void extend(std::vector<Sample>& samples, const RangeNode::Extent& extent, std::int64_t from, std::int64_t to) {
  if (samples.empty()) return;
  const auto time = [&](std::size_t i) { return ms(samples[i].t); };
  const auto on_line = [&](std::size_t a, std::int64_t t) {
    const Sample &x = samples[a], &y = samples[a + 1];
    return x.v + (y.v - x.v) * static_cast<double>(t - ms(x.t)) / static_cast<double>(ms(y.t) - ms(x.t));
  };
  const bool smoothed = extent.smoothing == Smoothing::kSmoothed;
  std::size_t last = samples.size() - 1, first = 0;
  while (first < samples.size() - 1 && time(first) <= from) ++first;
  first = first > 0 ? first - 1 : 0;
  if (smoothed) {
    for (last = 0; last < samples.size() - 1 && time(last) < to;) ++last;
  }
  if (time(last) <= from) return samples.clear();
  const double left = smoothed && time(first) < from ? on_line(first, from) : samples[first].v;
  const double right = smoothed && last > 0 && time(last) > to ? on_line(last - 1, to) : samples[last].v;
  std::vector<Sample> out{{at_ms(from), left}};
  for (std::size_t i = first; i <= last; ++i) {
    if (time(i) > from && time(i) < to) out.push_back(samples[i]);
  }
  out.push_back({at_ms(to), right});
  samples = std::move(out);
}

}  // namespace

struct Query::Impl {
  Impl(ExprPtr parsed, QueryOptions with)
      : expr(std::move(parsed)), options(std::move(with)), arena(options.samples_max) {
    make_plan();
  }

  void make_plan() {
    Planner planner(expr, options.cache.get());
    switch (expr->type()) {
      case ValueType::kVector:
        vector = planner.vector(*expr);
        break;
      case ValueType::kScalar:
        scalar = planner.scalar(*expr);
        break;
      case ValueType::kMatrix:
        range = planner.range(*expr);
        break;
      case ValueType::kString:
        break;
    }
  }

  /// What a plan keeps may be half done when an evaluation is stopped, so there is a new one.
  Result<QueryResult> stopped(Stopped why) {
    make_plan();
    return tl::make_unexpected(std::move(why.error));
  }

  static QueryResult result(Evaluation& e, decltype(QueryResult::value) value) {
    return {std::move(value), e.warnings(), e.infos(), e.samples_read, e.series_matched, e.samples_peak()};
  }

  Result<QueryResult> instant(Evaluation& e, TimePoint at);
  Result<QueryResult> range_values(Evaluation& e, const Steps& steps);
  Result<Matrix> read_range(Evaluation& e, const Steps& step);

  ExprPtr expr;
  QueryOptions options;
  Arena arena;
  VectorNodePtr vector;
  ScalarNodePtr scalar;
  RangeNodePtr range;
};

Result<Matrix> Query::Impl::read_range(Evaluation& e, const Steps& step) {
  auto series = range->open(e, step);
  if (!series) return tl::make_unexpected(series.error());
  std::map<Labels, MatrixSeries> out;
  const std::int64_t to = range->extent().to(step.start);
  std::uint64_t held = 0;
  for (std::size_t i = 0; i < (*series)->size(); ++i) {
    MatrixSeries s{final_labels((**series)[i]), {}};
    if (auto ok = range->load(e, i, s.samples); !ok) return tl::make_unexpected(ok.error());
    if (range->extent().smoothing != Smoothing::kNone)
      extend(s.samples, range->extent(), to - range->extent().range, to);
    held += s.samples.size();
    e.make_room(held);
    e.work(s.samples.size() + kSeriesWork);
    if (s.samples.empty()) continue;
    if (!out.try_emplace(s.labels, s).second) return fail("{}", kSameLabelset);
  }
  Matrix matrix;
  for (auto& [labels, s] : out) matrix.push_back(std::move(s));
  return matrix;
}

Result<QueryResult> Query::Impl::instant(Evaluation& e, TimePoint at) {
  const Steps step{ms(at), 1, 1};
  switch (expr->type()) {
    case ValueType::kString:
      return result(e, StringValue{at, unwrap(*expr).as<StringLiteral>()->text});
    case ValueType::kScalar: {
      auto value = scalar->eval(e, step);
      if (!value) return tl::make_unexpected(value.error());
      return result(e, ScalarValue{{at, value->front()}});
    }
    case ValueType::kMatrix: {
      auto value = read_range(e, step);
      if (!value) return tl::make_unexpected(value.error());
      return result(e, std::move(*value));
    }
    case ValueType::kVector:
      break;
  }
  auto block = vector->eval(e, step);
  if (!block) return tl::make_unexpected(block.error());
  auto value = to_vector(e, *block, at);
  if (!value) return tl::make_unexpected(value.error());
  return result(e, std::move(*value));
}

Result<QueryResult> Query::Impl::range_values(Evaluation& e, const Steps& steps) {
  if (scalar) {
    e.make_room(steps.count);
    auto values = scalar->eval(e, steps);
    if (!values) return tl::make_unexpected(values.error());
    MatrixSeries series;
    for (std::size_t i = 0; i < steps.count; ++i) series.samples.push_back({at_ms(steps.at(i)), (*values)[i]});
    return result(e, Matrix{std::move(series)});
  }
  auto block = vector->eval(e, steps);
  if (!block) return tl::make_unexpected(block.error());
  auto matrix = to_matrix(e, *block, steps);
  if (!matrix) return tl::make_unexpected(matrix.error());
  return result(e, std::move(*matrix));
}

Query::Query(ExprPtr expr, QueryOptions options) : impl_(std::make_unique<Impl>(std::move(expr), std::move(options))) {}
Query::~Query() = default;
Query::Query(Query&&) noexcept = default;
Query& Query::operator=(Query&&) noexcept = default;

const Expr& Query::expr() const {
  return *impl_->expr;
}

Result<QueryResult> Query::instant(const SeriesStore& store, TimePoint at) {
  try {
    Evaluation e(store, impl_->options, impl_->arena, {ms(at), ms(at), 0});
    return impl_->instant(e, at);
  } catch (Stopped& stopped) {
    return impl_->stopped(std::move(stopped));
  }
}

Result<QueryResult> Query::range(const SeriesStore& store, TimePoint start, TimePoint end, Duration step) {
  const ValueType type = impl_->expr->type();
  if (type != ValueType::kVector && type != ValueType::kScalar) {
    return fail("invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                type == ValueType::kMatrix ? "range vector" : "string");
  }
  if (step <= Duration{0}) return fail("zero or negative query resolution step widths are not accepted");
  if (end < start) return QueryResult{Matrix{}, {}, {}};
  const Steps steps{ms(start), step.count(), static_cast<std::size_t>((end - start) / step + 1)};
  if (steps.count > kStepsMax) return fail("the query has {} steps, more than {}", steps.count, kStepsMax);
  try {
    Evaluation e(store, impl_->options, impl_->arena, {ms(start), ms(end), step.count()});
    return impl_->range_values(e, steps);
  } catch (Stopped& stopped) {
    return impl_->stopped(std::move(stopped));
  }
}

}  // namespace tocsin::promql
