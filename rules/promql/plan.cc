// A query becomes a tree of nodes. A node evaluates all steps of a query at once and hands on a block: series times
// steps, dense. So an operator is a loop over two rows of doubles instead of a walk over maps of samples, and what
// belongs to series alone (which one matches which, in what group it is, what it is called afterwards) is found once
// and kept as long as the node below hands on the same list of series; a rule that is evaluated every few seconds on
// the same series never looks at a label.
//
// What does not depend on the step (everything below `@`) is evaluated at one step and copied to the others.

#include "rules/promql/plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <unordered_map>
#include <utility>

#include "rules/promql/functions.h"
#include "rules/promql/query_cache.h"

namespace tocsin::promql {
namespace {

/// Functions that know the time of the step.
bool depends_on_step(const Function& function) {
  if (std::holds_alternative<DateKernel>(function.kernel)) return true;
  constexpr std::array<std::string_view, 8> kNames = {"time",  "timestamp", "predict_linear", "start_timestamp",
                                                      "start", "end",       "step",           "range"};
  return std::ranges::find(kNames, function.name) != kNames.end();
}

/// True when the value is the same at each step.
bool is_invariant(const Expr& expr) {
  if (const auto* selector = expr.as<VectorSelector>()) return selector->time.anchor != AtAnchor::kNone;
  if (const auto* matrix = expr.as<MatrixSelector>()) return matrix->selector.time.anchor != AtAnchor::kNone;
  if (const auto* subquery = expr.as<Subquery>()) return subquery->time.anchor != AtAnchor::kNone;
  if (const auto* call = expr.as<Call>(); call != nullptr && depends_on_step(*call->function)) return false;
  bool all = true;
  for_each_child(expr, [&](const ExprPtr& child) { all = all && is_invariant(*child); });
  return all;
}

class Invariant final : public VectorNode {
 public:
  explicit Invariant(VectorNodePtr inner) : inner_(std::move(inner)) {}
  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    if (steps.count == 1) return inner_->eval(e, steps);
    auto one = inner_->eval(e, Steps{steps.start, steps.step, 1});
    if (!one) return one;
    auto out = e.block(one->series, steps.count);
    if (!out) return out;
    for (std::size_t row = 0; row < out->rows(); ++row) {
      e.work(steps.count);
      std::fill_n(out->row(row), steps.count, one->row(row)[0]);
    }
    return out;
  }

 private:
  VectorNodePtr inner_;
};

/// A part that other queries have too.
class Shared final : public VectorNode {
 public:
  explicit Shared(std::shared_ptr<SharedPart> part) : part_(std::move(part)) { part_->join(); }
  ~Shared() override { part_->leave(); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  Result<Block> eval(Evaluation& e, const Steps& steps) override { return part_->eval(e, steps); }

 private:
  std::shared_ptr<SharedPart> part_;
};

/// What works on native histograms only has nothing to say about floats.
class Nothing final : public VectorNode {
 public:
  explicit Nothing(VectorNodePtr inner) : inner_(std::move(inner)) {}
  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    return e.block(none_, steps.count);
  }

 private:
  VectorNodePtr inner_;
  SeriesListPtr none_ = std::make_shared<SeriesList>();
};

class VectorOfScalar final : public VectorNode {
 public:
  explicit VectorOfScalar(ScalarNodePtr inner) : inner_(std::move(inner)) {}
  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto values = inner_->eval(e, steps);
    if (!values) return tl::make_unexpected(values.error());
    auto out = e.block(series_, steps.count);
    if (out) std::ranges::copy(*values, out->row(0));
    return out;
  }

 private:
  ScalarNodePtr inner_;
  SeriesListPtr series_ = std::make_shared<SeriesList>(1);
};

/// timestamp() of anything but a selector: the time of the step.
class TimeOfSamples final : public VectorNode {
 public:
  TimeOfSamples(VectorNodePtr inner, bool is_selector) : inner_(std::move(inner)), is_selector_(is_selector) {}
  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    for (std::size_t row = 0; row < in->rows() && !is_selector_; ++row) {
      e.work(steps.count);
      for (std::size_t s = 0; s < steps.count; ++s) {
        if (!is_absent(in->row(row)[s])) in->row(row)[s] = static_cast<double>(steps.at(s)) / 1000;
      }
    }
    return renamed_.drop_names(e, std::move(*in), Relabelling::Collision::kMerge);
  }

 private:
  VectorNodePtr inner_;
  const bool is_selector_;
  Relabelling renamed_;
};

/// A scalar that is a function of the step.
template <class F>
class Computed final : public ScalarNode {
 public:
  explicit Computed(F f) : f_(std::move(f)) {}
  Result<std::vector<double>> eval(Evaluation& e, const Steps& steps) override {
    std::vector<double> out(steps.count);
    for (std::size_t s = 0; s < steps.count; ++s) out[s] = f_(e, steps.at(s));
    return out;
  }

 private:
  F f_;
};
template <class F>
ScalarNodePtr computed(F f) {
  return std::make_unique<Computed<F>>(std::move(f));
}

/// The only sample of a vector, NaN where there is not exactly one.
class ScalarOfVector final : public ScalarNode {
 public:
  explicit ScalarOfVector(VectorNodePtr inner) : inner_(std::move(inner)) {}
  Result<std::vector<double>> eval(Evaluation& e, const Steps& steps) override {
    auto in = inner_->eval(e, steps);
    if (!in) return tl::make_unexpected(in.error());
    std::vector<double> out(steps.count, kNaN);
    std::vector<int> found(steps.count, 0);
    for (std::size_t row = 0; row < in->rows(); ++row) {
      e.work(steps.count);
      for (std::size_t s = 0; s < steps.count; ++s) {
        const double v = in->row(row)[s];
        if (is_absent(v)) continue;
        out[s] = found[s]++ == 0 ? v : kNaN;
      }
    }
    return out;
  }

 private:
  VectorNodePtr inner_;
};

class NegatedScalar final : public ScalarNode {
 public:
  explicit NegatedScalar(ScalarNodePtr inner) : inner_(std::move(inner)) {}
  Result<std::vector<double>> eval(Evaluation& e, const Steps& steps) override {
    auto values = inner_->eval(e, steps);
    if (!values) return values;
    for (double& v : *values) v = -v;
    return values;
  }

 private:
  ScalarNodePtr inner_;
};

/// min_of(), max_of().
class Extreme final : public ScalarNode {
 public:
  Extreme(ScalarNodePtr a, ScalarNodePtr b, bool max) : a_(std::move(a)), b_(std::move(b)), max_(max) {}
  Result<std::vector<double>> eval(Evaluation& e, const Steps& steps) override {
    auto a = a_->eval(e, steps);
    if (!a) return a;
    auto b = b_->eval(e, steps);
    if (!b) return b;
    for (std::size_t i = 0; i < a->size(); ++i) {
      const double x = (*a)[i], y = (*b)[i];
      (*a)[i] = std::isnan(x) || std::isnan(y) ? kNaN : max_ ? std::max(x, y) : std::min(x, y);
    }
    return a;
  }

 private:
  ScalarNodePtr a_, b_;
  const bool max_;
};

double seconds(std::int64_t ms) {
  return static_cast<double>(ms) / 1000;
}

/// Seconds; the place of a mistake is part of its message.
Result<double> compute(const DurationExpr& d, const Evaluation& e) {
  using enum DurationExpr::Op;
  if (d.op == kLiteral) return d.seconds;
  if (d.op == kStep) return seconds(e.query.step);
  if (d.op == kRange) return seconds(e.query.end - e.query.start);
  auto r = compute(*d.rhs, e);
  if (!r || d.op == kNegate) return r ? Result<double>(-*r) : r;
  auto l = compute(*d.lhs, e);
  if (!l) return l;
  switch (d.op) {
    case kMin:
      return std::min(*l, *r);
    case kMax:
      return std::max(*l, *r);
    case kAdd:
      return *l + *r;
    case kSub:
      return *l - *r;
    case kMul:
      return *l * *r;
    case kDiv:
      return *r == 0 ? Result<double>(fail("{}:{}: division by zero", d.begin, d.end)) : *l / *r;
    case kMod:
      return *r == 0 ? Result<double>(fail("{}:{}: modulo by zero", d.begin, d.end)) : std::fmod(*l, *r);
    default:
      return std::pow(*l, *r);
  }
}

}  // namespace

Result<std::int64_t> resolve(const DurationValue& value, const Evaluation& e, bool may_be_negative) {
  if (!value.expr) return value.fixed.count();
  const auto computed = compute(*value.expr, e);
  if (!computed) return tl::make_unexpected(computed.error());
  if (!may_be_negative && *computed <= 0) {
    return fail("{}:{}: duration must be greater than 0", value.expr->begin, value.expr->end);
  }
  if (!(std::abs(*computed) < 9223372036.0))
    return fail("{}:{}: duration is out of range", value.expr->begin, value.expr->end);
  return duration_from_seconds(*computed).count();
}

namespace {
constexpr std::string_view kTooManySamples =
    "query processing would load too many samples into memory in query execution";
}

Result<std::vector<double>> Arena::take(std::size_t count) {
  if (!has_room(count)) return fail("{}", kTooManySamples);
  held_ += count;
  std::vector<double> values;
  if (!free_.empty()) {
    values = std::move(free_.back());
    free_.pop_back();
  }
  values.assign(count, kAbsent);
  return values;
}

void Arena::give(std::vector<double>&& values) {
  constexpr std::size_t kKept = 16;
  held_ -= values.size();
  if (free_.size() < kKept) free_.push_back(std::move(values));
}

Block& Block::operator=(Block&& other) noexcept {
  release();
  series = std::move(other.series);
  steps_ = std::exchange(other.steps_, 0);
  values_ = std::move(other.values_);
  arena_ = std::exchange(other.arena_, nullptr);
  return *this;
}

void Block::release() {
  if (arena_ != nullptr) std::exchange(arena_, nullptr)->give(std::move(values_));
}

Result<Block> Evaluation::block(SeriesListPtr series, std::size_t steps) {
  make_room(steps);  // the product below fits then
  auto values = arena_.take(series->size() * steps);
  if (!values) return tl::make_unexpected(values.error());
  work(values->size() / 8);
  Block out;
  out.series = std::move(series);
  out.steps_ = steps;
  out.values_ = std::move(*values);
  out.arena_ = &arena_;
  return out;
}

void Evaluation::make_room(std::uint64_t values) {
  if (!arena_.has_room(values)) throw Stopped{Error{std::string(kTooManySamples)}};
}

void Evaluation::reach_checkpoint() {
  until_checkpoint_ = kWorkBetweenCheckpoints;
  if (Result<void> ok = options.checkpoint(); !ok) throw Stopped{std::move(ok.error())};
}

void Evaluation::warn(std::string text, const Expr& at) {
  warnings_.insert(fmt::format("PromQL warning: {} ({}:{})", text, at.at.line, at.at.column));
}
void Evaluation::inform(std::string text, const Expr& at) {
  infos_.insert(fmt::format("PromQL info: {} ({}:{})", text, at.at.line, at.at.column));
}

Labels without_name(const Labels& labels) {
  constexpr std::array<std::string_view, 3> kNames = {kMetricName, "__type__", "__unit__"};
  if (std::ranges::none_of(kNames, [&](std::string_view name) { return labels.has(name); })) return labels;
  LabelsBuilder builder(labels);
  for (const std::string_view name : kNames) builder.del(name);
  return builder.labels();
}

void drop_name(OutSeries& series, bool delayed) {
  if (delayed) {
    series.drop_name = true;
  } else {
    series.labels = without_name(series.labels);
  }
}

std::shared_ptr<const Renaming> Relabelling::prepare(Evaluation& e, const SeriesListPtr& from,
                                                     std::shared_ptr<SeriesList> out) {
  auto renaming = std::make_shared<Renaming>();
  renaming->from = from;
  std::unordered_map<Labels, std::uint32_t> index;
  index.reserve(out->size());
  std::vector<std::uint32_t> row;
  auto unique = std::make_shared<SeriesList>();
  for (const OutSeries& s : *out) {
    const auto [at, made] = index.try_emplace(s.labels, static_cast<std::uint32_t>(unique->size()));
    if (made) unique->push_back(s);
    row.push_back(at->second);
    e.work(kSeriesWork);
  }
  if (unique->size() != out->size()) {
    renaming->row = std::move(row);
    out = std::move(unique);
  }
  renaming->to = std::move(out);
  return renaming;
}

std::shared_ptr<const Renaming> without_names(Evaluation& e, const SeriesListPtr& list, bool delayed) {
  auto out = std::make_shared<SeriesList>(*list);
  std::size_t bytes = 0;
  for (OutSeries& s : *out) {
    drop_name(s, delayed);
    bytes += s.labels.bytes();
    e.work(kSeriesWork);
    e.make_room(bytes / sizeof(double));
  }
  return Relabelling::prepare(e, list, std::move(out));
}

Result<Block> Relabelling::drop_names(Evaluation& e, Block in, Collision collision) {
  if (!renaming_ || in.series != renaming_->from) {
    const bool delayed = e.options.delayed_name_removal;
    renaming_ = e.options.cache && !delayed ? e.options.cache->impl().nameless(e, in.series)
                                            : without_names(e, in.series, delayed);
  }
  return map(e, std::move(in), collision);
}

Result<Block> Relabelling::map(Evaluation& e, Block in, Collision collision) {
  if (renaming_->row.empty()) {
    in.series = renaming_->to;
    return in;
  }
  auto out = e.block(renaming_->to, in.steps());
  if (!out) return out;
  std::vector<char> used(out->rows(), 0);
  for (std::size_t row = 0; row < in.rows(); ++row) {
    e.work(in.steps());
    double* const to = out->row(renaming_->row[row]);
    bool any = false;
    for (std::size_t s = 0; s < in.steps(); ++s) {
      const double v = in.row(row)[s];
      if (is_absent(v)) continue;
      if (!is_absent(to[s])) return fail("{}", kSameLabelset);
      to[s] = v;
      any = true;
    }
    if (any && std::exchange(used[renaming_->row[row]], 1) != 0 && collision == Collision::kRefuse)
      return fail("{}", kSameLabelset);
  }
  return out;
}

VectorNodePtr make_vector_of_scalar(ScalarNodePtr scalar) {
  return std::make_unique<VectorOfScalar>(std::move(scalar));
}

VectorNodePtr Planner::vector(const Expr& expr) {
  if (inside_invariant_ || !is_invariant(expr)) return shared(expr);
  inside_invariant_ = true;
  VectorNodePtr node = shared(expr);
  inside_invariant_ = false;
  return std::make_unique<Invariant>(std::move(node));
}

VectorNodePtr Planner::shared(const Expr& expr) {
  auto part = cache_ != nullptr ? cache_->impl().part(root_, unwrap(expr), *cache_) : nullptr;
  return part ? std::make_unique<Shared>(std::move(part)) : make_vector(expr);
}

std::shared_ptr<Selection> Planner::selection(const Matchers& matchers) {
  return cache_ != nullptr ? cache_->impl().selection(matchers) : std::make_shared<Selection>(matchers);
}

VectorNodePtr Planner::make_vector(const Expr& expr) {
  if (const auto* paren = expr.as<Paren>()) return make_vector(*paren->inner);
  if (const auto* unary = expr.as<Unary>()) {
    VectorNodePtr inner = vector(*unary->inner);
    return unary->negate ? make_negate(std::move(inner)) : std::move(inner);
  }
  if (const auto* selector = expr.as<VectorSelector>()) return make_vector_selector(*selector, false, *this);
  if (const auto* aggregate = expr.as<Aggregate>()) return make_aggregate(*aggregate, *this);
  if (const auto* binary = expr.as<Binary>()) return make_binary(*binary, *this);
  return call(expr);
}

VectorNodePtr Planner::call(const Expr& expr) {
  const Call& call = *expr.as<Call>();
  if (std::holds_alternative<WindowKernel>(call.function->kernel)) return make_range_function(call, *this);
  const auto* special = std::get_if<Special>(&call.function->kernel);
  if (special == nullptr) return make_elementwise(call, *this);
  switch (*special) {
    case Special::kAbsentVector:
      return make_absent(call, *this);
    case Special::kAbsentOverTime:
      return make_absent_over_time(call, *this);
    case Special::kVector:
      return make_vector_of_scalar(scalar(*call.args[0]));
    case Special::kTimestamp: {
      const auto* selector = unwrap(*call.args[0]).as<VectorSelector>();
      VectorNodePtr inner = selector != nullptr ? make_vector_selector(*selector, true, *this) : vector(*call.args[0]);
      return std::make_unique<TimeOfSamples>(std::move(inner), selector != nullptr);
    }
    case Special::kSort:
    case Special::kSortDesc:
    case Special::kSortByLabel:
    case Special::kSortByLabelDesc:
      return make_sort(expr, *this);
    case Special::kLabelReplace:
      return make_label_replace(call, *this);
    case Special::kLabelJoin:
      return make_label_join(call, *this);
    case Special::kLabelSet:
      return make_label_set(call, *this);
    case Special::kInfo:
      return make_info(call, *this);
    case Special::kHistogramQuantile:
    case Special::kHistogramQuantiles:
    case Special::kHistogramFraction:
      return make_histogram_function(call, *this);
    default:
      return std::make_unique<Nothing>(vector(*call.args[0]));
  }
}

ScalarNodePtr Planner::scalar(const Expr& expr) {
  if (const auto* paren = expr.as<Paren>()) return scalar(*paren->inner);
  if (const auto* number = expr.as<NumberLiteral>()) {
    return computed([v = number->value](const Evaluation&, std::int64_t) { return v; });
  }
  if (const auto* unary = expr.as<Unary>()) {
    ScalarNodePtr inner = scalar(*unary->inner);
    return unary->negate ? std::make_unique<NegatedScalar>(std::move(inner)) : std::move(inner);
  }
  if (const auto* binary = expr.as<Binary>()) return make_scalar_binary(*binary, *this);
  const Call& call = *expr.as<Call>();
  switch (std::get<Special>(call.function->kernel)) {
    case Special::kScalar:
      return std::make_unique<ScalarOfVector>(vector(*call.args[0]));
    case Special::kTime:
      return computed([](const Evaluation&, std::int64_t now) { return seconds(now); });
    case Special::kStart:
      return computed([](const Evaluation& e, std::int64_t) { return seconds(e.query.start); });
    case Special::kEnd:
      return computed([](const Evaluation& e, std::int64_t) { return seconds(e.query.end); });
    case Special::kStep:
      return computed([](const Evaluation& e, std::int64_t) { return seconds(e.query.step); });
    case Special::kRange:
      return computed([](const Evaluation& e, std::int64_t) { return seconds(e.query.end - e.query.start); });
    case Special::kMinOf:
      return std::make_unique<Extreme>(scalar(*call.args[0]), scalar(*call.args[1]), false);
    case Special::kMaxOf:
      return std::make_unique<Extreme>(scalar(*call.args[0]), scalar(*call.args[1]), true);
    default:
      return computed([](const Evaluation&, std::int64_t) { return std::numbers::pi; });
  }
}

RangeNodePtr Planner::range(const Expr& expr) {
  const Expr& bare = unwrap(expr);
  if (const auto* matrix = bare.as<MatrixSelector>()) return make_matrix_selector(*matrix, *this);
  const auto& subquery = *bare.as<Subquery>();
  // The inside runs at steps of its own, so what is the same at each of them has to be said again.
  const bool outer = std::exchange(inside_invariant_, false);
  VectorNodePtr inner = vector(*subquery.inner);
  inside_invariant_ = outer;
  return make_subquery(subquery, std::move(inner));
}

}  // namespace tocsin::promql
