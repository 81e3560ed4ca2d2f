// From a group of alerts to the messages about it. Every channel of a receiver is asked on its own what it knows, as
// Alertmanager's fan-out does; the messages of channels that want the same alerts differ only in whom they go to.

#include "notifiers/alert_group.h"

#include <algorithm>

#include "notifiers/alert_order.h"
#include "notifiers/notify_reason.h"

namespace tocsin {
namespace {

// Keeps of `common` what `next` has too, with the same value.
void intersect(std::map<std::string, std::string>& common, const auto& value_in_next) {
  std::erase_if(common, [&](const auto& entry) { return !value_in_next(entry.first, entry.second); });
}

void add_common(Notification& n) {
  if (n.alerts.empty()) return;
  std::map<std::string, std::string> labels;
  for (const Label l : n.alerts.front().labels) labels.emplace(l.name, l.value);
  n.common_annotations = n.alerts.front().annotations;
  for (const NotifiedAlert& alert : n.alerts) {
    intersect(labels, [&](const auto& name, const auto& value) { return alert.labels.get(name) == value; });
    intersect(n.common_annotations, [&](const auto& name, const auto& value) {
      const auto found = alert.annotations.find(name);
      return found != alert.annotations.end() && found->second == value;
    });
  }
  n.common_labels = Labels(labels);
}

NotifiedAlert notified(const Alert& alert, bool resolved, TimePoint ends_at) {
  return {alert.labels,        alert.annotations,   alert.starts_at, resolved ? ends_at : TimePoint{},
          alert.generator_url, alert.fingerprint(), resolved};
}

Notification about(const AlertGroup& group, const std::string& external_url, TimePoint now) {
  Notification n;
  n.incident = group.incident;
  n.receiver = group.receiver;
  // Alertmanager's text, which has no receiver in it; the key of a route that is gone still has.
  n.group_key = group.route != nullptr ? fmt::format("{}:{}", group.route->key, group.labels.str()) : group.key;
  n.group_labels = group.labels;
  n.external_url = external_url;
  n.created_at = now;
  n.incident_started_at = group.started_at;
  return n;
}

// The group as a message shows it, firing alerts first, and the fingerprints of both kinds.
struct Snapshot {
  std::vector<NotifiedAlert> firing;
  std::vector<NotifiedAlert> resolved;
  GroupState state;
};

// `told`: what the channel was told; null when it never was.
Snapshot snapshot(const AlertGroup& group, const Quiet& quiet, const NotificationLogRow* told, TimePoint now) {
  Snapshot s;
  for (const KnownAlert* known : group.alerts) {
    const bool over = known->alert.resolved_at(now);
    if (quiet.whole_route || quiet.alerts.contains(known)) {
      const bool awaited = over && told != nullptr &&
                           std::binary_search(told->firing.begin(), told->firing.end(), known->alert.labels.hash());
      if (!awaited) continue;
    }
    (over ? s.resolved : s.firing).push_back(notified(known->alert, over, known->alert.ends_at));
    (over ? s.state.resolved : s.state.firing).push_back(known->alert.labels.hash());
  }
  std::sort(s.state.firing.begin(), s.state.firing.end());
  std::sort(s.state.resolved.begin(), s.state.resolved.end());
  return s;
}

NotificationLogRow& log_of(AlertGroup& group, const std::string& channel) {
  NotificationLogRow& log = group.told[channel];
  log.incident = group.incident;
  log.channel = channel;
  return log;
}

}  // namespace

bool AlertOrder::operator()(const KnownAlert* a, const KnownAlert* b) const {
  return alert_before(a->alert.labels, b->alert.labels);
}

OutboxRow next_message(Notification notification, NotificationLogRow& log, TimePoint now) {
  notification.channel = log.channel;
  notification.sequence = ++log.sequence;
  notification.idempotency_key = idempotency_key(notification.incident, notification.channel, notification.sequence);
  OutboxRow row;
  row.incident = notification.incident;
  row.channel = notification.channel;
  row.sequence = notification.sequence;
  row.idempotency_key = notification.idempotency_key;
  row.notification = to_json(notification);
  row.created_at = now;
  row.not_before = now;
  return row;
}

void tell(AlertGroup& group, const ReceiverConfig& receiver, const Quiet& quiet, const std::string& external_url,
          TimePoint now, DueNotifications& out) {
  const Snapshot all = quiet.empty() ? snapshot(group, quiet, nullptr, now) : Snapshot();
  for (const ChannelConfig& channel : receiver.channels) {
    const auto before = group.told.find(channel.id);
    const NotificationLogRow* told = before == group.told.end() ? nullptr : &before->second;
    const Snapshot heard = quiet.empty() ? Snapshot() : snapshot(group, quiet, told, now);
    const Snapshot& shown = quiet.empty() ? all : heard;
    if (shown.firing.empty() && shown.resolved.empty()) continue;
    const auto reason = notify_reason(told, shown.state, channel.send_resolved, group.route->repeat_interval, now);
    if (!reason) continue;
    NotificationLogRow& log = log_of(group, channel.id);
    // A channel that sends no resolves is noted to know of the end, and hears nothing.
    if (channel.send_resolved || !shown.firing.empty()) {
      Notification n = about(group, external_url, now);
      n.reason = *reason;
      n.alerts = shown.firing;
      if (channel.send_resolved) n.alerts.insert(n.alerts.end(), shown.resolved.begin(), shown.resolved.end());
      add_common(n);
      out.messages.push_back(next_message(std::move(n), log, now));
      out.changes.put_outbox.push_back(out.messages.back());
    }
    log.notified_at = now;
    log.firing = shown.state.firing;
    log.resolved = shown.state.resolved;
    out.changes.put_notification_log.push_back(log);
  }
}

void tell_end(AlertGroup& group, const ReceiverConfig& receiver, const std::string& external_url, TimePoint now,
              DueNotifications& out) {
  for (const ChannelConfig& channel : receiver.channels) {
    const auto told = group.told.find(channel.id);
    if (told == group.told.end() || told->second.firing.empty()) continue;
    NotificationLogRow& log = told->second;
    Notification n = about(group, external_url, now);
    n.reason = NotifyReason::kAllResolved;
    for (const KnownAlert* known : group.alerts) {
      if (!std::binary_search(log.firing.begin(), log.firing.end(), known->alert.labels.hash())) continue;
      n.alerts.push_back(notified(known->alert, true, std::min(known->alert.ends_at, now)));
    }
    if (channel.send_resolved && !n.alerts.empty()) {
      add_common(n);
      out.messages.push_back(next_message(std::move(n), log, now));
      out.changes.put_outbox.push_back(out.messages.back());
    }
    log.notified_at = now;
    log.resolved = std::exchange(log.firing, {});
    out.changes.put_notification_log.push_back(log);
  }
}

}  // namespace tocsin
