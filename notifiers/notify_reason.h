#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agent/store/state_db.h"
#include "notifiers/notification.h"

namespace tocsin {

/// The fingerprints of a group's alerts at one instant; both sorted.
struct GroupState {
  std::vector<std::uint64_t> firing;
  std::vector<std::uint64_t> resolved;
};

/// Why a channel is to be told of a group now, or nothing when it knows all it needs to (Alertmanager's notify/,
/// DedupStage). `last` is what it was told before (sets sorted), null when it never was.
///
/// A group whose alerts are all resolved gives kAllResolved also to a channel that does not send resolves: what it was
/// told is over, and must be noted so.
std::optional<NotifyReason> notify_reason(const NotificationLogRow* last, const GroupState& state, bool send_resolved,
                                          Duration repeat_interval, TimePoint now);

}  // namespace tocsin
