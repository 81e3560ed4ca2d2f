#pragma once

#include "rules/promql/promql.h"

namespace tocsin {

struct RuleContext;

/// What a rule's expression gave: a scalar becomes one element without labels.
struct RuleResult {
  promql::Vector vector;
  std::uint64_t series_matched = 0;
  std::uint64_t samples_read = 0;
};

/// Evaluates an expression the way rules and the `query` of templates do. Errors: the query's, or a range vector or a
/// string as result.
Result<RuleResult> rule_result(promql::Query& query, const SeriesStore& store, TimePoint at);

promql::QueryOptions query_options(const RuleContext& context);

}  // namespace tocsin
