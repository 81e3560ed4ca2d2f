#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "notifiers/route.h"
#include "rules/promql/promql.h"
#include "rules/rule_group.h"

namespace tocsin {

/// What a backtest plays: rules over samples that were taken long ago, and, with `notify`, who would have been paged.
struct Backtest {
  std::vector<RuleGroupConfig> groups;
  std::shared_ptr<const RuleContext> context;
  /// None: nobody is told.
  std::shared_ptr<const NotifyConfig> notify;
  TimePoint from;
  TimePoint to;
};

/// One time that an alert was active.
struct BacktestOccurrence {
  Labels labels;  // of the alert
  TimePoint pending_at;
  std::optional<TimePoint> fired_at;
  std::optional<TimePoint> ended_at;  // none: still active at the end
  double peak = 0;                    // the value farthest from 0
};

struct BacktestRule {
  std::string group;
  std::string name;
  bool is_alert = false;
  std::vector<BacktestOccurrence> occurrences;  // by start; those that were over before `from` are left out
  std::uint64_t evaluations = 0;
  std::uint64_t failures = 0;
  std::string last_error;

  std::size_t fired() const;
  /// The sum over all alerts of how long they fired between from and to.
  Duration firing_time(TimePoint from, TimePoint to) const;
};

struct BacktestReport {
  std::vector<BacktestRule> rules;
  /// Messages by receiver and channel: those with something firing, and those that only tell of an end.
  std::map<std::pair<std::string, std::string>, std::pair<std::uint64_t, std::uint64_t>> pages;
};

/// Evaluates the groups at their own slots from `from` to `to`, and before that for as long as the longest `for` and
/// keep_firing_for, so that what was pending or firing at `from` is known. Everything counts that counts in the agent:
/// limit, keep_firing_for, the `query` of templates, routes, grouping and repeats. Every message is taken for delivered
/// at once. Series that the rules record themselves are left out of `data`.
BacktestReport run_backtest(const Backtest& plan, std::span<const promql::MatrixSeries> data);

/// How long before `from` samples are needed.
Duration backtest_warm_up(const std::vector<RuleGroupConfig>& groups);

/// The same rule with another threshold: the number that the outermost comparison of its expression compares with.
/// Nothing when there is none.
std::optional<std::string> with_threshold(const std::string& expr, double threshold);

}  // namespace tocsin
