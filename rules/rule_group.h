#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/alert.h"
#include "agent/store/history.h"
#include "agent/store/series_store.h"
#include "agent/store/state_db.h"
#include "rules/dependency.h"
#include "rules/promql/promql.h"
#include "rules/rule_file.h"

namespace tocsin {

/// What all groups share.
struct RuleContext {
  std::map<std::string, std::string> external_labels;
  std::string external_url;
  Duration evaluation_interval = std::chrono::seconds(15);
  Duration resend_delay = std::chrono::minutes(1);
  Duration query_offset{0};  // of groups that do not say their own
  Duration lookback = kDefaultLookback;
  std::uint64_t samples_max = 50'000'000;
  /// What the store holds in memory no more, for rules that look that far back. None: they see what is in memory.
  std::shared_ptr<History> history;
  /// What rules have in common. Of one thread, as the groups are.
  std::shared_ptr<promql::QueryCache> query_cache = std::make_shared<promql::QueryCache>();
  /// How long after a restart an alert that the expression does not give stays as it was, unless its data is seen to be
  /// back before.
  Duration restore_hold = kDefaultLookback;
  /// Which alerts fire that others depend on; a new one for each configuration. Of one thread, as the groups are.
  std::shared_ptr<AlertBoard> board = std::make_shared<AlertBoard>();
  /// Seconds of a clock that never jumps, for what evaluations take. Without it, they take 0.
  std::function<double()> stopwatch;
};

enum class RuleHealth { kUnknown, kOk, kError };
enum class AlertState { kInactive, kPending, kFiring };
std::string_view to_string(RuleHealth health);  // unknown, ok, err
std::string_view to_string(AlertState state);   // inactive, pending, firing

/// One alert of a rule, for the page and the API.
struct ActiveAlert {
  Labels labels;
  Annotations annotations;
  AlertState state = AlertState::kInactive;
  TimePoint active_at;
  std::optional<TimePoint> fired_at;
  std::optional<TimePoint> keep_firing_since;
  double value = 0;
  std::optional<TimePoint> missing_since = {};  // its data is not there, and it is held
  std::optional<TimePoint> last_sent_at = {};
  std::string suppressed_by = {};  // the labels of the firing alert that it depends on
};

/// An alert that went from one state to another.
struct AlertChange {
  Labels labels;
  AlertState from = AlertState::kInactive;
  AlertState to = AlertState::kInactive;
};
inline constexpr std::size_t kAlertChangesMax = 20;

/// One evaluation of a rule, as it is remembered.
struct RuleEvaluation {
  TimePoint at;
  double seconds = 0;
  std::uint64_t series_matched = 0;  // by its selectors
  std::uint64_t samples_read = 0;
  std::uint64_t samples = 0;  // that it gave
  std::uint32_t pending = 0;  // alerts
  std::uint32_t firing = 0;
  std::string error;
  std::vector<AlertChange> changes;
};
inline constexpr std::size_t kRuleEvaluationsMax = 20;

/// How one rule stands, for the page and the API.
struct RuleStatus {
  RuleConfig config;
  RuleHealth health = RuleHealth::kUnknown;
  std::string last_error;
  TimePoint last_evaluation;
  double evaluation_seconds = 0;
  std::uint64_t series_matched = 0;          // by the selectors of the last evaluation
  std::uint64_t samples = 0;                 // that it gave
  AlertState state = AlertState::kInactive;  // the worst of its alerts
  std::vector<ActiveAlert> alerts;
  std::vector<std::string> never_matched;  // selectors that have matched no series since the start
};

/// What one evaluation of a group led to.
struct GroupEvaluation {
  /// What the alert manager must hear: firing alerts that are due to be sent, and resolved ones.
  std::vector<Alert> alerts;
  /// The rows of alert_state that changed.
  StateChange changes;
  std::uint64_t failures = 0;
  std::uint64_t samples = 0;
  std::optional<double> seconds;  // that the evaluation took; none when this is of a restore or a reload
  std::vector<double> rule_seconds;
};

/// What a group counts, under the names of Prometheus' metrics without `prometheus_rule_`. Goes on across a reload.
struct RuleGroupStats {
  std::uint64_t group_iterations_total = 0;  // missed ones too
  std::uint64_t group_iterations_missed_total = 0;
  std::uint64_t evaluations_total = 0;  // of rules
  std::uint64_t evaluation_failures_total = 0;
  TimePoint group_last_evaluation;
  double group_last_duration_seconds = 0;
  double group_last_rule_duration_sum_seconds = 0;
  double group_last_restore_duration_seconds = 0;
  std::uint64_t group_last_evaluation_samples = 0;
};

/// A group of rules and the alerts they have raised: a plain function of (now, store) with memory. Writes recorded
/// series, ALERTS and ALERTS_FOR_STATE into the store. No clock, no I/O. Semantics: Prometheus rules/ (see reference).
class RuleGroup {
 public:
  /// `config` comes from read_rule_groups, so it parses.
  RuleGroup(RuleGroupConfig config, std::shared_ptr<const RuleContext> context);
  ~RuleGroup();
  RuleGroup(RuleGroup&&) noexcept;
  RuleGroup& operator=(RuleGroup&&) noexcept;

  const RuleGroupConfig& config() const;
  /// "file;name"
  std::string key() const;
  Duration interval() const;

  /// Evaluates every rule at `now`. Call at slots (next_slot), in ascending order; slots left out are counted as
  /// missed. A rule that fails writes nothing and ends nothing; its alerts stay as they are and are not sent.
  GroupEvaluation evaluate(TimePoint now, SeriesStore& store);
  /// The first evaluation slot after `after`: slots are `interval` apart, shifted by a hash of the group's file and
  /// name, so that groups spread. The hash is Labels::hash() (FNV-1a 64) of {file, name}, modulo the interval in
  /// milliseconds.
  TimePoint next_slot(TimePoint after) const;

  /// Takes back what alert_state said before the restart; rows of other groups are ignored, those of rules that are
  /// gone are dropped. Before the first evaluate(). The time away counts, for `for`, keep_firing_for, hold_for and the
  /// 15 minutes for which the resolved are told of; as evaluations of `for = "3 of 5"` it does not. What was firing is
  /// firing, and what the expression does not give stays as it was until its data is seen to be back, at the most
  /// `restore_hold`. Gives the firing alerts again, with a new end, so that nobody takes the time away for their end.
  GroupEvaluation restore(const std::vector<AlertStateRow>& rows, TimePoint now);
  /// After a reload: takes over the alerts, and what else lives, of rules with the same name and labels. What `old`
  /// raised and no rule here goes on with is resolved: those alerts are returned, and their rows dropped.
  GroupEvaluation adopt(RuleGroup&& old, TimePoint now);
  /// The group is gone after a reload: resolves all it raised and marks its series stale.
  GroupEvaluation retire(TimePoint now, SeriesStore& store);

  std::vector<RuleStatus> status() const;
  /// The last evaluations of a rule, by its place in the group; the newest last.
  const std::deque<RuleEvaluation>& evaluations(std::size_t rule) const;
  RuleGroupStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin
