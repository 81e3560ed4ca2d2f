#include "agent/service_manager.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

namespace tocsin::service_manager {

void ready() {
  sd_notify(0, "READY=1");
}

void reloading(Deadline now) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  sd_notify(0, fmt::format("RELOADING=1\nMONOTONIC_USEC={}", us).c_str());
}

void stopping() {
  sd_notify(0, "STOPPING=1");
}

void alive() {
  sd_notify(0, "WATCHDOG=1");
}

std::optional<Duration> watchdog_interval() {
  std::uint64_t us = 0;
  if (sd_watchdog_enabled(0, &us) <= 0) return std::nullopt;
  // Half of it, as sd_watchdog_enabled(3) advises.
  return std::chrono::duration_cast<Duration>(std::chrono::microseconds(us / 2));
}

}  // namespace tocsin::service_manager
