#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/time.h"
#include "agent/store/state_db.h"

namespace tocsin {

enum class HeartbeatStatus {
  kOk,
  kFail,
  kStart,  // a run began; kOk or kFail ends it
};
/// "ok", "fail", "start".
std::string_view to_string(HeartbeatStatus status);
std::optional<HeartbeatStatus> parse_heartbeat_status(std::string_view text);

/// What is known of one heartbeat.
struct Heartbeat {
  /// When it was first watched, for one that never came.
  TimePoint watched_since{};
  /// The last kOk or kFail.
  std::optional<TimePoint> last_at{};
  HeartbeatStatus last_status = HeartbeatStatus::kOk;
  /// A run that began and has not ended.
  std::optional<TimePoint> started_at{};
  /// How long the last run took: as the sender said, else from its kStart to its end.
  std::optional<double> run_seconds{};
};

/// Who checked in, and when. Guarded by a mutex, because check-ins come in on the engine's thread while probes look on
/// theirs. Names that no probe watches are not kept.
class HeartbeatBook {
 public:
  /// A check-in. False when nobody watches that name. Time that goes backwards is taken as it is.
  bool record(std::string_view name, TimePoint now, HeartbeatStatus status, std::optional<double> run_seconds = {});
  /// Begins to watch; watching again changes nothing.
  void watch(std::string_view name, TimePoint now);
  std::optional<Heartbeat> last(std::string_view name) const;
  /// All names that are watched.
  std::vector<std::string> names() const;

  /// The rows of state.db: what changed since the last call, and what was there at the start. A row with an empty
  /// status has never come, and its time is when it was first watched.
  std::vector<HeartbeatRow> take_changed();
  void restore(const std::vector<HeartbeatRow>& rows);

 private:
  struct Entry {
    Heartbeat beat;
    bool watched = false;  // false: only restored so far
    bool changed = false;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace tocsin
