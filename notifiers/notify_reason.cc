#include "notifiers/notify_reason.h"

#include <algorithm>

namespace tocsin {

std::optional<NotifyReason> notify_reason(const NotificationLogRow* last, const GroupState& state, bool send_resolved,
                                          Duration repeat_interval, TimePoint now) {
  const auto knows = [](const std::vector<std::uint64_t>& told, const std::vector<std::uint64_t>& alerts) {
    return std::includes(told.begin(), told.end(), alerts.begin(), alerts.end());
  };
  if (last == nullptr || last->firing.empty()) {
    // Alerts that came and went unnoticed are not worth a word.
    return state.firing.empty() ? std::nullopt : std::optional(NotifyReason::kFirst);
  }
  if (!knows(last->firing, state.firing)) return NotifyReason::kNewAlerts;
  if (state.firing.empty()) return NotifyReason::kAllResolved;
  if (send_resolved && !knows(last->resolved, state.resolved)) return NotifyReason::kSomeResolved;
  // Groups are looked at every group_interval: a repeat_interval that is a multiple of it is met to the instant.
  if (last->notified_at + repeat_interval <= now) return NotifyReason::kRepeat;
  return std::nullopt;
}

}  // namespace tocsin
