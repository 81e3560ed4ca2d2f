// The node of functions over range vectors. A series is read once; each step sees a window of that buffer, found by
// moving its two ends, so the steps of a range query share the decoding. Where windows overlap by much, most functions
// also share what they found out about the samples (sliding.cc).

#include <algorithm>
#include <array>

#include "rules/promql/functions.h"
#include "rules/promql/plan.h"
#include "rules/promql/sliding.h"

namespace tocsin::promql {
namespace {

std::int64_t ms(const Sample& s) {
  return s.t.time_since_epoch().count();
}

/// Calls visit(step, window, first) for each step at which the window holds a sample; it begins at buffer[first].
template <class Visit>
void slide(const RangeNode::Extent& extent, const Steps& steps, const std::vector<Sample>& buffer, Visit&& visit) {
  std::size_t first = 0, end = 0;
  for (std::size_t s = 0; s < steps.count; ++s) {
    Window w;
    w.now = steps.at(s);
    w.to = extent.to(w.now);
    w.from = w.to - extent.range;
    w.smoothing = extent.smoothing;
    while (end < buffer.size() && ms(buffer[end]) <= w.to + extent.after) ++end;
    while (first < end && ms(buffer[first]) <= w.from - extent.before) ++first;
    if (first == end) continue;
    w.samples = std::span(buffer).subspan(first, end - first);
    visit(s, w, first);
  }
}

bool looks_like_counter(std::string_view name) {
  constexpr std::array<std::string_view, 4> kEndings = {"_total", "_sum", "_count", "_bucket"};
  return std::ranges::any_of(kEndings, [&](std::string_view ending) { return name.ends_with(ending); });
}

class RangeFunction final : public VectorNode {
 public:
  RangeFunction(ExprPtr range_expr, const Expr* quantile_expr, const Function& function, RangeNodePtr range,
                std::vector<ScalarNodePtr> params)
      : range_expr_(std::move(range_expr)),
        quantile_expr_(quantile_expr),
        function_(function),
        kernel_(std::get<WindowKernel>(function.kernel)),
        sliding_(make_sliding(function.name)),
        range_(std::move(range)),
        params_(std::move(params)),
        counts_(function.name == "rate" || function.name == "increase" || function.name == "increase_pure"),
        keeps_name_(function.name == "last_over_time" || function.name == "first_over_time") {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    const std::size_t width = params_.size();
    params_now_.assign(steps.count * width, 0);
    for (std::size_t p = 0; p < width; ++p) {
      auto values = params_[p]->eval(e, steps);
      if (!values) return tl::make_unexpected(values.error());
      for (std::size_t i = 0; i < steps.count; ++i) params_now_[i * width + p] = (*values)[i];
    }
    auto series = range_->open(e, steps);
    if (!series) return tl::make_unexpected(series.error());
    if (auto ok = check_smoothing(); !ok) return tl::make_unexpected(ok.error());
    auto out = e.block(*series, steps.count);
    if (!out) return out;
    if (counts_) check_names(*series);
    const bool quantile = quantile_expr_ != nullptr;
    const bool overlap = sliding_ && steps.count > 1 && windows_overlap(steps);
    for (std::size_t i = 0; i < out->rows(); ++i) {
      buffer_.clear();
      if (auto ok = range_->load(e, i, buffer_); !ok) return tl::make_unexpected(ok.error());
      if (buffer_.empty()) continue;
      double* const row = out->row(i);
      bool any = false;
      std::string mistake;
      SlidingKernel* const sliding = overlap && sliding_->begin(buffer_, params_now_.data()) ? sliding_.get() : nullptr;
      slide(range_->extent(), steps, buffer_, [&](std::size_t s, Window& w, std::size_t first) {
        e.work(sliding != nullptr ? 4 : w.samples.size());
        w.params = params_now_.data() + s * width;
        w.scratch = &scratch_;
        if (width == 2 && mistake.empty()) mistake = check_factors(w.params);
        row[s] = sliding != nullptr ? sliding->at(first, first + w.samples.size(), w) : kernel_(w);
        any |= !is_absent(row[s]);
        if (quantile) check_quantile(e, w.params[0]);
      });
      if (!mistake.empty()) return fail("{}", mistake);
      if (any && counts_ && suspect_[i] >= 0) suspects_[static_cast<std::size_t>(suspect_[i])].second = true;
    }
    if (counts_) tell_suspects(e);
    if (keeps_name_) return out;
    return renamed_.drop_names(e, std::move(*out), Relabelling::Collision::kRefuse);
  }

 private:
  /// Of double_exponential_smoothing().
  static std::string check_factors(const double* params) {
    for (int i = 0; i < 2; ++i) {
      if (params[i] > 0 && params[i] < 1) continue;
      return fmt::format("invalid {0} factor. Expected: 0 < {1} < 1, got: {2:f}", i == 0 ? "smoothing" : "trend",
                         i == 0 ? "sf" : "tf", params[i]);
    }
    return {};
  }
  void check_quantile(Evaluation& e, double q) const;

  /// By so much that the sliding kernel has less to do than the plain one.
  bool windows_overlap(const Steps& steps) const {
    const std::size_t width = params_.size();
    for (std::size_t i = width; i < params_now_.size(); ++i) {
      if (params_now_[i] != params_now_[i - width]) return false;
    }
    const RangeNode::Extent& extent = range_->extent();
    return extent.smoothing == Smoothing::kNone && !extent.fixed && extent.range >= 4 * steps.step;
  }

  Result<void> check_smoothing() const {
    const Smoothing how = range_->extent().smoothing;
    if (how == Smoothing::kNone || counts_ || function_.name == "delta") return {};
    if (how == Smoothing::kAnchored) {
      if (function_.name == "changes" || function_.name == "resets") return {};
      return fail("anchored modifier can only be used with: changes, delta, increase, rate, resets - not with {}",
                  function_.name);
    }
    return fail("smoothed modifier can only be used with: delta, increase, rate - not with {}", function_.name);
  }

  /// Finds the names that do not look like a counter's, once per list of series.
  void check_names(const SeriesListPtr& series) {
    if (series == checked_) return;
    checked_ = series;
    suspects_.clear();
    suspect_.assign(series->size(), -1);
    for (std::size_t i = 0; i < series->size(); ++i) {
      const std::string_view name = (*series)[i].labels.metric_name();
      if (name.empty() || looks_like_counter(name)) continue;
      auto at = std::ranges::find(suspects_, name, [](const auto& s) { return std::string_view(s.first); });
      if (at == suspects_.end()) at = suspects_.insert(at, {std::string(name), false});
      suspect_[i] = static_cast<int>(at - suspects_.begin());
    }
  }
  void tell_suspects(Evaluation& e) {
    for (auto& [name, seen] : suspects_) {
      if (!std::exchange(seen, false)) continue;
      e.inform("metric might not be a counter, name does not end in _total/_sum/_count/_bucket: " + quoted(name),
               unwrap(*range_expr_));
    }
  }

  ExprPtr range_expr_;
  const Expr* quantile_expr_;
  const Function& function_;
  WindowKernel kernel_;
  std::unique_ptr<SlidingKernel> sliding_;
  RangeNodePtr range_;
  std::vector<ScalarNodePtr> params_;
  const bool counts_;
  const bool keeps_name_;
  std::vector<Sample> buffer_;
  std::vector<double> scratch_;
  std::vector<double> params_now_;
  Relabelling renamed_;
  SeriesListPtr checked_;
  std::vector<int> suspect_;
  std::vector<std::pair<std::string, bool>> suspects_;
};

void RangeFunction::check_quantile(Evaluation& e, double q) const {
  if (q >= 0 && q <= 1) return;
  e.warn(fmt::format("quantile value should be between 0 and 1, got {}", format_go_g(q)), *quantile_expr_);
}

/// 1 at the steps at which no series has a sample in the window.
class AbsentOverTime final : public VectorNode {
 public:
  AbsentOverTime(RangeNodePtr range, Labels labels)
      : range_(std::move(range)), series_(std::make_shared<SeriesList>(1, OutSeries{std::move(labels), false})) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto series = range_->open(e, steps);
    if (!series) return tl::make_unexpected(series.error());
    auto out = e.block(series_, steps.count);
    if (!out) return out;
    std::ranges::fill(out->values(), 1);
    std::size_t missing = steps.count;
    for (std::size_t i = 0; i < (*series)->size() && missing > 0; ++i) {
      buffer_.clear();
      if (auto ok = range_->load(e, i, buffer_); !ok) return tl::make_unexpected(ok.error());
      e.work(steps.count);
      slide(range_->extent(), steps, buffer_, [&](std::size_t s, const Window&, std::size_t) {
        if (!is_absent(std::exchange(out->row(0)[s], kAbsent))) --missing;
      });
    }
    return out;
  }

 private:
  RangeNodePtr range_;
  SeriesListPtr series_;
  std::vector<Sample> buffer_;
};

class Absent final : public VectorNode {
 public:
  Absent(VectorNodePtr inner, Labels labels)
      : inner_(std::move(inner)), series_(std::make_shared<SeriesList>(1, OutSeries{std::move(labels), false})) {}

  Result<Block> eval(Evaluation& e, const Steps& steps) override {
    auto in = inner_->eval(e, steps);
    if (!in) return in;
    auto out = e.block(series_, steps.count);
    if (!out) return out;
    std::ranges::fill(out->values(), 1);
    for (std::size_t i = 0; i < in->rows(); ++i) {
      e.work(steps.count);
      for (std::size_t s = 0; s < steps.count; ++s) {
        if (!is_absent(in->row(i)[s])) out->row(0)[s] = kAbsent;
      }
    }
    return out;
  }

 private:
  VectorNodePtr inner_;
  SeriesListPtr series_;
};

/// What a selector that finds nothing says about the series it would have found: labels it compares for equality, once
/// each.
Labels labels_of_absent(const Expr& expr) {
  const VectorSelector* selector = expr.as<VectorSelector>();
  if (const auto* matrix = expr.as<MatrixSelector>()) selector = &matrix->selector;
  LabelsBuilder labels;
  if (selector == nullptr) return labels.labels();
  std::set<std::string_view> seen;
  for (const Matcher& m : selector->matchers) {
    if (m.name() == kMetricName) continue;
    const bool first = m.op() == MatchOp::kEqual && seen.insert(m.name()).second;
    labels.set(m.name(), first ? std::string_view(m.value()) : std::string_view());
  }
  return labels.labels();
}

/// The range with the sample before the window, if it is a selector that does not say anything else.
ExprPtr anchored(const ExprPtr& range) {
  auto copy = std::make_shared<Expr>(unwrap(*range));
  auto* const matrix = std::get_if<MatrixSelector>(&copy->node);
  if (matrix == nullptr || matrix->selector.smoothing != Smoothing::kNone) return range;
  matrix->selector.smoothing = Smoothing::kAnchored;
  return copy;
}

}  // namespace

VectorNodePtr make_range_function(const Call& call, Planner& planner) {
  RangeNodePtr range;
  ExprPtr range_expr;
  std::vector<ScalarNodePtr> params;
  for (const ExprPtr& arg : call.args) {
    if (arg->type() == ValueType::kMatrix) {
      range_expr = call.function->name == "increase_pure" ? anchored(arg) : arg;
      range = planner.range(*range_expr);
    } else {
      params.push_back(planner.scalar(*arg));
    }
  }
  const Expr* quantile = call.function->name == "quantile_over_time" ? call.args[0].get() : nullptr;
  return std::make_unique<RangeFunction>(std::move(range_expr), quantile, *call.function, std::move(range),
                                         std::move(params));
}

VectorNodePtr make_absent_over_time(const Call& call, Planner& planner) {
  const Expr& arg = unwrap(*call.args[0]);
  return std::make_unique<AbsentOverTime>(planner.range(arg), labels_of_absent(arg));
}

VectorNodePtr make_absent(const Call& call, Planner& planner) {
  const Expr& arg = unwrap(*call.args[0]);
  return std::make_unique<Absent>(planner.vector(arg), labels_of_absent(arg));
}

}  // namespace tocsin::promql
