#include "notifiers/inhibitor.h"

namespace tocsin {

void InhibitRule::fields(Fields& f) {
  f("name", name, "What people call the rule.");
  f("source_matchers", source_matchers, "Alerts that inhibit others while they are firing.");
  f("target_matchers", target_matchers, "Alerts that are inhibited.");
  f("equal", equal, "Labels that must have the same value in both.");
}

Inhibitor::Inhibitor(std::vector<InhibitRule> rules) {
  for (InhibitRule& rule : rules) {
    const auto id = static_cast<MatcherIndex::Id>(rules_.size());
    by_source_.add(id, rule.source_matchers);
    by_target_.add(id, rule.target_matchers);
    rules_.push_back({std::move(rule), {}});
  }
}

std::string Inhibitor::key(const InhibitRule& rule, const Labels& labels) {
  std::string out;
  for (const std::string& name : rule.equal) {
    out += labels.get(name);
    out += '\xff';
  }
  return out;
}

void Inhibitor::add(const Alert& alert) {
  for (const MatcherIndex::Id id : by_source_.candidates(alert.labels)) {
    Rule& r = rules_[id];
    if (!matches(r.rule.source_matchers, alert.labels)) continue;
    Sources& sources = r.sources[key(r.rule, alert.labels)];
    (matches(r.rule.target_matchers, alert.labels) ? sources.two_sided : sources.one_sided).insert(&alert);
  }
}

void Inhibitor::remove(const Alert& alert) {
  for (const MatcherIndex::Id id : by_source_.candidates(alert.labels)) {
    Rule& r = rules_[id];
    const auto found = r.sources.find(key(r.rule, alert.labels));
    if (found == r.sources.end()) continue;
    found->second.one_sided.erase(&alert);
    found->second.two_sided.erase(&alert);
    if (found->second.one_sided.empty() && found->second.two_sided.empty()) r.sources.erase(found);
  }
}

const Alert* Inhibitor::inhibiting(const Labels& labels, TimePoint now) const {
  const auto firing = [now](const Alerts& alerts) -> const Alert* {
    for (const Alert* alert : alerts) {
      if (!alert->resolved_at(now)) return alert;
    }
    return nullptr;
  };
  for (const MatcherIndex::Id id : by_target_.candidates(labels)) {
    const Rule& r = rules_[id];
    if (r.sources.empty() || !matches(r.rule.target_matchers, labels)) continue;
    const auto found = r.sources.find(key(r.rule, labels));
    if (found == r.sources.end()) continue;
    const Alert* source = firing(found->second.one_sided);
    if (source == nullptr && !matches(r.rule.source_matchers, labels)) source = firing(found->second.two_sided);
    if (source != nullptr) return source;
  }
  return nullptr;
}

}  // namespace tocsin
