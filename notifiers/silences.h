#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/core/matcher.h"
#include "agent/store/state_db.h"
#include "notifiers/matcher_index.h"

namespace tocsin {

enum class SilenceState { kPending, kActive, kExpired };
std::string_view to_string(SilenceState state);

/// Keeps alerts from being told of while it is active.
struct Silence {
  std::string id;              // a UUID
  std::vector<Matchers> sets;  // an alert that all matchers of one set match is silenced
  TimePoint starts_at;
  TimePoint ends_at;
  TimePoint updated_at;
  std::string created_by;
  std::string comment;
  Annotations annotations;

  /// Active from starts_at on, expired from ends_at on.
  SilenceState state(TimePoint now) const;
  bool matches(const Labels& labels) const;
};

struct SilenceLimits {
  std::size_t silences_max = 100'000;
  std::size_t silence_bytes_max = 64U << 10;
  Duration retention = std::chrono::hours(120);
};

/// Why a silence was not taken. Messages are Alertmanager's.
struct SilenceError {
  bool not_found = false;
  std::string message;
};

/// All silences, with Alertmanager's rules: what has expired is kept for `retention` and cannot be revived; a change of
/// matchers, or of what has gone by already, ends the old silence and makes a new one.
class Silences {
 public:
  void restore(const std::vector<SilenceRow>& rows, TimePoint now);

  /// Makes a silence (no id), or changes the one with that id. Returns its id, and into `changes` what must be
  /// committed before that is told to anybody.
  tl::expected<std::string, SilenceError> set(Silence silence, const SilenceLimits& limits, TimePoint now,
                                              StateChange& changes);
  /// Ends one now. Errors: not found; it is over already.
  tl::expected<void, SilenceError> expire(const std::string& id, TimePoint now, StateChange& changes);
  /// Forgets what expired longer ago than the retention.
  StateChange maintain(const SilenceLimits& limits, TimePoint now);

  const Silence* find(const std::string& id) const;
  /// In Alertmanager's order: active ones by their end, pending by their start, expired the latest first.
  std::vector<const Silence*> all(TimePoint now) const;
  /// The ids of the silences that keep an alert quiet, sorted.
  std::vector<std::string> silencing(const Labels& labels, TimePoint now) const;
  std::map<SilenceState, std::size_t> count(TimePoint now) const;

 private:
  struct Entry {
    Silence silence;
    MatcherIndex::Id number = 0;
    bool filed = false;
  };
  void put(Silence silence, TimePoint now);
  void unfile(Entry& entry);
  std::string make_id(const Silence& silence, TimePoint now);

  std::unordered_map<std::string, Entry> entries_;
  std::unordered_map<MatcherIndex::Id, const Entry*> by_number_;
  MatcherIndex index_;  // of those that are not over
  MatcherIndex::Id numbers_ = 0;
  std::uint64_t made_ = 0;
};

}  // namespace tocsin
