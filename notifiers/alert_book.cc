#include "notifiers/alert_book.h"

#include <algorithm>

#include "notifiers/digest.h"

namespace tocsin {

const ReceiverConfig& AlertBook::receiver(const std::string& name) const {
  static const ReceiverConfig kNobody;
  const auto found = config->receivers.find(name);
  return found == config->receivers.end() ? kNobody : found->second;
}

void AlertBook::schedule(AlertGroup& group, TimePoint at) {
  timetable.erase({group.next_flush, group.number});
  group.next_flush = at;
  timetable.insert({at, group.number});
}

// Puts a group with its key, route, receiver and labels on the lists.
AlertGroup& AlertBook::enlist(std::unique_ptr<AlertGroup> made) {
  AlertGroup& group = *made;
  group.number = ++groups_total;
  by_incident[group.incident] = &group;
  by_number[group.number] = &group;
  timetable.insert({group.next_flush, group.number});
  groups[group.key] = std::move(made);
  return group;
}

AlertGroup& AlertBook::begin_group(const Route& route, const Labels& labels, std::string key, TimePoint now) {
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
bool AlertBook::hurry(AlertGroup& group, const Alert& alert, TimePoint now) {
  if (group.flushed || alert.starts_at + group.route->group_wait >= now || group.next_flush <= now) return false;
  schedule(group, now);
  return true;
}

void AlertBook::route_alert(KnownAlert& known, TimePoint now, StateChange& changes) {
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

bool AlertBook::too_many_groups(const Labels& labels) const {
  std::size_t more = 0;
  for (const Route* route : config->root.match(labels)) {
    more += groups.contains(fmt::format("{}:{}", route->id, route->group_labels(labels).str())) ? 0 : 1;
  }
  return more > 0 && groups.size() + more > config->limits.groups_max;
}

Quiet AlertBook::quiet(AlertGroup& group, TimePoint now) {
  Quiet out;
  const std::vector<std::string> muting = config->muting(*group.route, now);
  out.whole_route = !muting.empty();
  for (KnownAlert* known : group.alerts) {
    const Labels& labels = known->alert.labels;
    const bool inhibited = inhibitor.inhibiting(labels, now) != nullptr;
    const bool silenced = !silences.silencing(labels, now).empty();
    known->suppressed = inhibited || silenced;
    if (known->suppressed) out.alerts.insert(known);
    // Counted for the first of the reasons, in the order of Alertmanager's pipeline.
    if (inhibited) {
      ++stats.suppressed_total["inhibition"];
    } else if (out.whole_route) {
      const auto& mutes = group.route->mute_time_intervals;
      const bool mute = std::find(mutes.begin(), mutes.end(), muting.front()) != mutes.end();
      ++stats.suppressed_total[mute ? "mute_time_interval" : "active_time_interval"];
    } else if (silenced) {
      ++stats.suppressed_total["silence"];
    }
  }
  return out;
}

void AlertBook::flush(AlertGroup& group, TimePoint now, DueNotifications& out) {
  const std::size_t first = out.messages.size();
  tell(group, receiver(group.receiver), quiet(group, now), config->external_url, now, out);
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

void AlertBook::release(KnownAlert& known, StateChange& changes) {
  if (--known.groups > 0) return;
  const Labels labels = known.alert.labels;
  changes.drop_alerts.push_back(labels);
  inhibitor.remove(known.alert);
  alerts.erase(labels);
}

// `first`: the first of the messages in `out` that tell of the end.
void AlertBook::end_group(AlertGroup& group, TimePoint now, std::size_t first, DueNotifications& out) {
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

void AlertBook::end_orphan(AlertGroup& group, TimePoint now, DueNotifications& out) {
  const std::size_t first = out.messages.size();
  tell_end(group, receiver(group.receiver), config->external_url, now, out);
  end_group(group, now, first, out);
}

AlertView AlertBook::view(const KnownAlert& known, TimePoint now) const {
  AlertView out{known.alert, {}, known.looked_at ? "active" : "unprocessed", {}, {}};
  out.silenced_by = silences.silencing(known.alert.labels, now);
  if (const Alert* source = inhibitor.inhibiting(known.alert.labels, now)) {
    out.inhibited_by.push_back(source->fingerprint());
  }
  if (!out.silenced_by.empty() || !out.inhibited_by.empty()) out.state = "suppressed";
  for (const Route* route : config->root.match(known.alert.labels)) out.receivers.push_back(route->receiver);
  std::sort(out.receivers.begin(), out.receivers.end());
  out.receivers.erase(std::unique(out.receivers.begin(), out.receivers.end()), out.receivers.end());
  return out;
}

void AlertBook::delist(AlertGroup& group) {
  timetable.erase({group.next_flush, group.number});
  by_number.erase(group.number);
  by_incident.erase(group.incident);
}

void AlertBook::retell_farewells(TimePoint now, DueNotifications& out) {
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

}  // namespace tocsin
