#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "rules/rule_group.h"

namespace tocsin::test {

/// A group of rules with the series they look at and the rows they leave behind, in virtual time. Evaluations are
/// 15 seconds apart.
class RuleLife {
 public:
  static constexpr TimePoint kStart{std::chrono::sys_days{std::chrono::year{2026} / 1 / 5}};
  static constexpr Duration kStep = std::chrono::seconds(15);

  explicit RuleLife(std::string_view toml) { load(toml); }

  /// Another configuration, as after a reload.
  void reload(std::string_view toml) {
    std::unique_ptr<RuleGroup> old = std::move(group_);
    renew_context();
    load(toml);
    take(group_->adopt(std::move(*old), now));
  }
  /// kill -9: only what was committed is left, and the samples if they are `kept`.
  void restart(Duration away, bool kept = true) {
    now += away;
    renew_context();
    group_ = std::make_unique<RuleGroup>(config_, context_);
    if (!kept) store_ = std::make_unique<SeriesStore>();
    std::vector<AlertStateRow> rows;
    for (const auto& [key, row] : rows_) rows.push_back(row);
    take(group_->restore(rows, now));
  }

  void set(const Labels& series, double value) { store_->append(*store_->ref(series), now, value); }
  /// Evaluates now, then the time goes on by a step. What was sent is what the function gives.
  std::vector<Alert> evaluate() {
    sent.clear();
    take(group_->evaluate(now, *store_));
    now += kStep;
    return sent;
  }

  /// "firing", "pending" or "none".
  std::string state(const std::string& name, const std::string& i = "") const {
    const ActiveAlert alert = find(name, i);
    return alert.state == AlertState::kInactive ? "none" : std::string(to_string(alert.state));
  }
  ActiveAlert find(const std::string& name, const std::string& i = "") const {
    for (const RuleStatus& rule : group_->status()) {
      for (const ActiveAlert& alert : rule.alerts) {
        if (alert.labels.get("alertname") == name && alert.labels.get("i") == i) return alert;
      }
    }
    return {};
  }

  RuleGroup& group() { return *group_; }
  RuleContext& context() { return *context_; }
  const std::map<std::pair<std::string, Labels>, AlertStateRow>& rows() const { return rows_; }

  TimePoint now = kStart;
  std::vector<Alert> sent;

 private:
  void renew_context() {
    context_ = std::make_shared<RuleContext>(*context_);
    context_->board = std::make_shared<AlertBoard>();
    context_->query_cache = std::make_shared<promql::QueryCache>();
  }
  void load(std::string_view toml) {
    Diagnostics mistakes;
    auto groups = parse_rule_file(toml, "rules.toml", mistakes);
    ASSERT_EQ(mistakes.str(), "");
    ASSERT_EQ(groups.size(), 1U);
    config_ = groups[0];
    group_ = std::make_unique<RuleGroup>(config_, context_);
  }
  void take(GroupEvaluation evaluation) {
    for (const auto& key : evaluation.changes.drop_alert_states) rows_.erase(key);
    for (const AlertStateRow& row : evaluation.changes.put_alert_states) rows_[{row.rule_id, row.labels}] = row;
    sent.insert(sent.end(), evaluation.alerts.begin(), evaluation.alerts.end());
  }

  std::shared_ptr<RuleContext> context_ = std::make_shared<RuleContext>();
  RuleGroupConfig config_;
  std::unique_ptr<RuleGroup> group_;
  std::unique_ptr<SeriesStore> store_ = std::make_unique<SeriesStore>();
  std::map<std::pair<std::string, Labels>, AlertStateRow> rows_;
};

}  // namespace tocsin::test
