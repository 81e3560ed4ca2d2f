// Rules over history: the boxes of the agent, driven by the slots of the rule groups and the timers of the alert
// manager instead of a clock. Nothing here decides anything about alerts, so what it tells is what would have happened.

#include "agent/backtest.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "notifiers/alert_manager.h"
#include "rules/promql/ast.h"

namespace tocsin {
namespace {

constexpr std::size_t kBytesMax = std::size_t{8} << 30;

class Player {
 public:
  Player(const Backtest& plan, std::span<const promql::MatrixSeries> data)
      : plan_(plan), store_({.series_max = 10'000'000, .retention = Duration::max() / 4, .bytes_max = kBytesMax}) {
    std::set<std::string, std::less<>> own{"ALERTS", "ALERTS_FOR_STATE"};
    for (const RuleGroupConfig& config : plan.groups) {
      groups_.push_back({RuleGroup(config, plan.context), {}, {}, report_.rules.size()});
      for (const RuleConfig& rule : config.rules) {
        if (!rule.record.empty()) own.insert(rule.record);
        report_.rules.push_back({config.name, rule.name(), !rule.alert.empty(), {}, 0, 0, {}});
      }
      groups_.back().open.resize(config.rules.size());
    }
    for (const promql::MatrixSeries& series : data) {
      if (own.contains(series.labels.metric_name())) continue;
      const auto ref = store_.ref(series.labels);
      if (!ref) continue;
      for (const Sample& sample : series.samples) store_.append(*ref, sample.t, sample.v);
    }
    if (plan.notify) manager_.emplace(plan.notify);
  }

  BacktestReport play() {
    const TimePoint start = plan_.from - backtest_warm_up(plan_.groups);
    for (Group& group : groups_) group.next = group.rules.next_slot(start - Duration{1});
    for (;;) {
      const auto next = std::ranges::min_element(groups_, {}, &Group::next);
      const TimePoint rules_at = next == groups_.end() ? TimePoint::max() : next->next;
      const TimePoint messages_at = manager_ ? manager_->next_due() : TimePoint::max();
      if (std::min(rules_at, messages_at) > plan_.to) break;
      if (messages_at < rules_at) {
        send(messages_at);
      } else {
        evaluate(*next);
      }
    }
    for (Group& group : groups_) {
      for (std::size_t i = 0; i < group.open.size(); ++i) {
        for (auto& [labels, occurrence] : group.open[i]) keep(report_.rules[group.first_rule + i], occurrence);
      }
    }
    for (BacktestRule& rule : report_.rules) {
      std::ranges::sort(rule.occurrences, {},
                        [](const BacktestOccurrence& o) { return std::tie(o.pending_at, o.labels); });
    }
    return std::move(report_);
  }

 private:
  using Open = std::map<Labels, BacktestOccurrence>;
  struct Group {
    RuleGroup rules;
    TimePoint next;
    std::vector<Open> open;  // by rule
    std::size_t first_rule;  // in the report
  };

  void evaluate(Group& group) {
    const TimePoint now = group.next;
    GroupEvaluation evaluation = group.rules.evaluate(now, store_);
    group.next = group.rules.next_slot(now);
    const std::vector<RuleStatus> status = group.rules.status();
    for (std::size_t i = 0; i < status.size(); ++i) {
      BacktestRule& rule = report_.rules[group.first_rule + i];
      ++rule.evaluations;
      if (!status[i].last_error.empty()) {
        ++rule.failures;
        rule.last_error = status[i].last_error;
      }
      if (rule.is_alert) follow(rule, group.open[i], status[i], now);
    }
    if (!manager_) return;
    for (Alert& alert : evaluation.alerts) {
      LabelsBuilder labels(alert.labels);
      for (const auto& [name, value] : plan_.context->external_labels) {
        if (!alert.labels.has(name)) labels.set(name, value);
      }
      alert.labels = labels.labels();
    }
    manager_->apply(evaluation.alerts, now);
  }

  /// Opens, moves on and closes the occurrences of a rule's alerts.
  void follow(BacktestRule& rule, Open& open, const RuleStatus& status, TimePoint now) {
    std::set<Labels> active;
    for (const ActiveAlert& alert : status.alerts) {
      active.insert(alert.labels);
      BacktestOccurrence& o =
          open.try_emplace(alert.labels, BacktestOccurrence{alert.labels, alert.active_at, {}, {}, alert.value})
              .first->second;
      if (std::abs(alert.value) > std::abs(o.peak)) o.peak = alert.value;
      if (alert.state == AlertState::kFiring && !o.fired_at) o.fired_at = now;
    }
    for (auto at = open.begin(); at != open.end();) {
      if (active.contains(at->first)) {
        ++at;
        continue;
      }
      at->second.ended_at = now;
      keep(rule, at->second);
      at = open.erase(at);
    }
  }

  void keep(BacktestRule& rule, BacktestOccurrence& occurrence) {
    if (!occurrence.ended_at || *occurrence.ended_at >= plan_.from) rule.occurrences.push_back(std::move(occurrence));
  }

  void send(TimePoint now) {
    const DueNotifications due = manager_->due(now);
    for (const OutboxRow& row : due.messages) {
      manager_->delivered({row.incident, row.channel, row.sequence, true, now, "", ""}, now);
      const Result<Notification> message = notification_from_json(row.notification);
      if (!message || now < plan_.from) continue;
      auto& [firing, resolved] = report_.pages[{message->receiver, row.channel}];
      const bool fires = std::ranges::any_of(message->alerts, [](const NotifiedAlert& a) { return !a.resolved; });
      ++(fires ? firing : resolved);
    }
  }

  const Backtest& plan_;
  SeriesStore store_;
  std::vector<Group> groups_;
  std::optional<AlertManager> manager_;
  BacktestReport report_;
};

}  // namespace

std::size_t BacktestRule::fired() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(occurrences, [](const BacktestOccurrence& o) { return o.fired_at.has_value(); }));
}

Duration BacktestRule::firing_time(TimePoint from, TimePoint to) const {
  Duration sum{0};
  for (const BacktestOccurrence& o : occurrences) {
    if (o.fired_at) sum += std::min(o.ended_at.value_or(to), to) - std::max(*o.fired_at, from);
  }
  return sum;
}

Duration backtest_warm_up(const std::vector<RuleGroupConfig>& groups) {
  Duration longest{0};
  for (const RuleGroupConfig& group : groups) {
    for (const RuleConfig& rule : group.rules) longest = std::max(longest, rule.for_ + rule.keep_firing_for);
  }
  return longest;
}

BacktestReport run_backtest(const Backtest& plan, std::span<const promql::MatrixSeries> data) {
  return Player(plan, data).play();
}

std::optional<std::string> with_threshold(const std::string& expr, double threshold) {
  const auto parsed = promql::parse(expr);
  if (!parsed) return std::nullopt;
  const promql::Expr& outer = promql::unwrap(**parsed);
  const auto* binary = outer.as<promql::Binary>();
  if (binary == nullptr || !promql::is_comparison(binary->op)) return std::nullopt;
  for (const promql::ExprPtr& side : {binary->rhs, binary->lhs}) {
    if (promql::unwrap(*side).as<promql::NumberLiteral>() == nullptr) continue;
    return fmt::format("{}({}){}", std::string_view(expr).substr(0, side->begin), threshold,
                       std::string_view(expr).substr(side->end));
  }
  return std::nullopt;
}

}  // namespace tocsin
