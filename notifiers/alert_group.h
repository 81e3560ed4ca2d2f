#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/core/alert.h"
#include "agent/store/state_db.h"
#include "notifiers/alert_manager.h"
#include "notifiers/notification.h"
#include "notifiers/route.h"

namespace tocsin {

/// An alert that is known, and in how many groups it is.
struct KnownAlert {
  Alert alert;
  std::size_t groups = 0;
  bool looked_at = false;   // one of its groups was flushed since it came
  bool suppressed = false;  // silenced or inhibited when last looked at
};

/// What a flush does not tell of: alerts that are inhibited or silenced, or all of a route that is muted.
struct Quiet {
  bool whole_route = false;
  std::set<const KnownAlert*> alerts;
  bool empty() const { return !whole_route && alerts.empty(); }
};

/// By Alertmanager's order of the alerts in a message.
struct AlertOrder {
  bool operator()(const KnownAlert* a, const KnownAlert* b) const;
};

/// The alerts that one route gathers under the same group labels: one occurrence of this is an incident.
struct AlertGroup {
  const Route* route = nullptr;  // null: the route is gone
  std::string key;               // route id and labels; unique
  std::string receiver;
  Labels labels;
  std::string incident;
  TimePoint started_at;
  TimePoint next_flush;
  bool flushed = false;
  std::uint64_t number = 0;  // in the order in which groups came to be
  std::set<KnownAlert*, AlertOrder> alerts;
  std::map<std::string, NotificationLogRow> told;  // by channel id

  IncidentRow row() const { return {incident, key, receiver, labels, started_at, std::nullopt, next_flush}; }
  void add(KnownAlert& alert) {
    if (alerts.insert(&alert).second) ++alert.groups;
  }
};

/// Tells the channels of `receiver` that need to hear of the group as it stands at `now`, and notes in `told` and in
/// `out` what they know from then on. One transaction: a message counts as told when its row is committed, since the
/// outbox brings it to its end. What is quiet counts as not there; but the end of an alert that a channel was told of
/// is always told, since otherwise a page that somebody works on would never close.
void tell(AlertGroup& group, const ReceiverConfig& receiver, const Quiet& quiet, const std::string& external_url,
          TimePoint now, DueNotifications& out);

/// Tells the channels that know of firing alerts in a group whose route is gone that these are over for them.
void tell_end(AlertGroup& group, const ReceiverConfig& receiver, const std::string& external_url, TimePoint now,
              DueNotifications& out);

/// The row for one more message to the channel of `log`; counts up its sequence.
OutboxRow next_message(Notification notification, NotificationLogRow& log, TimePoint now);

}  // namespace tocsin
