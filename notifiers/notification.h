#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/alert.h"
#include "agent/core/labels.h"
#include "agent/core/result.h"
#include "agent/core/time.h"

namespace tocsin {

/// One alert as a message shows it.
struct NotifiedAlert {
  Labels labels;
  Annotations annotations;
  TimePoint starts_at;
  TimePoint ends_at;  // TimePoint{} while firing
  std::string generator_url;
  std::string fingerprint;
  bool resolved = false;
};

/// Why a message is sent now (Alertmanager's notification_reason).
enum class NotifyReason { kFirst, kNewAlerts, kSomeResolved, kAllResolved, kRepeat, kTest };
std::string_view to_string(NotifyReason reason);

/// One message for one channel: everything a notifier needs, and exactly what stands in the outbox row. A value that
/// can be written to JSON and read back unchanged, so that a restart sends the same message.
struct Notification {
  std::string incident;         // id of one occurrence of a group, from its first alert to its resolve
  std::string receiver;         // "oncall"
  std::string channel;          // which of the receiver's channels: "oncall/pagerduty/0"
  std::int64_t sequence = 0;    // of this (incident, channel): 1, 2, 3 …
  std::string idempotency_key;  // made from (incident, channel, sequence); the same on every attempt
  NotifyReason reason = NotifyReason::kFirst;
  std::string group_key;  // Alertmanager's text form
  Labels group_labels;
  Labels common_labels;
  Annotations common_annotations;
  std::vector<NotifiedAlert> alerts;  // firing first, then resolved; each in Alertmanager's order (alert_order.h)
  std::uint64_t truncated_alerts = 0;
  std::string external_url;
  TimePoint created_at;
  TimePoint incident_started_at;  // the same in every message of the incident

  /// True when no alert in it is firing.
  bool resolved() const;
  std::string_view status() const { return resolved() ? "resolved" : "firing"; }
  std::size_t firing_count() const;
};

/// H(incident, channel, sequence) as 32 hex digits.
std::string idempotency_key(std::string_view incident, std::string_view channel, std::int64_t sequence);

std::string to_json(const Notification& notification);
Result<Notification> notification_from_json(std::string_view text);

}  // namespace tocsin
