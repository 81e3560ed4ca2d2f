#pragma once

#include "rules/promql/promql.h"

namespace tocsin::promql {

/// No sample before this instant is looked at when `expr` is evaluated from `start` to `end`. TimePoint::min() when that
/// cannot be said without evaluating it (a duration that is computed). TimePoint::max() when it looks at none.
TimePoint earliest_sample(const Expr& expr, TimePoint start, TimePoint end, const QueryOptions& options);

}  // namespace tocsin::promql
