#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

/// The log: lines on standard error, `time level message`. Secrets never get here, because Secret prints as ********.
namespace tocsin::log {

enum class Level { kDebug, kInfo, kWarn, kError };

/// Errors are told to `set_level("loud")` by a false return. Levels: debug, info, warn, error.
bool set_level(std::string_view level);
bool enabled(Level level);
void write(Level level, std::string_view message);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kDebug)) write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kInfo)) write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kWarn)) write(Level::kWarn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kError)) write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tocsin::log
