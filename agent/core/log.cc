// spdlog behind one door. The line pattern carries UTC with milliseconds, so that lines sort beside other programs'
// lines.

#include "agent/core/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace tocsin::log {
namespace {

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    spdlog::logger made("tocsin", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made.set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc));
    made.flush_on(spdlog::level::debug);
    return made;
  }();
  return instance;
}

constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                 spdlog::level::err};

}  // namespace

bool set_level(std::string_view level) {
  constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == level) {
      logger().set_level(kLevels[i]);
      return true;
    }
  }
  return false;
}

bool enabled(Level level) {
  return logger().should_log(kLevels[static_cast<int>(level)]);
}

void write(Level level, std::string_view message) {
  logger().log(kLevels[static_cast<int>(level)], message);
}

}  // namespace tocsin::log
