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

/// The same with the samples that are in memory no more, when the expression looks further back than memory and the
/// context has a history. Reads it, which takes as long as the disk does.
Result<RuleResult> rule_result(promql::Query& query, const SeriesStore& store, TimePoint at,
                               const RuleContext& context);

promql::QueryOptions query_options(const RuleContext& context);

}  // namespace tocsin
