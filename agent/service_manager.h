#pragma once

#include <optional>

#include "agent/core/time.h"

/// What the service manager that started us wants to hear (sd_notify(3)). Nothing happens without one.
namespace tocsin::service_manager {

void ready();
void reloading(Deadline now);
void stopping();
void alive();
/// How often it wants to hear alive(), if at all.
std::optional<Duration> watchdog_interval();

}  // namespace tocsin::service_manager
