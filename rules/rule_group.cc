// One evaluation of a group: each rule's expression at the same instant, in order, its result written before the next
// rule is asked, so that rules can build on one another.

#include "rules/rule_group.h"

#include <algorithm>
#include <numeric>
#include <variant>

#include "rules/alerting_rule.h"
#include "rules/data_check.h"
#include "rules/output_series.h"
#include "rules/recording_rule.h"
#include "rules/rule_query.h"
#include "rules/rule_template.h"
#include "rules/selector_watch.h"

namespace tocsin {
namespace {

/// One rule at work.
struct Rule {
  RuleConfig config;
  promql::Query query;
  std::variant<AlertingRule, RecordingRule> kind;
  OutputSeries output;
  std::optional<promql::Query> data_query;  // of data_check.h
  bool data_for_all = false;
  RuleHealth health = RuleHealth::kUnknown;
  std::string last_error = {};
  TimePoint last_evaluation = {};
  double evaluation_seconds = 0;
  std::uint64_t series_matched = 0;
  std::uint64_t samples_read = 0;
  std::uint64_t samples = 0;
  std::deque<RuleEvaluation> evaluations = {};
  SelectorWatch selectors = {};

  AlertingRule* alerting() { return std::get_if<AlertingRule>(&kind); }
  const AlertingRule* alerting() const { return std::get_if<AlertingRule>(&kind); }
  /// The metrics that it may write.
  std::vector<std::string_view> writes() const {
    if (config.alert.empty()) return {config.record};
    return {"ALERTS", "ALERTS_FOR_STATE"};
  }
  /// What a rule is known by across a reload.
  std::string identity() const { return config.name() + Labels(config.labels).str(); }
};

promql::ExprPtr parse_checked(const std::string& expr) {
  auto parsed = promql::parse(expr);
  if (parsed) return *parsed;
  // Only a rule that did not come from read_rule_groups gets here; it gives nothing.
  return *promql::parse("vector(0) > 1");
}

}  // namespace

std::string_view to_string(RuleHealth health) {
  switch (health) {
    case RuleHealth::kUnknown:
      return "unknown";
    case RuleHealth::kOk:
      return "ok";
    case RuleHealth::kError:
      return "err";
  }
  return "";
}

std::string_view to_string(AlertState state) {
  switch (state) {
    case AlertState::kInactive:
      return "inactive";
    case AlertState::kPending:
      return "pending";
    case AlertState::kFiring:
      return "firing";
  }
  return "";
}

struct RuleGroup::Impl {
  RuleGroupConfig config;
  std::shared_ptr<const RuleContext> context;
  RuleTemplates templates;
  std::vector<Rule> rules;
  std::vector<SeriesRef> ended_series;  // of rules that a reload took away
  RuleGroupStats stats;

  Impl(RuleGroupConfig&& c, std::shared_ptr<const RuleContext>&& ctx)
      : config(std::move(c)), context(std::move(ctx)), templates(*context) {
    std::map<std::string, int> seen;
    for (RuleConfig rule : config.rules) {
      rule.labels.insert(config.labels.begin(), config.labels.end());
      const std::string identity = rule.name() + Labels(rule.labels).str();
      add(std::move(rule), fmt::format("{};{};{}", key(), identity, seen[identity]++));
    }
  }

  void add(RuleConfig rule, std::string id) {
    const promql::ExprPtr expr = parse_checked(rule.expr);
    add(std::move(rule), std::move(id), expr);
    rules.back().selectors = SelectorWatch(*expr);
  }

  void add(RuleConfig rule, std::string id, const promql::ExprPtr& expr) {
    const promql::QueryOptions options = query_options(*context);
    if (rule.alert.empty()) {
      RecordingRule kind(rule);
      rules.push_back({std::move(rule), promql::Query(expr, options), std::move(kind), {}, {}});
      return;
    }
    AlertingRule kind(std::move(id), rule, graph_link(context->external_url, promql::to_string(*expr), 1), templates,
                      context->board);
    DataCheck check = data_check(expr);
    std::optional<promql::Query> data_query;
    if (check.expr) data_query.emplace(std::move(check.expr), options);
    rules.push_back(
        {std::move(rule), promql::Query(expr, options), std::move(kind), {}, std::move(data_query), check.for_all});
  }

  std::string key() const { return config.file + ";" + config.name; }
  Duration interval() const { return std::max(config.interval.value_or(context->evaluation_interval), Duration{1}); }
  Duration query_offset() const { return config.query_offset.value_or(context->query_offset); }
  double stopwatch() const { return context->stopwatch ? context->stopwatch() : 0; }
  AlertingRule::Sending sending() const { return {context->resend_delay, interval(), context->external_labels}; }

  void evaluate(Rule& rule, TimePoint now, SeriesStore& store, GroupEvaluation& out);
  Result<promql::Vector> outcome(Rule& rule, TimePoint now, const SeriesStore& store);
  void remember(Rule& rule, TimePoint now) const;
  void count_iteration(TimePoint now);
};

/// Moves the rule on to `now`; gives the series that it writes.
Result<promql::Vector> RuleGroup::Impl::outcome(Rule& rule, TimePoint now, const SeriesStore& store) {
  const TimePoint at = now - query_offset();
  Result<RuleResult> result = rule_result(rule.query, store, at, *context);
  if (!result) return tl::make_unexpected(std::move(result.error()));
  rule.series_matched = result->series_matched;
  rule.samples_read = result->samples_read;
  AlertingRule* alerting = rule.alerting();
  if (alerting == nullptr) return std::get<RecordingRule>(rule.kind).apply(std::move(result->vector), config.limit);
  if (rule.data_query && alerting->asks_for_data(now)) {
    if (const auto data = rule_result(*rule.data_query, store, at)) {
      alerting->data_is_there(data->vector, rule.data_for_all, templates);
    }
  }
  return alerting->update(result->vector, templates, now, at, config.limit);
}

void RuleGroup::Impl::evaluate(Rule& rule, TimePoint now, SeriesStore& store, GroupEvaluation& out) {
  const double started = stopwatch();
  const TimePoint at = now - query_offset();
  const Result<promql::Vector> series = outcome(rule, now, store);
  rule.samples = series ? series->size() : 0;
  rule.last_error = series ? "" : series.error().message;
  out.samples += rule.samples;
  if (series) {
    if (AlertingRule* alerting = rule.alerting()) alerting->collect(sending(), now, out);
    rule.output.begin();
    for (const promql::VectorElement& element : *series) {
      const auto written = rule.output.write(store, element.labels, element.sample.t, element.sample.v);
      if (!written && rule.last_error.empty()) rule.last_error = written.error().message;
    }
    rule.output.finish(store, at);
    for (const std::string_view metric : rule.writes()) context->query_cache->wrote(metric);
  } else if (AlertingRule* alerting = rule.alerting()) {
    alerting->collect_rows(out);
  }
  rule.health = rule.last_error.empty() ? RuleHealth::kOk : RuleHealth::kError;
  out.failures += rule.health == RuleHealth::kError ? 1 : 0;
  rule.last_evaluation = now;
  rule.evaluation_seconds = stopwatch() - started;
  out.rule_seconds.push_back(rule.evaluation_seconds);
  rule.selectors.look(store, at);
  remember(rule, now);
}

void RuleGroup::Impl::remember(Rule& rule, TimePoint now) const {
  if (rule.evaluations.size() >= kRuleEvaluationsMax) rule.evaluations.pop_front();
  RuleEvaluation& evaluation = rule.evaluations.emplace_back();
  evaluation.at = now;
  evaluation.seconds = rule.evaluation_seconds;
  evaluation.series_matched = rule.series_matched;
  evaluation.samples_read = rule.samples_read;
  evaluation.samples = rule.samples;
  evaluation.error = rule.last_error;
  if (const AlertingRule* alerting = rule.alerting()) {
    const auto [pending, firing] = alerting->counts();
    evaluation.pending = pending;
    evaluation.firing = firing;
    if (rule.last_error.empty()) evaluation.changes = alerting->changes();
  }
}

void RuleGroup::Impl::count_iteration(TimePoint now) {
  std::uint64_t missed = 0;
  if (stats.group_last_evaluation != TimePoint() && now > stats.group_last_evaluation) {
    const auto slots = (now - stats.group_last_evaluation) / interval();
    missed = static_cast<std::uint64_t>(std::max<std::int64_t>(slots - 1, 0));
  }
  stats.group_iterations_missed_total += missed;
  stats.group_iterations_total += missed + 1;
  stats.group_last_evaluation = now;
}

RuleGroup::RuleGroup(RuleGroupConfig config, std::shared_ptr<const RuleContext> context)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(context))) {}
RuleGroup::~RuleGroup() = default;
RuleGroup::RuleGroup(RuleGroup&&) noexcept = default;
RuleGroup& RuleGroup::operator=(RuleGroup&&) noexcept = default;

const RuleGroupConfig& RuleGroup::config() const {
  return impl_->config;
}
std::string RuleGroup::key() const {
  return impl_->key();
}
Duration RuleGroup::interval() const {
  return impl_->interval();
}
RuleGroupStats RuleGroup::stats() const {
  return impl_->stats;
}

GroupEvaluation RuleGroup::evaluate(TimePoint now, SeriesStore& store) {
  Impl& g = *impl_;
  GroupEvaluation out;
  const double started = g.stopwatch();
  g.count_iteration(now);
  g.templates.scope() = {&store, now};
  g.context->query_cache->begin();
  for (Rule& rule : g.rules) g.evaluate(rule, now, store, out);
  g.templates.scope().store = nullptr;
  for (const SeriesRef ref : g.ended_series) store.append(ref, now - g.query_offset(), kStaleNaN);
  g.ended_series.clear();
  g.stats.evaluations_total += g.rules.size();
  g.stats.evaluation_failures_total += out.failures;
  g.stats.group_last_evaluation_samples = out.samples;
  g.stats.group_last_duration_seconds = g.stopwatch() - started;
  g.stats.group_last_rule_duration_sum_seconds = std::accumulate(out.rule_seconds.begin(), out.rule_seconds.end(), 0.0);
  out.seconds = g.stats.group_last_duration_seconds;
  return out;
}

TimePoint RuleGroup::next_slot(TimePoint after) const {
  const std::int64_t interval = impl_->interval().count();
  const Labels identity{{"file", impl_->config.file}, {"name", impl_->config.name}};
  const auto offset = static_cast<std::int64_t>(identity.hash() % static_cast<std::uint64_t>(interval));
  const std::int64_t shifted = after.time_since_epoch().count() - offset;
  const std::int64_t slots = shifted / interval - (shifted % interval < 0 ? 1 : 0);
  return TimePoint(Duration((slots + 1) * interval + offset));
}

GroupEvaluation RuleGroup::restore(const std::vector<AlertStateRow>& rows, TimePoint now) {
  Impl& g = *impl_;
  GroupEvaluation out;
  const double started = g.stopwatch();
  std::map<std::string_view, AlertingRule*> by_id;
  for (Rule& rule : g.rules) {
    if (AlertingRule* alerting = rule.alerting()) by_id.emplace(alerting->id(), alerting);
  }
  const std::string ours = key() + ";";
  for (const AlertStateRow& row : rows) {
    if (!row.rule_id.starts_with(ours)) continue;
    if (const auto rule = by_id.find(row.rule_id); rule != by_id.end()) {
      rule->second->restore(row, now + g.context->restore_hold);
    } else {
      out.changes.drop_alert_states.emplace_back(row.rule_id, row.labels);
    }
  }
  for (const auto& [id, rule] : by_id) {
    rule->send_again(g.sending(), now, out);
  }
  g.stats.group_last_restore_duration_seconds = g.stopwatch() - started;
  return out;
}

GroupEvaluation RuleGroup::adopt(RuleGroup&& old, TimePoint now) {
  Impl& g = *impl_;
  Impl& from = *old.impl_;
  GroupEvaluation out;
  g.stats = from.stats;
  g.ended_series = std::move(from.ended_series);
  // Of rules with the same name and labels, the first goes on with the first, the second with the second.
  std::multimap<std::string, Rule*> theirs;
  for (Rule& rule : from.rules) theirs.emplace(rule.identity(), &rule);
  for (Rule& rule : g.rules) {
    const auto match = theirs.find(rule.identity());
    if (match == theirs.end()) continue;
    Rule& before = *match->second;
    theirs.erase(match);
    if (before.kind.index() != rule.kind.index()) {
      theirs.emplace("", &before);
      continue;
    }
    rule.output = std::move(before.output);
    if (rule.config.expr == before.config.expr) {
      rule.evaluations = std::move(before.evaluations);
      rule.selectors = std::move(before.selectors);
    }
    if (AlertingRule* alerting = rule.alerting()) {
      alerting->adopt(std::move(*before.alerting()));
      before.alerting()->collect_rows(out);
      alerting->collect_rows(out);
    }
  }
  for (const auto& [identity, rule] : theirs) {
    const std::vector<SeriesRef> ended = rule->output.release();
    g.ended_series.insert(g.ended_series.end(), ended.begin(), ended.end());
    if (AlertingRule* alerting = rule->alerting()) alerting->retire(from.sending(), now, out);
  }
  return out;
}

GroupEvaluation RuleGroup::retire(TimePoint now, SeriesStore& store) {
  Impl& g = *impl_;
  GroupEvaluation out;
  for (Rule& rule : g.rules) {
    for (const SeriesRef ref : rule.output.release()) store.append(ref, now, kStaleNaN);
    if (AlertingRule* alerting = rule.alerting()) alerting->retire(g.sending(), now, out);
  }
  for (const SeriesRef ref : g.ended_series) store.append(ref, now, kStaleNaN);
  g.ended_series.clear();
  return out;
}

const std::deque<RuleEvaluation>& RuleGroup::evaluations(std::size_t rule) const {
  return impl_->rules.at(rule).evaluations;
}

std::vector<RuleStatus> RuleGroup::status() const {
  std::vector<RuleStatus> out;
  out.reserve(impl_->rules.size());
  for (const Rule& rule : impl_->rules) {
    RuleStatus status;
    status.config = rule.config;
    status.health = rule.health;
    status.last_error = rule.last_error;
    status.last_evaluation = rule.last_evaluation;
    status.evaluation_seconds = rule.evaluation_seconds;
    status.series_matched = rule.series_matched;
    status.samples = rule.samples;
    if (rule.last_evaluation != TimePoint()) status.never_matched = rule.selectors.never_matched();
    if (const AlertingRule* alerting = rule.alerting()) {
      status.state = alerting->state();
      status.alerts = alerting->active();
    }
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace tocsin
