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

#include "notifiers/alert_book.h"
#include "notifiers/alert_merge.h"

namespace tocsin {
namespace {

AlertRow to_row(const Alert& a) {
  return {a.labels, a.annotations, a.starts_at, a.ends_at, a.updated_at, a.generator_url, a.timeout};
}

}  // namespace

struct AlertManager::Impl : AlertBook {
  std::optional<DueNotifications> left_over;  // of a restore, for the first due()
};

AlertManager::AlertManager(std::shared_ptr<const NotifyConfig> config) : impl_(std::make_unique<Impl>()) {
  impl_->config = std::move(config);
  impl_->inhibitor = Inhibitor(impl_->config->inhibit_rules);
}
AlertManager::~AlertManager() = default;

const NotifyConfig& AlertManager::config() const {
  return *impl_->config;
}

StateChange AlertManager::apply(std::span<const Alert> alerts, TimePoint now, std::size_t* refused) {
  StateChange changes;
  for (const Alert& given : alerts) {
    if (given.labels.empty()) continue;
    Alert alert = received(given, impl_->config->resolve_timeout, now);
    auto found = impl_->alerts.find(alert.labels);
    if (found == impl_->alerts.end()) {
      // Over before we heard of it: there is nobody to tell.
      if (alert.resolved_at(now)) continue;
      if (impl_->alerts.size() >= impl_->config->limits.alerts_max || impl_->too_many_groups(alert.labels)) {
        ++impl_->stats.limited_total;
        if (refused != nullptr) ++*refused;
        continue;
      }
      found = impl_->alerts.try_emplace(alert.labels).first;
      found->second.alert = std::move(alert);
      impl_->inhibitor.add(found->second.alert);
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
  AlertBook::Groups old = std::exchange(impl_->groups, {});
  for (auto& [key, group] : old) impl_->delist(*group);
  impl_->regroup(std::move(old), now, out);
  return out;
}

void AlertManager::restore(const StateSnapshot& snapshot, TimePoint now) {
  AlertBook::Groups old;
  impl_->load(snapshot, now, old);
  impl_->load_farewells(snapshot, old);
  DueNotifications out;
  impl_->regroup(std::move(old), now, out);
  const StateChange& c = out.changes;
  if (!c.put_incidents.empty() || !c.drop_alerts.empty() || !c.put_notification_log.empty()) {
    impl_->left_over = std::move(out);
  }
}

tl::expected<std::string, SilenceError> AlertManager::set_silence(Silence silence, TimePoint now,
                                                                  StateChange& changes) {
  return impl_->silences.set(std::move(silence), impl_->config->limits.silences, now, changes);
}
tl::expected<void, SilenceError> AlertManager::expire_silence(const std::string& id, TimePoint now,
                                                              StateChange& changes) {
  return impl_->silences.expire(id, now, changes);
}
const Silences& AlertManager::silences() const {
  return impl_->silences;
}
StateChange AlertManager::maintain(TimePoint now) {
  return impl_->silences.maintain(impl_->config->limits.silences, now);
}

std::vector<AlertView> AlertManager::alerts(TimePoint now, const AlertFilter& wanted) const {
  std::vector<AlertView> out;
  for (const auto& [labels, known] : impl_->alerts) {
    if (known.alert.resolved_at(now) || (wanted && !wanted(known.alert))) continue;
    out.push_back(impl_->view(known, now));
  }
  std::sort(out.begin(), out.end(),
            [](const AlertView& a, const AlertView& b) { return a.alert.labels < b.alert.labels; });
  return out;
}

std::vector<GroupView> AlertManager::groups(TimePoint now, const AlertFilter& wanted) const {
  std::vector<GroupView> out;
  for (const auto& [key, group] : impl_->groups) {
    GroupView view{group->receiver,
                   group->labels,
                   group->told.empty() ? "" : group->incident,
                   impl_->config->muting(*group->route, now),
                   {}};
    for (const KnownAlert* known : group->alerts) {
      if (known->alert.resolved_at(now) || (wanted && !wanted(known->alert))) continue;
      view.alerts.push_back(impl_->view(*known, now));
    }
    if (!view.alerts.empty()) out.push_back(std::move(view));
  }
  std::stable_sort(out.begin(), out.end(), [](const GroupView& a, const GroupView& b) {
    return std::tie(a.labels, a.receiver) < std::tie(b.labels, b.receiver);
  });
  return out;
}

AlertManagerStats AlertManager::stats(TimePoint now) const {
  AlertManagerStats out = impl_->stats;
  out.groups = impl_->groups.size();
  out.alerts = {{"active", 0}, {"suppressed", 0}, {"unprocessed", 0}};
  for (const auto& [labels, known] : impl_->alerts) {
    if (known.alert.resolved_at(now)) continue;
    ++out.alerts[known.suppressed ? "suppressed" : known.looked_at ? "active" : "unprocessed"];
  }
  return out;
}

}  // namespace tocsin
