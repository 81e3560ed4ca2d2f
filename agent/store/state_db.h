#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/result.h"
#include "agent/core/time.h"

namespace tocsin {

/// The rows of state.db, one struct per table. Boxes that decide return them as values; the app commits them.

/// Where one alert of one rule stands (table alert_state). Key: rule_id, labels.
struct AlertStateRow {
  std::string rule_id;  // group file, group, rule name and place: "file;group;name;0"
  Labels labels;
  std::string state;  // pending, firing, inactive: resolved, and told of again for a while
  TimePoint active_at;
  std::optional<TimePoint> fired_at;
  std::optional<TimePoint> keep_firing_since;
  TimePoint last_sent_at;
  double value = 0;
  Annotations annotations;
  std::optional<TimePoint> resolved_at = {};
  std::optional<TimePoint> missing_since = {};  // data that it is held without
  std::uint64_t history = 0;                    // the last evaluations of a rule with `for = "3 of 5"`, one a bit
};

/// An alert the alert manager knows (table alerts). Key: labels.
struct AlertRow {
  Labels labels;
  Annotations annotations;
  TimePoint starts_at;
  TimePoint ends_at;
  TimePoint updated_at;
  std::string generator_url;
  bool timeout = false;
};

/// One occurrence of an alert group (table incidents). Key: id.
struct IncidentRow {
  std::string id;
  std::string group_key;  // route and group labels: at most one open incident per key
  std::string receiver;
  Labels group_labels;
  TimePoint started_at;
  std::optional<TimePoint> ended_at;
  TimePoint next_flush_at;
};

/// What one channel was last told of one incident (table notification_log). Key: incident, channel.
struct NotificationLogRow {
  std::string incident;
  std::string channel;
  std::int64_t sequence = 0;
  TimePoint notified_at;
  std::vector<std::uint64_t> firing;    // fingerprints
  std::vector<std::uint64_t> resolved;  // fingerprints
  std::string provider_ref;
};

/// A message that must arrive (table outbox). Key: incident, channel, sequence.
struct OutboxRow {
  std::string incident;
  std::string channel;
  std::int64_t sequence = 0;
  std::string idempotency_key;
  std::string notification;  // JSON
  TimePoint created_at;
  TimePoint not_before;
  std::uint32_t attempts = 0;
  /// pending; sending: an INTENT stands without its RESULT; delivered; dead: given up for good.
  std::string state = "pending";
  std::string last_error;
  std::optional<TimePoint> finished_at;
};

/// A silence (table silences). Key: id.
struct SilenceRow {
  std::string id;
  std::string matchers;  // JSON: sets of [name, operator, value]; an alert that all of one set match is silenced
  TimePoint starts_at;
  TimePoint ends_at;
  TimePoint updated_at;
  std::string created_by;
  std::string comment;
  Annotations annotations;
};

/// Something that must check in (table heartbeats). Key: name.
struct HeartbeatRow {
  std::string name;
  TimePoint last_at;
  std::string last_status;  // ok, fail
  std::optional<TimePoint> started_at;
};

/// Who did what (table audit; append only).
struct AuditRow {
  TimePoint at;
  std::string actor;
  std::string action;
  std::string detail;
};

/// Changes that become true together or not at all. What is dropped is dropped before the rest is put.
struct StateChange {
  std::vector<AlertStateRow> put_alert_states;
  std::vector<std::pair<std::string, Labels>> drop_alert_states;  // rule_id, labels
  std::vector<AlertRow> put_alerts;
  std::vector<Labels> drop_alerts;
  std::vector<IncidentRow> put_incidents;
  std::vector<NotificationLogRow> put_notification_log;
  std::vector<OutboxRow> put_outbox;
  std::vector<HeartbeatRow> put_heartbeats;
  std::vector<SilenceRow> put_silences;
  std::vector<std::string> drop_silences;  // ids
  std::vector<AuditRow> audit;

  bool empty() const;
  /// Adds the other's changes behind these; of the same row, the later counts.
  void append(StateChange&& other);
};

/// All that a start needs: everything alive, and nothing that is history only.
struct StateSnapshot {
  std::vector<AlertStateRow> alert_states;
  std::vector<AlertRow> alerts;
  std::vector<IncidentRow> incidents;                // open ones
  std::vector<NotificationLogRow> notification_log;  // of open incidents, and of those with undelivered messages
  std::vector<OutboxRow> outbox;                     // pending and sending, oldest first
  std::vector<HeartbeatRow> heartbeats;
  std::vector<SilenceRow> silences;  // expired ones too, as long as they are kept
};

/// state.db: SQLite in WAL mode, synchronous=FULL, on a thread of its own. The only file that knows its schema.
///
/// Changes are committed in the order in which they came, several to one transaction when they wait (group commit).
class StateDb {
 public:
  /// Opens or makes `path` (":memory:" for tests), brings an older schema up to date. `post` hands a finished callback
  /// back to the thread that owns the boxes (`asio::post` in the program, a plain call in tests). Errors: cannot be
  /// opened, made by a newer version. A damaged file is set aside as `path.corrupt-<n>` with a log line, and a new one
  /// begun.
  static Result<std::unique_ptr<StateDb>> open(const std::string& path,
                                               std::function<void(std::function<void()>)> post);
  /// Commits what waits, then ends the thread.
  ~StateDb();

  /// What the file held when it was opened.
  const StateSnapshot& loaded() const;
  void forget_loaded();

  using Done = std::function<void(Result<void>)>;
  /// Commits `change` and then posts `done`. On an error (full disk, 10 000 changes waiting already …) nothing of the
  /// change is in the file.
  void commit(StateChange change, Done done);
  /// Waits until everything handed over so far is committed. For shutdown.
  void flush();
  /// Deletes finished outbox rows, ended incidents and their log older than `keep`.
  void prune(TimePoint now, Duration keep, Done done);

  /// The newest finished or waiting outbox rows, for the page and the API; `done` is posted.
  void recent_outbox(std::size_t limit, std::function<void(Result<std::vector<OutboxRow>>)> done);

  /// Makes the disk as full as a test wants it: the file may have so many pages at most.
  void limit_pages_for_test(std::int64_t pages);

  struct Stats {
    std::uint64_t transactions_total = 0;
    std::uint64_t changes_total = 0;
    std::uint64_t errors_total = 0;
    std::size_t queued = 0;
  };
  Stats stats() const;

 private:
  struct Impl;
  explicit StateDb(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin
