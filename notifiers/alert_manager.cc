// Who is told what, when. Alerts are kept once, by their labels; groups refer to them. A group is flushed at its
// next_flush: first group_wait after it came to be (at once when an alert in it has been firing for longer than that),
// then every group_interval; each channel is told if it does not know everything yet (notify_reason.h). A flush drops
// the resolved alerts, and a group without alerts ends, and its incident with it. Alertmanager lets an empty group
// linger until its next clean-up, up to 30 s, so that there an alert that returns meanwhile waits for group_interval;
// here it always begins a new group.
//
// What differs from Alertmanager since nothing may be lost:
// - Everything known leaves as rows and comes back by restore(), with absolute deadlines. The time an agent was away is
// nobody's
//   silence: an alert that had not been resolved gets as long again to be heard of as it had when it was last heard of,
//   at most resolve_timeout.
// - A message counts as told once its row is committed. When the outbox gives it up (a dead letter), and nothing newer
//   went to that channel, the channel is told again at the next flush; when that was the end of an incident, again
//   after group_interval, for a day.
// - A reload keeps timers and incidents of groups whose route is still there, or whose receiver and labels are the
// same.

#include "notifiers/alert_manager.h"

#include <algorithm>

#include "notifiers/alert_group.h"
#include "notifiers/alert_merge.h"
#include "notifiers/digest.h"

namespace tocsin {
namespace {

// How long the end of an incident is told again after dead letters.
constexpr Duration kRetellMax = std::chrono::hours(24);

AlertRow to_row(const Alert& a) {
  return {a.labels, a.annotations, a.starts_at, a.ends_at, a.updated_at, a.generator_url, a.timeout};
}

Alert from_row(const AlertRow& r) {
  return {r.labels, r.annotations, r.starts_at, r.ends_at, r.generator_url, r.updated_at, r.timeout};
}

// The end of an incident on its way to one channel.
struct Farewell {
  NotificationLogRow log;
  OutboxRow last;
  TimePoint retell_until;
  Duration retell_after{};
  std::optional<TimePoint> retell_at;
};

using Groups = std::map<std::string, std::unique_ptr<AlertGroup>>;

}  // namespace

struct AlertManager::Impl {
  std::shared_ptr<const NotifyConfig> config;
  std::unordered_map<Labels, KnownAlert> alerts;
  Groups groups;                                             // by key
  std::unordered_map<std::string, AlertGroup*> by_incident;  // of the open ones
  std::set<std::pair<TimePoint, std::uint64_t>> timetable;   // next_flush, number
  std::unordered_map<std::uint64_t, AlertGroup*> by_number;
  std::map<std::pair<std::string, std::string>, Farewell> farewells;  // by incident and channel
  std::uint64_t groups_total = 0;
  std::optional<DueNotifications> left_over;  // of a restore, for the first due()

  const ReceiverConfig& receiver(const std::string& name) const {
    static const ReceiverConfig kNobody;
    const auto found = config->receivers.find(name);
    return found == config->receivers.end() ? kNobody : found->second;
  }

  void schedule(AlertGroup& group, TimePoint at) {
    timetable.erase({group.next_flush, group.number});
    group.next_flush = at;
    timetable.insert({at, group.number});
  }

  // Puts a group with its key, route, receiver and labels on the lists.
  AlertGroup& enlist(std::unique_ptr<AlertGroup> made) {
    AlertGroup& group = *made;
    group.number = ++groups_total;
    by_incident[group.incident] = &group;
    by_number[group.number] = &group;
    timetable.insert({group.next_flush, group.number});
    groups[group.key] = std::move(made);
    return group;
  }

  AlertGroup& begin_group(const Route& route, const Labels& labels, std::string key, TimePoint now) {
    auto group = std::make_unique<AlertGroup>();
    group->route = &route;
    group->receiver = route.receiver;
    group->labels = labels;
    group->started_at = now;
    group->next_flush = now + route.group_wait;
    group->incident =
        Digest().add(key).add(std::to_string(now.time_since_epoch().count())).add(std::to_string(groups_total)).hex(16);
    group->key = std::move(key);
    return enlist(std::move(group));
  }

  // An alert that has been firing for longer than group_wait is not made to wait again.
  bool hurry(AlertGroup& group, const Alert& alert, TimePoint now) {
    if (group.flushed || alert.starts_at + group.route->group_wait >= now || group.next_flush <= now) return false;
    schedule(group, now);
    return true;
  }

  void route_alert(KnownAlert& known, TimePoint now, StateChange& changes) {
    const bool over = known.alert.resolved_at(now);
    for (const Route* route : config->root.match(known.alert.labels)) {
      const Labels labels = route->group_labels(known.alert.labels);
      std::string key = fmt::format("{}:{}", route->id, labels.str());
      const auto found = groups.find(key);
      // What is over begins nothing, and does not come back to a group that has dropped it.
      if (over && (found == groups.end() || !found->second->alerts.contains(&known))) continue;
      bool changed = found == groups.end();
      AlertGroup& group = changed ? begin_group(*route, labels, std::move(key), now) : *found->second;
      group.add(known);
      changed |= hurry(group, known.alert, now);
      if (changed) changes.put_incidents.push_back(group.row());
    }
  }

  void flush(AlertGroup& group, TimePoint now, DueNotifications& out) {
    const std::size_t first = out.messages.size();
    tell(group, receiver(group.receiver), config->external_url, now, out);
    group.flushed = true;
    for (KnownAlert* known : group.alerts) known->looked_at = true;
    std::erase_if(group.alerts, [&](KnownAlert* known) {
      if (!known->alert.resolved_at(now)) return false;
      release(*known, out.changes);
      return true;
    });
    schedule(group, now + std::max(group.route->group_interval, Duration(1)));
    if (group.alerts.empty()) {
      end_group(group, now, first, out);
    } else {
      out.changes.put_incidents.push_back(group.row());
    }
  }

  void release(KnownAlert& known, StateChange& changes) {
    if (--known.groups > 0) return;
    const Labels labels = known.alert.labels;
    changes.drop_alerts.push_back(labels);
    alerts.erase(labels);
  }

  // `first`: the first of the messages in `out` that tell of the end.
  void end_group(AlertGroup& group, TimePoint now, std::size_t first, DueNotifications& out) {
    IncidentRow row = group.row();
    row.ended_at = now;
    out.changes.put_incidents.push_back(std::move(row));
    const Duration interval = group.route != nullptr ? group.route->group_interval : config->root.group_interval;
    for (std::size_t i = first; i < out.messages.size(); ++i) {
      const OutboxRow& end = out.messages[i];
      farewells[{end.incident, end.channel}] = {group.told[end.channel], end, now + kRetellMax, interval, std::nullopt};
    }
    delist(group);
    const auto listed = groups.find(group.key);
    if (listed != groups.end() && listed->second.get() == &group) groups.erase(listed);
  }

  void end_orphan(AlertGroup& group, TimePoint now, DueNotifications& out) {
    const std::size_t first = out.messages.size();
    tell_end(group, receiver(group.receiver), config->external_url, now, out);
    end_group(group, now, first, out);
  }

  AlertView view(const KnownAlert& known) const {
    AlertView out{known.alert, {}, known.looked_at ? "active" : "unprocessed"};
    for (const Route* route : config->root.match(known.alert.labels)) out.receivers.push_back(route->receiver);
    std::sort(out.receivers.begin(), out.receivers.end());
    out.receivers.erase(std::unique(out.receivers.begin(), out.receivers.end()), out.receivers.end());
    return out;
  }

  void delist(AlertGroup& group) {
    timetable.erase({group.next_flush, group.number});
    by_number.erase(group.number);
    by_incident.erase(group.incident);
  }

  void retell_farewells(TimePoint now, DueNotifications& out) {
    for (auto& [key, farewell] : farewells) {
      if (!farewell.retell_at || *farewell.retell_at > now) continue;
      farewell.retell_at.reset();
      Result<Notification> again = notification_from_json(farewell.last.notification);
      if (!again) continue;
      out.messages.push_back(next_message(std::move(*again), farewell.log, now));
      farewell.log.notified_at = now;
      out.changes.put_outbox.push_back(out.messages.back());
      out.changes.put_notification_log.push_back(farewell.log);
    }
  }

  void load(const StateSnapshot& snapshot, TimePoint now, Groups& old);
  void load_farewells(const StateSnapshot& snapshot, const Groups& old);
  void regroup(Groups old, TimePoint now, DueNotifications& out);
};

AlertManager::AlertManager(std::shared_ptr<const NotifyConfig> config) : impl_(std::make_unique<Impl>()) {
  impl_->config = std::move(config);
}
AlertManager::~AlertManager() = default;

const NotifyConfig& AlertManager::config() const {
  return *impl_->config;
}

StateChange AlertManager::apply(std::span<const Alert> alerts, TimePoint now) {
  StateChange changes;
  for (const Alert& given : alerts) {
    if (given.labels.empty()) continue;
    Alert alert = received(given, impl_->config->resolve_timeout, now);
    auto found = impl_->alerts.find(alert.labels);
    if (found == impl_->alerts.end()) {
      // Over before we heard of it: there is nobody to tell.
      if (alert.resolved_at(now)) continue;
      found = impl_->alerts.try_emplace(alert.labels).first;
      found->second.alert = std::move(alert);
    } else {
      found->second.alert = merged(found->second.alert, std::move(alert), now);
    }
    changes.put_alerts.push_back(to_row(found->second.alert));
    impl_->route_alert(found->second, now, changes);
  }
  return changes;
}

DueNotifications AlertManager::due(TimePoint now) {
  DueNotifications out = std::exchange(impl_->left_over, {}).value_or(DueNotifications{});
  impl_->retell_farewells(now, out);
  while (!impl_->timetable.empty() && impl_->timetable.begin()->first <= now) {
    impl_->flush(*impl_->by_number.at(impl_->timetable.begin()->second), now, out);
  }
  return out;
}

TimePoint AlertManager::next_due() const {
  if (impl_->left_over) return TimePoint{};
  TimePoint next = impl_->timetable.empty() ? TimePoint::max() : impl_->timetable.begin()->first;
  for (const auto& [key, farewell] : impl_->farewells) next = std::min(next, farewell.retell_at.value_or(next));
  return next;
}

StateChange AlertManager::delivered(const Receipt& receipt, TimePoint now) {
  const auto group = impl_->by_incident.find(receipt.incident);
  const auto farewell = impl_->farewells.find({receipt.incident, receipt.channel});
  NotificationLogRow* log = nullptr;
  if (group != impl_->by_incident.end()) {
    const auto channel = group->second->told.find(receipt.channel);
    if (channel != group->second->told.end()) log = &channel->second;
  } else if (farewell != impl_->farewells.end()) {
    log = &farewell->second.log;
  }
  if (log == nullptr) return {};

  StateChange changes;
  const bool newest = receipt.sequence == log->sequence;
  if (receipt.delivered && !receipt.provider_ref.empty()) log->provider_ref = receipt.provider_ref;
  // As if it had been told long ago: the next flush repeats it.
  if (!receipt.delivered && newest) log->notified_at = TimePoint{};
  changes.put_notification_log.push_back(*log);
  if (newest && farewell != impl_->farewells.end()) {
    const TimePoint again = now + farewell->second.retell_after;
    if (!receipt.delivered && again <= farewell->second.retell_until) {
      farewell->second.retell_at = again;
    } else {
      impl_->farewells.erase(farewell);
    }
  }
  return changes;
}

DueNotifications AlertManager::reload(std::shared_ptr<const NotifyConfig> config, TimePoint now) {
  DueNotifications out = std::exchange(impl_->left_over, {}).value_or(DueNotifications{});
  // The routes that the groups point to live in the configuration that goes.
  const std::shared_ptr<const NotifyConfig> before = std::exchange(impl_->config, std::move(config));
  Groups old = std::exchange(impl_->groups, {});
  for (auto& [key, group] : old) impl_->delist(*group);
  impl_->regroup(std::move(old), now, out);
  return out;
}

void AlertManager::restore(const StateSnapshot& snapshot, TimePoint now) {
  Groups old;
  impl_->load(snapshot, now, old);
  impl_->load_farewells(snapshot, old);
  DueNotifications out;
  impl_->regroup(std::move(old), now, out);
  const StateChange& c = out.changes;
  if (!c.put_incidents.empty() || !c.drop_alerts.empty() || !c.put_notification_log.empty()) {
    impl_->left_over = std::move(out);
  }
}

// Makes the alerts, and the groups as they were, with those of their alerts that have not been told of to the end.
void AlertManager::Impl::load(const StateSnapshot& snapshot, TimePoint now, Groups& old) {
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

// The ends of incidents that are still on their way.
void AlertManager::Impl::load_farewells(const StateSnapshot& snapshot, const Groups& old) {
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

// Routes every alert anew. A group that is still wanted goes on; of the others, one with the receiver and labels of a
// new group becomes that; what is left over then ends.
void AlertManager::Impl::regroup(Groups old, TimePoint now, DueNotifications& out) {
  struct Wanted {
    const Route* route;
    Labels labels;
    std::vector<KnownAlert*> alerts;
  };
  std::map<std::string, Wanted> wanted;  // by key
  for (auto& [labels, known] : alerts) {
    known.groups = 0;
    for (const Route* route : config->root.match(labels)) {
      Labels group_labels = route->group_labels(labels);
      std::string key = fmt::format("{}:{}", route->id, group_labels.str());
      wanted.try_emplace(std::move(key), Wanted{route, std::move(group_labels), {}})
          .first->second.alerts.push_back(&known);
    }
  }
  const auto go_on = [&](std::unique_ptr<AlertGroup> group, const std::string& key, const Wanted& w) {
    const auto before = std::exchange(group->alerts, {});
    group->route = w.route;
    if (std::exchange(group->key, key) != key) out.changes.put_incidents.push_back(group->row());
    AlertGroup& kept = enlist(std::move(group));
    for (KnownAlert* known : w.alerts) {
      if (!before.contains(known) && known->alert.resolved_at(now)) continue;
      kept.add(*known);
      known->looked_at |= kept.flushed;
    }
  };
  std::map<std::pair<std::string, Labels>, std::vector<std::unique_ptr<AlertGroup>>> orphans;  // by receiver and labels
  for (auto& [key, group] : old) {
    const auto found = wanted.find(key);
    if (found == wanted.end()) {
      orphans[{group->receiver, group->labels}].push_back(std::move(group));
    } else {
      go_on(std::move(group), key, found->second);
      wanted.erase(found);
    }
  }
  for (auto w = wanted.begin(); w != wanted.end();) {
    const auto orphan = orphans.find({w->second.route->receiver, w->second.labels});
    if (orphan == orphans.end() || orphan->second.empty()) {
      ++w;
      continue;
    }
    go_on(std::move(orphan->second.back()), w->first, w->second);
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
    out.changes.drop_alerts.push_back(entry.first);
    return true;
  });
}

std::vector<AlertView> AlertManager::alerts(TimePoint now) const {
  std::vector<AlertView> out;
  for (const auto& [labels, known] : impl_->alerts) {
    if (!known.alert.resolved_at(now)) out.push_back(impl_->view(known));
  }
  std::sort(out.begin(), out.end(),
            [](const AlertView& a, const AlertView& b) { return a.alert.labels < b.alert.labels; });
  return out;
}

std::vector<GroupView> AlertManager::groups(TimePoint now) const {
  std::vector<GroupView> out;
  for (const auto& [key, group] : impl_->groups) {
    GroupView view{group->receiver, group->labels, group->told.empty() ? "" : group->incident, {}};
    for (const KnownAlert* known : group->alerts) {
      if (!known->alert.resolved_at(now)) view.alerts.push_back(impl_->view(*known));
    }
    if (!view.alerts.empty()) out.push_back(std::move(view));
  }
  std::stable_sort(out.begin(), out.end(), [](const GroupView& a, const GroupView& b) {
    return std::tie(a.labels, a.receiver) < std::tie(b.labels, b.receiver);
  });
  return out;
}

}  // namespace tocsin
