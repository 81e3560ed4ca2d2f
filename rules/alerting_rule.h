#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rules/dependency.h"
#include "rules/promql/promql.h"
#include "rules/rule_group.h"
#include "rules/rule_template.h"

namespace tocsin {

/// How long a resolved alert is remembered and sent again, in case whoever was told has missed it.
inline constexpr Duration kResolvedRetention = std::chrono::minutes(15);

/// One alert of a rule, from its first sight to the end of its retention.
struct AlertInstance {
  ActiveAlert alert;
  std::optional<TimePoint> resolved_at;
  std::optional<TimePoint> last_sent_at;
  TimePoint valid_until;
  Labels source;                 // what the expression gave
  bool expanded = false;         // the annotations are those of `source`, the value and this rule
  std::uint64_t round = 0;       // the last update() in which the expression gave it
  std::uint64_t data_round = 0;  // the last one for which its data was seen to be there
  std::uint64_t history = 0;     // of the last evaluations, the newest lowest: whether the expression gave it
  /// After a restart: until when it stays as it was although the expression does not give it, because the data may not
  /// be back yet.
  std::optional<TimePoint> held_until;
  bool changed = true;  // the row of alert_state is out of date

  Labels state_series;      // ALERTS{…}, of series_state
  Labels for_state_series;  // ALERTS_FOR_STATE{…}
  AlertState series_state = AlertState::kInactive;
};

/// What an alerting rule remembers: its alerts and how far each of them is.
class AlertingRule {
 public:
  /// `id` names the rule in alert_state. `config` has the group's labels merged in.
  AlertingRule(std::string id, const RuleConfig& config, std::string generator_url, const RuleTemplates& templates,
               std::shared_ptr<AlertBoard> board);

  /// Brings the alerts up to `now`, given what the expression evaluates to. Gives the series to write, stamped
  /// `write_at`. On an error (two elements become one alert) nothing changes; more than `limit` alerts are an error
  /// that forgets them all.
  Result<promql::Vector> update(const promql::Vector& result, const RuleTemplates& templates, TimePoint now,
                                TimePoint write_at, std::uint64_t limit);

  struct Sending {
    Duration resend_delay;
    Duration interval;
    const std::map<std::string, std::string>& external_labels;
  };
  /// Adds the alerts that are due to be sent, and the rows that changed.
  void collect(const Sending& sending, TimePoint now, GroupEvaluation& out);
  /// Adds the rows that changed, without sending anything.
  void collect_rows(GroupEvaluation& out);
  /// The changes of state of the last update(), the first kAlertChangesMax of them.
  const std::vector<AlertChange>& changes() const { return changes_; }

  /// Puts an alert of the last run in its old place.
  void restore(const AlertStateRow& row, std::optional<TimePoint> held_until);
  /// After a restart: whoever is told of alerts hears of the firing ones again, whenever they were sent last. Those of
  /// which nobody has been told wait for the next evaluation.
  void send_again(const Sending& sending, TimePoint now, GroupEvaluation& out);
  /// True when it matters for some alert whether its data is there.
  bool asks_for_data(TimePoint now) const;
  /// Before update(): the data is there of the alerts whose labels `present` has; of all, when it has any and speaks
  /// `for_all`.
  void data_is_there(const promql::Vector& present, bool for_all, const RuleTemplates& templates);

  /// Goes on with the alerts of the same rule of an older configuration.
  void adopt(AlertingRule&& old);
  /// Resolves what fires, forgets the rest, and drops all rows.
  void retire(const Sending& sending, TimePoint now, GroupEvaluation& out);

  const std::string& id() const { return id_; }
  AlertState state() const;
  /// How many are pending and how many fire.
  std::pair<std::uint32_t, std::uint32_t> counts() const;
  /// Pending and firing ones, ordered by labels.
  std::vector<ActiveAlert> active() const;

 private:
  struct Candidate {
    Labels labels;
    Labels source;
    double value = 0;
    std::optional<Annotations> annotations;  // none: those the alert has still hold
  };

  Labels alert_labels(const Labels& source, double value, const RuleTemplates& templates);
  Annotations expand_annotations(const tmpl::Value& data) const;
  Result<std::vector<Candidate>> candidates(const promql::Vector& result, const RuleTemplates& templates,
                                            std::uint64_t limit);
  void merge(Candidate&& candidate, TimePoint now);
  bool held(AlertInstance& instance, TimePoint now) const;
  bool given(AlertInstance& instance) const;
  bool advance(AlertInstance& instance, TimePoint now) const;
  bool enough_hits(std::uint64_t history) const;
  void fill_history(AlertInstance& instance) const;
  bool suppress(AlertInstance& instance) const;
  void publish() const;
  void note_change(const AlertInstance& instance, AlertState before);
  void write_series(AlertInstance& instance, TimePoint at, promql::Vector& out) const;
  Alert outgoing(const AlertInstance& instance, const Sending& sending, TimePoint now) const;
  AlertStateRow row(const AlertInstance& instance) const;
  void forget(const Labels& labels) { forgotten_.push_back(labels); }

  std::string id_;
  std::string name_;
  Duration for_;
  Duration keep_firing_for_;
  ForEvaluations for_evaluations_;
  bool hold_;
  std::optional<Duration> hold_for_;
  std::vector<Dependency> depends_on_;
  std::shared_ptr<AlertBoard> board_;
  std::string generator_url_;
  std::vector<std::pair<std::string, RuleTemplate>> labels_;
  std::vector<std::pair<std::string, RuleTemplate>> annotations_;
  bool labels_are_plain_ = true;
  bool annotations_are_pure_ = true;

  std::unordered_map<Labels, AlertInstance> alerts_;
  std::unordered_map<Labels, Labels> labels_of_source_;  // when labels_are_plain_
  std::vector<Labels> forgotten_;                        // rows to drop
  std::vector<AlertChange> changes_;
  std::uint64_t round_ = 0;
};

}  // namespace tocsin
