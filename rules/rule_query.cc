#include "rules/rule_query.h"

#include "rules/promql/earliest.h"
#include "rules/rule_group.h"

namespace tocsin {

Result<RuleResult> rule_result(promql::Query& query, const SeriesStore& store, TimePoint at) {
  Result<promql::QueryResult> result = query.instant(store, at);
  if (!result) return tl::make_unexpected(std::move(result.error()));
  RuleResult out{{}, result->series_matched, result->samples_read};
  if (auto* vector = std::get_if<promql::Vector>(&result->value)) {
    out.vector = std::move(*vector);
  } else if (const auto* scalar = std::get_if<promql::ScalarValue>(&result->value)) {
    out.vector.push_back({Labels(), scalar->sample});
  } else {
    return fail("rule result is not a vector or scalar");
  }
  return out;
}

Result<RuleResult> rule_result(promql::Query& query, const SeriesStore& store, TimePoint at,
                               const RuleContext& context) {
  if (context.history == nullptr) return rule_result(query, store, at);
  const TimePoint from = promql::earliest_sample(query.expr(), at, at, query_options(context));
  if (from >= store.complete_since()) return rule_result(query, store, at);
  return rule_result(query, store.reaching_back(*context.history, from, TimePoint::max()), at);
}

promql::QueryOptions query_options(const RuleContext& context) {
  promql::QueryOptions options;
  options.lookback = context.lookback;
  options.samples_max = context.samples_max;
  options.default_subquery_step = context.evaluation_interval;  // as Prometheus does
  options.cache = context.query_cache;
  return options;
}

}  // namespace tocsin
