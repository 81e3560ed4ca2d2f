// How the alert manager comes back: after a restart from the rows, after a reload from what it knew, and in both cases
// through regroup(), so that they cannot differ.

#include <algorithm>

#include "notifiers/alert_book.h"

namespace tocsin {
namespace {

Alert from_row(const AlertRow& r) {
  return {r.labels, r.annotations, r.starts_at, r.ends_at, r.generator_url, r.updated_at, r.timeout};
}

}  // namespace

void AlertBook::load(const StateSnapshot& snapshot, TimePoint now, Groups& old) {
  silences.restore(snapshot.silences, now);
  std::unordered_map<std::uint64_t, KnownAlert*> by_fingerprint;
  for (const AlertRow& row : snapshot.alerts) {
    KnownAlert& known = alerts[row.labels];
    known.alert = from_row(row);
    const Duration granted = std::min(row.ends_at - row.updated_at, config->resolve_timeout);
    if (granted > Duration::zero()) known.alert.ends_at = std::max(row.ends_at, now + granted);
    by_fingerprint[row.labels.hash()] = &known;
  }
  std::unordered_map<std::string, AlertGroup*> incidents;
  for (const IncidentRow& row : snapshot.incidents) {
    auto group = std::make_unique<AlertGroup>();
    group->key = row.group_key;
    group->receiver = row.receiver;
    group->labels = row.group_labels;
    group->incident = row.id;
    group->started_at = row.started_at;
    group->next_flush = row.next_flush_at;
    incidents[row.id] = group.get();
    old[row.group_key] = std::move(group);
  }
  for (const NotificationLogRow& row : snapshot.notification_log) {
    const auto found = incidents.find(row.incident);
    if (found == incidents.end()) continue;
    AlertGroup& group = *found->second;
    group.flushed = true;
    NotificationLogRow& log = group.told[row.channel] = row;
    std::sort(log.firing.begin(), log.firing.end());
    std::sort(log.resolved.begin(), log.resolved.end());
    for (const std::uint64_t fingerprint : row.firing) {
      const auto known = by_fingerprint.find(fingerprint);
      if (known != by_fingerprint.end()) group.add(*known->second);
    }
  }
  // An alert that is over belongs to the groups that may not have said so yet: it ended after they last spoke.
  for (auto& [labels, known] : alerts) {
    if (!known.alert.resolved_at(now)) continue;
    for (const Route* route : config->root.match(labels)) {
      const auto found = old.find(fmt::format("{}:{}", route->id, route->group_labels(labels).str()));
      if (found == old.end()) continue;
      TimePoint spoke{};
      for (const auto& [channel, log] : found->second->told) spoke = std::max(spoke, log.notified_at);
      if (std::max(known.alert.updated_at, known.alert.ends_at) > spoke) found->second->add(known);
    }
  }
}

void AlertBook::load_farewells(const StateSnapshot& snapshot, const Groups& old) {
  std::set<std::string_view> open;
  for (const auto& [key, group] : old) open.insert(group->incident);
  std::map<std::pair<std::string, std::string>, const NotificationLogRow*> logs;
  for (const NotificationLogRow& log : snapshot.notification_log) logs[{log.incident, log.channel}] = &log;
  for (const OutboxRow& row : snapshot.outbox) {
    const auto log = logs.find({row.incident, row.channel});
    if (open.contains(row.incident) || log == logs.end() || log->second->sequence != row.sequence) continue;
    const Result<Notification> last = notification_from_json(row.notification);
    if (!last || !last->resolved()) continue;
    farewells[log->first] = {*log->second, row, row.created_at + kRetellMax, config->root.group_interval, std::nullopt};
  }
}

void AlertBook::go_on(std::unique_ptr<AlertGroup> group, const std::string& key, const WantedGroup& wanted,
                      TimePoint now, DueNotifications& out) {
  const auto before = std::exchange(group->alerts, {});
  group->route = wanted.route;
  if (std::exchange(group->key, key) != key) out.changes.put_incidents.push_back(group->row());
  AlertGroup& kept = enlist(std::move(group));
  for (KnownAlert* known : wanted.alerts) {
    if (!before.contains(known) && known->alert.resolved_at(now)) continue;
    kept.add(*known);
    known->looked_at |= kept.flushed;
  }
}

void AlertBook::regroup(Groups old, TimePoint now, DueNotifications& out) {
  std::map<std::string, WantedGroup> wanted;  // by key
  inhibitor = Inhibitor(config->inhibit_rules);
  for (auto& [labels, known] : alerts) {
    known.groups = 0;
    inhibitor.add(known.alert);
    for (const Route* route : config->root.match(labels)) {
      Labels group_labels = route->group_labels(labels);
      std::string key = fmt::format("{}:{}", route->id, group_labels.str());
      wanted.try_emplace(std::move(key), WantedGroup{route, std::move(group_labels), {}})
          .first->second.alerts.push_back(&known);
    }
  }
  std::map<std::pair<std::string, Labels>, std::vector<std::unique_ptr<AlertGroup>>> orphans;  // by receiver and labels
  for (auto& [key, group] : old) {
    const auto found = wanted.find(key);
    if (found == wanted.end()) {
      orphans[{group->receiver, group->labels}].push_back(std::move(group));
    } else {
      go_on(std::move(group), key, found->second, now, out);
      wanted.erase(found);
    }
  }
  for (auto w = wanted.begin(); w != wanted.end();) {
    const auto orphan = orphans.find({w->second.route->receiver, w->second.labels});
    if (orphan == orphans.end() || orphan->second.empty()) {
      ++w;
      continue;
    }
    go_on(std::move(orphan->second.back()), w->first, w->second, now, out);
    orphan->second.pop_back();
    w = wanted.erase(w);
  }
  for (auto& [key, w] : wanted) {
    for (KnownAlert* known : w.alerts) route_alert(*known, now, out.changes);
  }
  for (auto& [key, list] : orphans) {
    for (auto& group : list) end_orphan(*group, now, out);
  }
  std::erase_if(alerts, [&](const auto& entry) {
    if (entry.second.groups > 0) return false;
    inhibitor.remove(entry.second.alert);
    out.changes.drop_alerts.push_back(entry.first);
    return true;
  });
}

}  // namespace tocsin
