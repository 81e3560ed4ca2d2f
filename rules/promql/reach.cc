// How far an expression looks: what somebody needs to know who fetches the samples before it is evaluated.

#include "rules/promql/reach.h"

#include <algorithm>

#include "rules/promql/ast.h"

namespace tocsin::promql {
namespace {

constexpr Duration kComputed = std::chrono::hours(24);

Duration length(const DurationValue& value) {
  return value.expr ? kComputed : value.fixed;
}

/// A stretch of time, relative to the evaluation or to a fixed instant.
struct Stretch {
  Duration before{0};
  Duration after{0};
  std::optional<TimePoint> at;

  /// The same as seen through `range`, `offset` and `@` of what lies around it.
  Stretch through(Duration range, const TimeModifiers& time) const {
    Stretch out = *this;
    if (at) return out;  // already fixed: nothing outside moves it
    const Duration offset = length(time.offset);
    const bool computed = time.offset.expr != nullptr;
    out.before += range + offset;
    out.after += computed ? offset : -offset;
    if (time.anchor == AtAnchor::kTime) out.at = time.at;
    return out;
  }
};

class Finder {
 public:
  explicit Finder(Duration lookback) : lookback_(lookback) {}

  void visit(const Expr& expr, const std::vector<const Subquery*>& around) {
    if (const auto* selector = expr.as<VectorSelector>()) {
      // `smoothed` looks as far ahead as back.
      add(*selector, {lookback_, selector->smoothing == Smoothing::kNone ? Duration{0} : lookback_, {}}, Duration{0},
          around);
    } else if (const auto* matrix = expr.as<MatrixSelector>()) {
      const bool plain = matrix->selector.smoothing == Smoothing::kNone;
      const Duration beside = plain ? Duration{0} : lookback_;
      add(matrix->selector, {beside, beside, {}}, length(matrix->range), around);
    } else if (const auto* subquery = expr.as<Subquery>()) {
      std::vector<const Subquery*> inside = around;
      inside.push_back(subquery);
      visit(*subquery->inner, inside);
    } else {
      for_each_child(expr, [&](const ExprPtr& child) { visit(*child, around); });
    }
  }

  std::vector<SelectorReach> take() { return std::move(out_); }

 private:
  void add(const VectorSelector& selector, Stretch stretch, Duration range,
           const std::vector<const Subquery*>& around) {
    stretch = stretch.through(range, selector.time);
    for (auto subquery = around.rbegin(); subquery != around.rend(); ++subquery) {
      stretch = stretch.through(length((*subquery)->range), (*subquery)->time);
    }
    VectorSelector plain = selector;
    plain.time = {};
    plain.smoothing = Smoothing::kNone;
    Expr expr;
    expr.node = std::move(plain);
    SelectorReach found{selector.matchers, to_string(expr), stretch.before, std::max(stretch.after, Duration{0}),
                        stretch.at};
    const auto same =
        std::ranges::find_if(out_, [&](const SelectorReach& r) { return r.text == found.text && r.at == found.at; });
    if (same == out_.end()) {
      out_.push_back(std::move(found));
    } else {
      same->before = std::max(same->before, found.before);
      same->after = std::max(same->after, found.after);
    }
  }

  const Duration lookback_;
  std::vector<SelectorReach> out_;
};

}  // namespace

std::vector<SelectorReach> selector_reach(const Expr& expr, Duration lookback) {
  Finder finder(lookback);
  finder.visit(expr, {});
  return finder.take();
}

}  // namespace tocsin::promql
