#include <ctime>

#include "probes/host/files.h"
#include "probes/host/text.h"

namespace tocsin::host {
namespace {

constexpr Family kSeconds{"node_time_seconds", "gauge", "The system's time, in seconds since 1970."};
constexpr Family kZone{"node_time_zone_offset_seconds", "gauge", "Seconds that local time is ahead of UTC."};
constexpr Family kAvailable{"node_time_clocksource_available_info", "gauge",
                            "A clock source the kernel could use; always 1."};
constexpr Family kCurrent{"node_time_clocksource_current_info", "gauge", "The clock source the kernel uses; always 1."};

void add_clock_sources(const std::string& folder, Samples& out) {
  const auto names = list_folder(folder);
  if (!names) return;  // not on every architecture
  constexpr std::string_view kPrefix = "clocksource";
  for (const std::string& name : *names) {
    if (!name.starts_with(kPrefix)) continue;
    const std::string_view device = std::string_view(name).substr(kPrefix.size());
    const std::string available = read_word(folder + "/" + name + "/available_clocksource");
    std::string_view rest = available;
    for (std::string_view source = next_word(rest); !source.empty(); source = next_word(rest)) {
      out.add(kAvailable, {{"device", device}, {"clocksource", source}}, 1);
    }
    const std::string current = read_word(folder + "/" + name + "/current_clocksource");
    out.add(kCurrent, {{"device", device}, {"clocksource", current}}, 1);
  }
}

}  // namespace

const Collector kTime{"time", true, [](const Config& config, Clock& clock) -> Collect {
                        return [folder = config.sys("devices/system/clocksource"),
                                &clock](Samples& out) -> Result<void> {
                          const TimePoint now = clock.now();
                          out.add(kSeconds, to_seconds(now));
                          const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
                          const std::time_t time = static_cast<std::time_t>(seconds);
                          std::tm local{};
                          if (::localtime_r(&time, &local) != nullptr) {
                            // tm_zone points into what any thread's tzset() may be writing; strftime copies it.
                            char zone[64];
                            const std::size_t size = std::strftime(zone, sizeof zone, "%Z", &local);
                            out.add(kZone, {{"time_zone", {zone, size}}}, static_cast<double>(local.tm_gmtoff));
                          }
                          add_clock_sources(folder, out);
                          return {};
                        };
                      }};

}  // namespace tocsin::host
