// The life of an alert, as Prometheus' rules/alerting.go lives it: inactive, pending for `for`, firing, firing on for
// `keep_firing_for`, resolved and told of for another 15 minutes. What Prometheus forgets in a restart (that it was
// firing, since when it is only kept firing, when it was last sent) is in the rows that leave here with each change.

#include "rules/alerting_rule.h"

#include <algorithm>
#include <bit>
#include <unordered_set>

namespace tocsin {
namespace {

constexpr std::string_view kAlertName = "alertname";
constexpr std::string_view kAlertState = "alertstate";

bool same_value(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

AlertState state_of(std::string_view word) {
  if (word == to_string(AlertState::kFiring)) return AlertState::kFiring;
  return word == to_string(AlertState::kPending) ? AlertState::kPending : AlertState::kInactive;
}

/// Resolved since it was last sent, or sent too long ago. Pending ones are nobody's business.
bool needs_sending(const AlertInstance& instance, Duration resend_delay, TimePoint now) {
  if (instance.alert.state == AlertState::kPending) return false;
  if (!instance.last_sent_at) return true;
  if (instance.resolved_at && *instance.resolved_at > *instance.last_sent_at) return true;
  return *instance.last_sent_at + resend_delay < now;
}

}  // namespace

AlertingRule::AlertingRule(std::string id, const RuleConfig& config, std::string generator_url,
                           const RuleTemplates& templates, std::shared_ptr<AlertBoard> board)
    : id_(std::move(id)),
      name_(config.alert),
      for_(config.for_),
      keep_firing_for_(config.keep_firing_for),
      for_evaluations_(config.for_evaluations),
      hold_(config.on_missing == OnMissing::kHold),
      hold_for_(config.hold_for),
      board_(std::move(board)),
      generator_url_(std::move(generator_url)) {
  for (const std::string& text : config.depends_on) {
    const auto dependency = parse_dependency(text);
    if (!dependency) continue;  // not from read_rule_groups
    board_->want(dependency->alert);
    depends_on_.push_back(*dependency);
  }
  for (const auto& [name, text] : config.labels) {
    labels_.emplace_back(name, RuleTemplate(name_, text, templates));
    labels_are_plain_ &= !labels_.back().second.is_template();
  }
  for (const auto& [name, text] : config.annotations) {
    annotations_.emplace_back(name, RuleTemplate(name_, text, templates));
    annotations_are_pure_ &= annotations_.back().second.is_pure();
  }
}

Labels AlertingRule::alert_labels(const Labels& source, double value, const RuleTemplates& templates) {
  if (labels_are_plain_) {
    if (const auto known = labels_of_source_.find(source); known != labels_of_source_.end()) return known->second;
  }
  LabelsBuilder builder(source);
  builder.del(kMetricName);
  const tmpl::Value data = labels_are_plain_ ? tmpl::Value() : templates.data(source, value);
  for (const auto& [name, text] : labels_) builder.set(name, text.expand(data));
  builder.set(kAlertName, name_);
  Labels labels = builder.labels();
  if (labels_are_plain_) {
    if (labels_of_source_.size() > 2 * alerts_.size() + 16) labels_of_source_.clear();
    labels_of_source_.emplace(source, labels);
  }
  return labels;
}

Annotations AlertingRule::expand_annotations(const tmpl::Value& data) const {
  Annotations out;
  for (const auto& [name, text] : annotations_) out.emplace(name, text.expand(data));
  return out;
}

Result<std::vector<AlertingRule::Candidate>> AlertingRule::candidates(const promql::Vector& result,
                                                                      const RuleTemplates& templates,
                                                                      std::uint64_t limit) {
  const bool too_many = limit > 0 && result.size() > limit;  // nobody will read what is written about them
  std::vector<Candidate> out;
  out.reserve(result.size());
  std::unordered_set<Labels> seen;
  seen.reserve(result.size());
  for (const promql::VectorElement& element : result) {
    Candidate candidate{
        alert_labels(element.labels, element.sample.v, templates), element.labels, element.sample.v, {}};
    if (!seen.insert(candidate.labels).second) {
      return fail("vector contains metrics with the same labelset after applying alert labels");
    }
    const auto known = alerts_.find(candidate.labels);
    const bool same = annotations_are_pure_ && known != alerts_.end() && known->second.expanded &&
                      known->second.source == candidate.source &&
                      same_value(known->second.alert.value, candidate.value);
    if (!same && !too_many)
      candidate.annotations = expand_annotations(templates.data(candidate.source, candidate.value));
    out.push_back(std::move(candidate));
  }
  return out;
}

void AlertingRule::merge(Candidate&& candidate, TimePoint now) {
  AlertInstance& instance = alerts_[candidate.labels];
  ActiveAlert& alert = instance.alert;
  if (alert.state == AlertState::kInactive) {
    // New, or one that had been resolved: it starts from the beginning.
    Annotations annotations = std::move(alert.annotations);
    instance = AlertInstance();
    alert.labels = candidate.labels;
    alert.annotations = std::move(annotations);  // still right when the candidate has none
    alert.state = AlertState::kPending;
    alert.active_at = now;
  }
  alert.value = candidate.value;
  if (candidate.annotations) alert.annotations = std::move(*candidate.annotations);
  instance.expanded = true;
  instance.source = std::move(candidate.source);
  instance.round = round_;
  instance.held_until.reset();
  if (std::exchange(alert.missing_since, std::nullopt)) instance.changed = true;
}

/// Whether the alert stays as it is because nobody can tell: the data is not back after a restart, or it is missing
/// and the rule says that it then holds.
bool AlertingRule::held(AlertInstance& instance, TimePoint now) const {
  if (instance.held_until && now < *instance.held_until) return true;
  instance.held_until.reset();
  std::optional<TimePoint>& since = instance.alert.missing_since;
  if (!hold_ || instance.data_round == round_) {
    if (std::exchange(since, std::nullopt)) instance.changed = true;
    return false;
  }
  if (!since) {
    since = now;
    instance.changed = true;
  }
  return !hold_for_ || now - *since < *hold_for_;
}

bool AlertingRule::enough_hits(std::uint64_t history) const {
  return static_cast<std::uint32_t>(std::popcount(history)) >= for_evaluations_.hits;
}

/// Whether the rule's condition holds: the expression gives the alert or, with `for = "3 of 5"`, it has done so often
/// enough to fire on, or once while it is pending.
bool AlertingRule::given(AlertInstance& instance) const {
  const bool hit = instance.round == round_;
  if (for_evaluations_.of == 0) return hit;
  const std::uint64_t mask = ~std::uint64_t{0} >> (64 - for_evaluations_.of);
  const std::uint64_t before = std::exchange(instance.history, (instance.history << 1 | (hit ? 1U : 0U)) & mask);
  instance.changed |= before != instance.history;
  return instance.alert.state == AlertState::kFiring ? enough_hits(instance.history) : instance.history != 0;
}

/// Moves an alert on by one evaluation. False when it has ended; it may still be there to be told of.
bool AlertingRule::advance(AlertInstance& instance, TimePoint now) const {
  ActiveAlert& alert = instance.alert;
  if (alert.state == AlertState::kInactive) return false;
  if (instance.round != round_ && held(instance, now)) return true;
  if (given(instance)) {
    if (std::exchange(alert.keep_firing_since, std::nullopt)) instance.changed = true;
    const bool due = for_evaluations_.of > 0 ? enough_hits(instance.history) : now - alert.active_at >= for_;
    if (alert.state == AlertState::kPending && due) {
      alert.state = AlertState::kFiring;
      alert.fired_at = now;
      instance.changed = true;
    }
    return true;
  }
  if (alert.state == AlertState::kPending) return false;
  if (keep_firing_for_.count() > 0) {
    if (!alert.keep_firing_since) {
      alert.keep_firing_since = now;
      instance.changed = true;
    }
    if (now - *alert.keep_firing_since < keep_firing_for_) return true;
  }
  alert.state = AlertState::kInactive;
  instance.resolved_at = now;
  instance.changed = true;
  return false;
}

void AlertingRule::note_change(const AlertInstance& instance, AlertState before) {
  const AlertState after = instance.alert.state;
  if (before == after || changes_.size() >= kAlertChangesMax) return;
  changes_.push_back({instance.alert.labels, before, after});
}

void AlertingRule::write_series(AlertInstance& instance, TimePoint at, promql::Vector& out) const {
  if (instance.series_state != instance.alert.state) {
    instance.series_state = instance.alert.state;
    LabelsBuilder builder(instance.alert.labels);
    instance.for_state_series = builder.set(kMetricName, "ALERTS_FOR_STATE").labels();
    builder.set(kAlertState, to_string(instance.series_state));
    instance.state_series = builder.set(kMetricName, "ALERTS").labels();
  }
  const auto active_seconds = std::chrono::floor<std::chrono::seconds>(instance.alert.active_at.time_since_epoch());
  out.push_back({instance.state_series, {at, 1}});
  out.push_back({instance.for_state_series, {at, static_cast<double>(active_seconds.count())}});
}

Result<promql::Vector> AlertingRule::update(const promql::Vector& result, const RuleTemplates& templates, TimePoint now,
                                            TimePoint write_at, std::uint64_t limit) {
  auto found = candidates(result, templates, limit);
  if (!found) return tl::make_unexpected(std::move(found.error()));
  ++round_;
  changes_.clear();
  for (Candidate& candidate : *found) merge(std::move(candidate), now);

  promql::Vector series;
  series.reserve(2 * alerts_.size());
  std::uint64_t active = 0;
  for (auto it = alerts_.begin(); it != alerts_.end();) {
    AlertInstance& instance = it->second;
    const AlertState before = instance.alert.active_at == now ? AlertState::kInactive : instance.alert.state;
    const bool goes_on = advance(instance, now);
    if (goes_on) {
      note_change(instance, before);
      ++active;
      write_series(instance, write_at, series);
      ++it;
      continue;
    }
    // What was pending is forgotten at once, what has resolved is told of for a while.
    const bool pending = instance.alert.state == AlertState::kPending;
    if (pending) instance.alert.state = AlertState::kInactive;
    note_change(instance, before);
    const bool over = pending || now - instance.resolved_at.value_or(TimePoint()) > kResolvedRetention;
    if (over) forget(it->first);
    it = over ? alerts_.erase(it) : std::next(it);
  }
  if (limit > 0 && active > limit) {
    for (const auto& [labels, instance] : alerts_) forget(labels);
    alerts_.clear();
    publish();
    return fail("exceeded limit of {} with {} alerts", limit, active);
  }
  publish();
  return series;
}

/// Nobody is told of an alert while one that it depends on fires. Whoever has been told already goes on hearing of it.
bool AlertingRule::suppress(AlertInstance& instance) const {
  instance.alert.suppressed_by.clear();
  if (depends_on_.empty() || instance.last_sent_at) return false;
  if (instance.alert.state == AlertState::kInactive) return true;  // over before anybody was told
  for (const Dependency& dependency : depends_on_) {
    if (const auto by = board_->find(dependency, instance.alert.labels)) {
      instance.alert.suppressed_by = by->str();
      return true;
    }
  }
  return false;
}

void AlertingRule::publish() const {
  if (!board_->wanted(name_)) return;
  std::vector<Labels> firing;
  for (const auto& [labels, instance] : alerts_) {
    if (instance.alert.state == AlertState::kFiring) firing.push_back(labels);
  }
  board_->publish(name_, id_, std::move(firing));
}

Alert AlertingRule::outgoing(const AlertInstance& instance, const Sending& sending, TimePoint now) const {
  Alert alert;
  LabelsBuilder builder(instance.alert.labels);
  for (const auto& [name, value] : sending.external_labels) {
    if (builder.get(name).empty()) builder.set(name, value);
  }
  alert.labels = builder.labels();
  alert.annotations = instance.alert.annotations;
  alert.starts_at = instance.alert.fired_at.value_or(now);
  alert.ends_at = instance.resolved_at.value_or(instance.valid_until);
  alert.generator_url = generator_url_;
  alert.updated_at = now;
  return alert;
}

AlertStateRow AlertingRule::row(const AlertInstance& instance) const {
  const ActiveAlert& alert = instance.alert;
  return {id_,
          alert.labels,
          std::string(to_string(alert.state)),
          alert.active_at,
          alert.fired_at,
          alert.keep_firing_since,
          instance.last_sent_at.value_or(TimePoint()),
          alert.value,
          alert.annotations,
          instance.resolved_at,
          alert.missing_since,
          instance.history};
}

void AlertingRule::collect(const Sending& sending, TimePoint now, GroupEvaluation& out) {
  // Two evaluations or two messages may get lost before the receiver takes silence for the end.
  const Duration valid = 4 * std::max(sending.interval, sending.resend_delay);
  const std::size_t first = out.alerts.size();
  for (auto& [labels, instance] : alerts_) {
    if (needs_sending(instance, sending.resend_delay, now) && !suppress(instance)) {
      instance.last_sent_at = now;
      instance.valid_until = now + valid;
      instance.changed = true;
      out.alerts.push_back(outgoing(instance, sending, now));
    }
  }
  std::sort(out.alerts.begin() + static_cast<std::ptrdiff_t>(first), out.alerts.end(),
            [](const Alert& a, const Alert& b) { return a.labels < b.labels; });
  collect_rows(out);
}

void AlertingRule::collect_rows(GroupEvaluation& out) {
  for (auto& [labels, instance] : alerts_) {
    if (!std::exchange(instance.changed, false)) continue;
    out.changes.put_alert_states.push_back(row(instance));
  }
  for (Labels& labels : forgotten_) out.changes.drop_alert_states.emplace_back(id_, std::move(labels));
  forgotten_.clear();
}

void AlertingRule::restore(const AlertStateRow& row, std::optional<TimePoint> held_until) {
  AlertInstance instance;
  instance.alert = {row.labels,   row.annotations,       state_of(row.state), row.active_at,
                    row.fired_at, row.keep_firing_since, row.value,           row.missing_since};
  if (instance.alert.state == AlertState::kFiring && !instance.alert.fired_at) instance.alert.fired_at = row.active_at;
  if (row.last_sent_at != TimePoint()) instance.last_sent_at = row.last_sent_at;
  instance.held_until = held_until;
  instance.resolved_at = row.resolved_at;
  instance.history = row.history;
  fill_history(instance);
  instance.changed = false;
  alerts_.insert_or_assign(row.labels, std::move(instance));
}

/// What fires has been given often enough, also when that was by another `for`.
void AlertingRule::fill_history(AlertInstance& instance) const {
  if (for_evaluations_.of == 0 || instance.alert.state != AlertState::kFiring || instance.alert.keep_firing_since)
    return;
  if (!enough_hits(instance.history)) instance.history |= ~std::uint64_t{0} >> (64 - for_evaluations_.hits);
}

void AlertingRule::send_again(const Sending& sending, TimePoint now, GroupEvaluation& out) {
  publish();
  const Duration valid = 4 * std::max(sending.interval, sending.resend_delay);
  for (auto& [labels, instance] : alerts_) {
    if (instance.alert.state != AlertState::kFiring || !instance.last_sent_at) continue;
    instance.valid_until = now + valid;
    out.alerts.push_back(outgoing(instance, sending, now));
  }
}

bool AlertingRule::asks_for_data(TimePoint now) const {
  if (hold_) return !alerts_.empty();
  return std::any_of(alerts_.begin(), alerts_.end(),
                     [&](const auto& entry) { return entry.second.held_until && now < *entry.second.held_until; });
}

void AlertingRule::data_is_there(const promql::Vector& present, bool for_all, const RuleTemplates& templates) {
  if (for_all && !present.empty()) {
    for (auto& [labels, instance] : alerts_) instance.held_until.reset();
    return;  // on_missing = "hold" is not allowed here
  }
  for (const promql::VectorElement& element : present) {
    const auto found = alerts_.find(alert_labels(element.labels, element.sample.v, templates));
    if (found == alerts_.end()) continue;
    found->second.held_until.reset();
    found->second.data_round = round_ + 1;
  }
}

void AlertingRule::adopt(AlertingRule&& old) {
  for (auto& [labels, instance] : old.alerts_) {
    if (old.id_ != id_) {
      old.forget(labels);
      instance.changed = true;
    }
    instance.expanded = false;  // the texts may be others now
    instance.round = 0;
    instance.data_round = 0;
    fill_history(instance);
    alerts_.insert_or_assign(labels, std::move(instance));
  }
  old.alerts_.clear();
  publish();
}

void AlertingRule::retire(const Sending& sending, TimePoint now, GroupEvaluation& out) {
  for (auto& [labels, instance] : alerts_) {
    // Of what nobody was told of, nobody need hear the end.
    if (instance.alert.state == AlertState::kFiring && instance.last_sent_at) {
      instance.alert.state = AlertState::kInactive;
      instance.resolved_at = now;
      instance.last_sent_at = now;
      out.alerts.push_back(outgoing(instance, sending, now));
    }
    forget(labels);
  }
  alerts_.clear();
  publish();
  collect_rows(out);
}

AlertState AlertingRule::state() const {
  AlertState worst = AlertState::kInactive;
  for (const auto& [labels, instance] : alerts_) worst = std::max(worst, instance.alert.state);
  return worst;
}

std::pair<std::uint32_t, std::uint32_t> AlertingRule::counts() const {
  std::pair<std::uint32_t, std::uint32_t> out;
  for (const auto& [labels, instance] : alerts_) {
    if (instance.alert.state == AlertState::kPending) ++out.first;
    if (instance.alert.state == AlertState::kFiring) ++out.second;
  }
  return out;
}

std::vector<ActiveAlert> AlertingRule::active() const {
  std::vector<ActiveAlert> out;
  for (const auto& [labels, instance] : alerts_) {
    if (instance.alert.state == AlertState::kInactive) continue;
    out.push_back(instance.alert);
    out.back().last_sent_at = instance.last_sent_at;
  }
  std::sort(out.begin(), out.end(), [](const ActiveAlert& a, const ActiveAlert& b) { return a.labels < b.labels; });
  return out;
}

}  // namespace tocsin
