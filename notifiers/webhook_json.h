#pragma once

#include <cstdint>
#include <string>

#include "notifiers/notification.h"

namespace tocsin {

/// The message as Alertmanager's webhook sends it, version 4, key for key. Of more than `max_alerts` (0: any number)
/// the resolved ones are left out first, and truncatedAlerts counts them.
std::string webhook_json(const Notification& notification, std::uint64_t max_alerts);

}  // namespace tocsin
