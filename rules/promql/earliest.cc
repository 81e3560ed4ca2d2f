#include "rules/promql/earliest.h"

#include <algorithm>

#include "rules/promql/ast.h"

namespace tocsin::promql {

namespace {

/// The times of the whole query, which `@ start()` and `@ end()` mean inside of a subquery too.
struct Reach {
  TimePoint query_start;
  TimePoint query_end;
  const QueryOptions& options;
  bool known = true;

  Duration fixed(const DurationValue& value) {
    known = known && value.expr == nullptr;
    return value.fixed;
  }

  TimePoint shifted(const TimeModifiers& time, TimePoint start) {
    switch (time.anchor) {
      case AtAnchor::kNone:
        break;
      case AtAnchor::kTime:
        start = time.at;
        break;
      case AtAnchor::kStart:
        start = query_start;
        break;
      case AtAnchor::kEnd:
        start = query_end;
        break;
    }
    return start - fixed(time.offset);
  }

  TimePoint earliest(const Expr& expr, TimePoint start) {
    if (const auto* s = expr.as<VectorSelector>()) return shifted(s->time, start) - options.lookback;
    if (const auto* m = expr.as<MatrixSelector>()) {
      const Duration before = m->selector.smoothing == Smoothing::kNone ? Duration{0} : options.lookback;
      return shifted(m->selector.time, start) - fixed(m->range) - before;
    }
    if (const auto* s = expr.as<Subquery>()) {
      (void)fixed(s->step);
      return earliest(*s->inner, shifted(s->time, start) - fixed(s->range));
    }
    TimePoint out = TimePoint::max();
    for_each_child(expr, [&](const ExprPtr& child) { out = std::min(out, earliest(*child, start)); });
    return out;
  }
};

}  // namespace

TimePoint earliest_sample(const Expr& expr, TimePoint start, TimePoint end, const QueryOptions& options) {
  Reach reach{start, end, options};
  const TimePoint out = reach.earliest(expr, start);
  return reach.known ? out : TimePoint::min();
}

}  // namespace tocsin::promql
