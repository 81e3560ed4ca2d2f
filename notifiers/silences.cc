// Silences as Alertmanager's silence/ keeps them: values that are replaced, never changed in place, each with a row in
// state.db. Whoever makes or ends one is noted in the audit log with it.

#include "notifiers/silences.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "notifiers/digest.h"

namespace tocsin {
namespace {

using nlohmann::json;

std::string matchers_text(const std::vector<Matchers>& sets) {
  json out = json::array();
  for (const Matchers& set : sets) {
    json& matchers = out.emplace_back(json::array());
    for (const Matcher& m : set) matchers.push_back({m.name(), to_string(m.op()), m.value()});
  }
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<std::vector<Matchers>> read_matchers(const std::string& text) {
  const json parsed = json::parse(text, nullptr, false);
  std::vector<Matchers> out;
  for (const json& set : parsed) {
    Matchers& matchers = out.emplace_back();
    for (const json& m : set) {
      if (!m.is_array() || m.size() != 3) return fail("its matchers cannot be read");
      const auto op = m[1].get<std::string>();
      const MatchOp kind = op == "="    ? MatchOp::kEqual
                           : op == "!=" ? MatchOp::kNotEqual
                           : op == "=~" ? MatchOp::kRegex
                                        : MatchOp::kNotRegex;
      Result<Matcher> matcher = Matcher::make(m[0].get<std::string>(), kind, m[2].get<std::string>());
      if (!matcher) return tl::make_unexpected(matcher.error());
      matchers.push_back(std::move(*matcher));
    }
  }
  return out;
}

SilenceRow to_row(const Silence& s) {
  return {s.id, matchers_text(s.sets), s.starts_at, s.ends_at, s.updated_at, s.created_by, s.comment, s.annotations};
}

std::size_t size_of(const Silence& s) {
  std::size_t bytes = matchers_text(s.sets).size() + s.created_by.size() + s.comment.size();
  for (const auto& [name, value] : s.annotations) bytes += name.size() + value.size();
  return bytes;
}

tl::unexpected<SilenceError> refused(std::string message) {
  return tl::make_unexpected(SilenceError{false, std::move(message)});
}

std::string mistake_of(const Silence& s) {
  if (s.sets.empty()) return "at least one matcher required";
  for (const Matchers& set : s.sets) {
    if (set.empty()) return "at least one matcher required";
    for (std::size_t i = 0; i < set.size(); ++i) {
      if (set[i].name().empty()) return fmt::format("invalid label matcher {}: invalid label name \"\"", i);
    }
    if (std::all_of(set.begin(), set.end(), [](const Matcher& m) { return m.matches_empty(); })) {
      return "at least one matcher must not match the empty string";
    }
  }
  if (s.starts_at == TimePoint{}) return "invalid zero start timestamp";
  if (s.ends_at == TimePoint{}) return "invalid zero end timestamp";
  if (s.ends_at < s.starts_at) return "end time must not be before start time";
  return "";
}

/// Whether `next` changes nothing about `known` that has been in force.
bool can_update(const Silence& known, const Silence& next, TimePoint now) {
  if (known.sets != next.sets) return false;
  switch (known.state(now)) {
    case SilenceState::kPending:
      return next.starts_at >= now;
    case SilenceState::kActive:
      return next.starts_at == known.starts_at && next.ends_at >= now;
    case SilenceState::kExpired:
      return false;
  }
  return false;
}

void note(StateChange& changes, const Silence& s, std::string action, TimePoint now) {
  std::string matchers;
  for (const Matchers& set : s.sets) {
    matchers += matchers.empty() ? "{" : " or {";
    for (const Matcher& m : set) matchers += (matchers.ends_with('{') ? "" : ", ") + m.str();
    matchers += "}";
  }
  changes.audit.push_back({now, s.created_by, std::move(action),
                           fmt::format("{} {} until {}: {}", s.id, matchers, format_rfc3339(s.ends_at), s.comment)});
}

}  // namespace

std::string_view to_string(SilenceState state) {
  switch (state) {
    case SilenceState::kPending:
      return "pending";
    case SilenceState::kActive:
      return "active";
    case SilenceState::kExpired:
      return "expired";
  }
  return "expired";
}

SilenceState Silence::state(TimePoint now) const {
  if (now >= ends_at) return SilenceState::kExpired;
  return now < starts_at ? SilenceState::kPending : SilenceState::kActive;
}

bool Silence::matches(const Labels& labels) const {
  return std::any_of(sets.begin(), sets.end(), [&](const Matchers& set) { return tocsin::matches(set, labels); });
}

void Silences::restore(const std::vector<SilenceRow>& rows, TimePoint now) {
  for (const SilenceRow& row : rows) {
    Result<std::vector<Matchers>> sets = read_matchers(row.matchers);
    if (!sets) continue;  // of a newer version's making; its row stays
    put({row.id, std::move(*sets), row.starts_at, row.ends_at, row.updated_at, row.created_by, row.comment,
         row.annotations},
        now);
  }
}

void Silences::put(Silence silence, TimePoint now) {
  Entry& entry = entries_[silence.id];
  unfile(entry);
  entry.silence = std::move(silence);
  if (entry.silence.state(now) == SilenceState::kExpired) return;
  entry.number = ++numbers_;
  entry.filed = true;
  by_number_[entry.number] = &entry;
  for (const Matchers& set : entry.silence.sets) index_.add(entry.number, set);
}

void Silences::unfile(Entry& entry) {
  if (!std::exchange(entry.filed, false)) return;
  index_.remove(entry.number);
  by_number_.erase(entry.number);
}

// A UUID that is the same when the same calls are made again, so that it can be tested; the count keeps two of one
// millisecond apart.
std::string Silences::make_id(const Silence& s, TimePoint now) {
  for (;;) {
    const std::string hex = Digest()
                                .add(matchers_text(s.sets))
                                .add(s.created_by)
                                .add(s.comment)
                                .add(std::to_string(now.time_since_epoch().count()))
                                .add(std::to_string(++made_))
                                .hex();
    // RFC 9562, version 8: of a maker's own design.
    std::string id = fmt::format("{}-{}-8{}-8{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(13, 3),
                                 hex.substr(17, 3), hex.substr(20, 12));
    if (!entries_.contains(id)) return id;
  }
}

tl::expected<std::string, SilenceError> Silences::set(Silence s, const SilenceLimits& limits, TimePoint now,
                                                      StateChange& changes) {
  s.updated_at = now;
  const auto known = s.id.empty() ? entries_.end() : entries_.find(s.id);
  if (!s.id.empty() && known == entries_.end()) return tl::make_unexpected(SilenceError{true, "silence not found"});
  const bool update = known != entries_.end() && can_update(known->second.silence, s, now);
  if (!update && s.starts_at < now && s.starts_at != TimePoint{}) s.starts_at = now;
  if (const std::string mistake = mistake_of(s); !mistake.empty()) return refused("invalid silence: " + mistake);
  if (const std::size_t bytes = size_of(s); bytes > limits.silence_bytes_max) {
    return refused(
        fmt::format("silence exceeded maximum size: {} bytes (limit: {} bytes)", bytes, limits.silence_bytes_max));
  }
  if (!update && entries_.size() >= limits.silences_max) {
    return refused(
        fmt::format("exceeded maximum number of silences: {} (limit: {})", entries_.size(), limits.silences_max));
  }
  if (!update) {
    if (known != entries_.end() && known->second.silence.state(now) != SilenceState::kExpired) {
      (void)expire(s.id, now, changes);
    }
    s.id = make_id(s, now);
  }
  note(changes, s, update ? "silence changed" : "silence made", now);
  changes.put_silences.push_back(to_row(s));
  std::string id = s.id;
  put(std::move(s), now);
  return id;
}

tl::expected<void, SilenceError> Silences::expire(const std::string& id, TimePoint now, StateChange& changes) {
  const auto known = entries_.find(id);
  if (known == entries_.end()) return tl::make_unexpected(SilenceError{true, "silence not found"});
  Silence s = known->second.silence;
  const SilenceState state = s.state(now);
  if (state == SilenceState::kExpired) return refused(fmt::format("silence {} already expired", id));
  if (state == SilenceState::kPending) s.starts_at = now;
  s.ends_at = s.updated_at = now;
  note(changes, s, "silence ended", now);
  changes.put_silences.push_back(to_row(s));
  put(std::move(s), now);
  return {};
}

StateChange Silences::maintain(const SilenceLimits& limits, TimePoint now) {
  StateChange changes;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool over = entry->second.silence.state(now) == SilenceState::kExpired;
    if (over) unfile(entry->second);
    if (!over || entry->second.silence.ends_at + limits.retention > now) {
      ++entry;
      continue;
    }
    changes.drop_silences.push_back(entry->first);
    entry = entries_.erase(entry);
  }
  return changes;
}

const Silence* Silences::find(const std::string& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second.silence;
}

std::vector<const Silence*> Silences::all(TimePoint now) const {
  const auto rank = [now](const Silence& s) {
    switch (s.state(now)) {
      case SilenceState::kActive:
        return std::tuple(0, s.ends_at.time_since_epoch(), std::string_view(s.id));
      case SilenceState::kPending:
        return std::tuple(1, s.starts_at.time_since_epoch(), std::string_view(s.id));
      case SilenceState::kExpired:
        break;
    }
    return std::tuple(2, -s.ends_at.time_since_epoch(), std::string_view(s.id));
  };
  std::vector<const Silence*> out;
  for (const auto& [id, entry] : entries_) out.push_back(&entry.silence);
  std::sort(out.begin(), out.end(), [&](const Silence* a, const Silence* b) { return rank(*a) < rank(*b); });
  return out;
}

std::vector<std::string> Silences::silencing(const Labels& labels, TimePoint now) const {
  std::vector<std::string> out;
  for (const MatcherIndex::Id number : index_.candidates(labels)) {
    const Silence& s = by_number_.at(number)->silence;
    if (s.state(now) == SilenceState::kActive && s.matches(labels)) out.push_back(s.id);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::map<SilenceState, std::size_t> Silences::count(TimePoint now) const {
  std::map<SilenceState, std::size_t> out{
      {SilenceState::kPending, 0}, {SilenceState::kActive, 0}, {SilenceState::kExpired, 0}};
  for (const auto& [id, entry] : entries_) ++out[entry.silence.state(now)];
  return out;
}

}  // namespace tocsin
