// One table per kind of row, with columns that a person can read: `sqlite3 state.db 'select * from outbox'`. Migrations
// are a list of scripts; PRAGMA user_version says how many of them a file has seen.

#include "agent/store/state_schema.h"

#include <nlohmann/json.hpp>

namespace tocsin::state_schema {
namespace {

using nlohmann::json;

constexpr std::string_view kMigrations[] = {
    R"sql(
CREATE TABLE alert_state (
  rule_id TEXT NOT NULL, labels TEXT NOT NULL, state TEXT NOT NULL, active_at INTEGER NOT NULL, fired_at INTEGER,
  keep_firing_since INTEGER, last_sent_at INTEGER NOT NULL, value REAL, annotations TEXT NOT NULL,
  PRIMARY KEY (rule_id, labels)) WITHOUT ROWID;
CREATE TABLE alerts (
  labels TEXT PRIMARY KEY, annotations TEXT NOT NULL, starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL, generator_url TEXT NOT NULL, timeout INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE incidents (
  id TEXT PRIMARY KEY, group_key TEXT NOT NULL, receiver TEXT NOT NULL, group_labels TEXT NOT NULL,
  started_at INTEGER NOT NULL, ended_at INTEGER, next_flush_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX incidents_ended ON incidents (ended_at);
CREATE TABLE notification_log (
  incident TEXT NOT NULL, channel TEXT NOT NULL, sequence INTEGER NOT NULL, notified_at INTEGER NOT NULL,
  firing TEXT NOT NULL, resolved TEXT NOT NULL, provider_ref TEXT NOT NULL,
  PRIMARY KEY (incident, channel)) WITHOUT ROWID;
CREATE TABLE outbox (
  incident TEXT NOT NULL, channel TEXT NOT NULL, sequence INTEGER NOT NULL, idempotency_key TEXT NOT NULL,
  notification TEXT NOT NULL, created_at INTEGER NOT NULL, not_before INTEGER NOT NULL, attempts INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'delivered', 'dead')), last_error TEXT NOT NULL,
  finished_at INTEGER, PRIMARY KEY (incident, channel, sequence)) WITHOUT ROWID;
CREATE INDEX outbox_waiting ON outbox (created_at) WHERE state IN ('pending', 'sending');
CREATE INDEX outbox_created ON outbox (created_at);
CREATE TABLE heartbeats (
  name TEXT PRIMARY KEY, last_at INTEGER NOT NULL, last_status TEXT NOT NULL, started_at INTEGER) WITHOUT ROWID;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  detail TEXT NOT NULL);
)sql",
    R"sql(
ALTER TABLE alert_state ADD COLUMN resolved_at INTEGER;
ALTER TABLE alert_state ADD COLUMN missing_since INTEGER;
ALTER TABLE alert_state ADD COLUMN history INTEGER NOT NULL DEFAULT 0;
)sql",
    R"sql(
CREATE TABLE silences (
  id TEXT PRIMARY KEY, matchers TEXT NOT NULL, starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL, created_by TEXT NOT NULL, comment TEXT NOT NULL, annotations TEXT NOT NULL)
  WITHOUT ROWID;
)sql",
};

std::int64_t ms(TimePoint t) {
  return t.time_since_epoch().count();
}
TimePoint instant(std::int64_t value) {
  return TimePoint{Duration{value}};
}
std::optional<std::int64_t> ms(const std::optional<TimePoint>& t) {
  return t ? std::optional(ms(*t)) : std::nullopt;
}
std::optional<TimePoint> instant(const std::optional<std::int64_t>& value) {
  return value ? std::optional(instant(*value)) : std::nullopt;
}

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string text(const Labels& labels) {
  json out = json::object();
  for (const Label label : labels) out[std::string(label.name)] = std::string(label.value);
  return dump(out);
}

std::map<std::string, std::string> pairs(const std::string& text) {
  std::map<std::string, std::string> out;
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) return out;
  for (const auto& [name, value] : parsed.items()) {
    if (value.is_string()) out[name] = value.get<std::string>();
  }
  return out;
}

Labels labels(const std::string& text) {
  return Labels(pairs(text));
}

std::vector<std::uint64_t> numbers(const std::string& text) {
  std::vector<std::uint64_t> out;
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_array()) return out;
  for (const json& value : parsed) {
    if (value.is_number_unsigned()) out.push_back(value.get<std::uint64_t>());
  }
  return out;
}

/// Prepares `sql`, binds and runs it for every row.
template <class Rows, class Bind>
Result<void> each(sqlite::Database& db, std::string_view sql, const Rows& rows, Bind bind) {
  if (rows.empty()) return {};
  Result<sqlite::Statement> statement = db.prepare(sql);
  if (!statement) return tl::make_unexpected(statement.error());
  for (const auto& row : rows) {
    bind(*statement, row);
    if (Result<void> done = statement->run(); !done) return done;
  }
  return {};
}

template <class Row, class Read>
Result<std::vector<Row>> select(sqlite::Database& db, std::string_view sql, Read read, std::int64_t parameter = -1) {
  Result<sqlite::Statement> statement = db.prepare(sql);
  if (!statement) return tl::make_unexpected(statement.error());
  if (parameter >= 0) statement->bind(parameter);
  std::vector<Row> rows;
  for (;;) {
    const Result<bool> more = statement->step();
    if (!more) return tl::make_unexpected(more.error());
    if (!*more) return rows;
    rows.push_back(read(*statement));
  }
}

OutboxRow outbox_row(const sqlite::Statement& s) {
  return {s.text(0),
          s.text(1),
          s.integer(2),
          s.text(3),
          s.text(4),
          instant(s.integer(5)),
          instant(s.integer(6)),
          static_cast<std::uint32_t>(s.integer(7)),
          s.text(8),
          s.text(9),
          instant(s.maybe_integer(10))};
}

constexpr std::string_view kOutboxColumns =
    "incident, channel, sequence, idempotency_key, notification, created_at, not_before, attempts, state, last_error, "
    "finished_at";

}  // namespace

Result<void> migrate(sqlite::Database& db) {
  const Result<std::int64_t> version = db.integer("PRAGMA user_version");
  if (!version) return tl::make_unexpected(version.error());
  constexpr std::int64_t kNewest = std::size(kMigrations);
  if (*version > kNewest) {
    return fail("it was made by a newer tocsin (schema {}, this one knows {})", *version, kNewest);
  }
  for (std::int64_t i = *version; i < kNewest; ++i) {
    const std::string script = fmt::format("BEGIN IMMEDIATE;{}PRAGMA user_version = {};COMMIT;", kMigrations[i], i + 1);
    if (Result<void> done = db.run(script); !done) return done;
  }
  return {};
}

Result<StateSnapshot> load(sqlite::Database& db) {
  StateSnapshot out;
  Result<void> good;
  const auto take = [&](auto& into, auto rows) {
    if (!rows) {
      good = tl::make_unexpected(rows.error());
    } else {
      into = std::move(*rows);
    }
  };
  take(out.alert_states,
       select<AlertStateRow>(
           db,
           "SELECT rule_id, labels, state, active_at, fired_at, keep_firing_since, last_sent_at, value, "
           "annotations, resolved_at, missing_since, history FROM alert_state",
           [](const sqlite::Statement& s) {
             return AlertStateRow{s.text(0),
                                  labels(s.text(1)),
                                  s.text(2),
                                  instant(s.integer(3)),
                                  instant(s.maybe_integer(4)),
                                  instant(s.maybe_integer(5)),
                                  instant(s.integer(6)),
                                  s.real(7),
                                  pairs(s.text(8)),
                                  instant(s.maybe_integer(9)),
                                  instant(s.maybe_integer(10)),
                                  static_cast<std::uint64_t>(s.integer(11))};
           }));
  take(out.alerts,
       select<AlertRow>(db,
                        "SELECT labels, annotations, starts_at, ends_at, updated_at, generator_url, timeout "
                        "FROM alerts",
                        [](const sqlite::Statement& s) {
                          return AlertRow{labels(s.text(0)),     pairs(s.text(1)),      instant(s.integer(2)),
                                          instant(s.integer(3)), instant(s.integer(4)), s.text(5),
                                          s.integer(6) != 0};
                        }));
  take(out.incidents,
       select<IncidentRow>(
           db,
           "SELECT id, group_key, receiver, group_labels, started_at, ended_at, next_flush_at FROM incidents "
           "WHERE ended_at IS NULL ORDER BY started_at",
           [](const sqlite::Statement& s) {
             return IncidentRow{s.text(0),
                                s.text(1),
                                s.text(2),
                                labels(s.text(3)),
                                instant(s.integer(4)),
                                instant(s.maybe_integer(5)),
                                instant(s.integer(6))};
           }));
  take(
      out.notification_log,
      select<NotificationLogRow>(
          db,
          "SELECT incident, channel, sequence, notified_at, firing, resolved, provider_ref FROM notification_log WHERE "
          "incident IN (SELECT id FROM incidents WHERE ended_at IS NULL UNION SELECT incident FROM outbox WHERE state "
          "IN "
          "('pending', 'sending'))",
          [](const sqlite::Statement& s) {
            return NotificationLogRow{s.text(0),          s.text(1),          s.integer(2), instant(s.integer(3)),
                                      numbers(s.text(4)), numbers(s.text(5)), s.text(6)};
          }));
  take(out.outbox, select<OutboxRow>(db,
                                     fmt::format("SELECT {} FROM outbox WHERE state IN ('pending', 'sending') ORDER BY "
                                                 "created_at, incident, channel, sequence",
                                                 kOutboxColumns),
                                     outbox_row));
  take(out.heartbeats,
       select<HeartbeatRow>(
           db, "SELECT name, last_at, last_status, started_at FROM heartbeats", [](const sqlite::Statement& s) {
             return HeartbeatRow{s.text(0), instant(s.integer(1)), s.text(2), instant(s.maybe_integer(3))};
           }));
  take(out.silences,
       select<SilenceRow>(
           db,
           "SELECT id, matchers, starts_at, ends_at, updated_at, created_by, comment, annotations FROM "
           "silences",
           [](const sqlite::Statement& s) {
             return SilenceRow{
                 s.text(0), s.text(1), instant(s.integer(2)), instant(s.integer(3)), instant(s.integer(4)),
                 s.text(5), s.text(6), pairs(s.text(7))};
           }));
  if (!good) return tl::make_unexpected(good.error());
  return out;
}

Result<void> write(sqlite::Database& db, const StateChange& change) {
  // Drops before puts: see StateChange::append.
  Result<void> good;
  const auto then = [&](auto next) {
    if (good) good = next();
  };
  then([&] {
    return each(db, "DELETE FROM alert_state WHERE rule_id = ? AND labels = ?", change.drop_alert_states,
                [](sqlite::Statement& s, const auto& key) { s.bind(key.first).bind(text(key.second)); });
  });
  then([&] {
    return each(db, "DELETE FROM alerts WHERE labels = ?", change.drop_alerts,
                [](sqlite::Statement& s, const Labels& key) { s.bind(text(key)); });
  });
  then([&] {
    return each(
        db, "INSERT OR REPLACE INTO alert_state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", change.put_alert_states,
        [](sqlite::Statement& s, const AlertStateRow& r) {
          s.bind(r.rule_id).bind(text(r.labels)).bind(r.state).bind(ms(r.active_at)).bind(ms(r.fired_at));
          s.bind(ms(r.keep_firing_since)).bind(ms(r.last_sent_at)).bind(r.value).bind(dump(json(r.annotations)));
          s.bind(ms(r.resolved_at)).bind(ms(r.missing_since)).bind(static_cast<std::int64_t>(r.history));
        });
  });
  then([&] {
    return each(db, "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?)", change.put_alerts,
                [](sqlite::Statement& s, const AlertRow& r) {
                  s.bind(text(r.labels)).bind(dump(json(r.annotations))).bind(ms(r.starts_at)).bind(ms(r.ends_at));
                  s.bind(ms(r.updated_at)).bind(r.generator_url).bind(std::int64_t{r.timeout});
                });
  });
  then([&] {
    return each(db, "INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?)", change.put_incidents,
                [](sqlite::Statement& s, const IncidentRow& r) {
                  s.bind(r.id).bind(r.group_key).bind(r.receiver).bind(text(r.group_labels)).bind(ms(r.started_at));
                  s.bind(ms(r.ended_at)).bind(ms(r.next_flush_at));
                });
  });
  then([&] {
    return each(db, "INSERT OR REPLACE INTO notification_log VALUES (?, ?, ?, ?, ?, ?, ?)", change.put_notification_log,
                [](sqlite::Statement& s, const NotificationLogRow& r) {
                  s.bind(r.incident).bind(r.channel).bind(r.sequence).bind(ms(r.notified_at));
                  s.bind(dump(json(r.firing))).bind(dump(json(r.resolved))).bind(r.provider_ref);
                });
  });
  then([&] {
    return each(db, "INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", change.put_outbox,
                [](sqlite::Statement& s, const OutboxRow& r) {
                  s.bind(r.incident).bind(r.channel).bind(r.sequence).bind(r.idempotency_key).bind(r.notification);
                  s.bind(ms(r.created_at)).bind(ms(r.not_before)).bind(std::int64_t{r.attempts}).bind(r.state);
                  s.bind(r.last_error).bind(ms(r.finished_at));
                });
  });
  then([&] {
    return each(db, "INSERT OR REPLACE INTO heartbeats VALUES (?, ?, ?, ?)", change.put_heartbeats,
                [](sqlite::Statement& s, const HeartbeatRow& r) {
                  s.bind(r.name).bind(ms(r.last_at)).bind(r.last_status).bind(ms(r.started_at));
                });
  });
  then([&] {
    return each(db, "DELETE FROM silences WHERE id = ?", change.drop_silences,
                [](sqlite::Statement& s, const std::string& id) { s.bind(id); });
  });
  then([&] {
    return each(db, "INSERT OR REPLACE INTO silences VALUES (?, ?, ?, ?, ?, ?, ?, ?)", change.put_silences,
                [](sqlite::Statement& s, const SilenceRow& r) {
                  s.bind(r.id).bind(r.matchers).bind(ms(r.starts_at)).bind(ms(r.ends_at)).bind(ms(r.updated_at));
                  s.bind(r.created_by).bind(r.comment).bind(dump(json(r.annotations)));
                });
  });
  then([&] {
    return each(
        db, "INSERT INTO audit (at, actor, action, detail) VALUES (?, ?, ?, ?)", change.audit,
        [](sqlite::Statement& s, const AuditRow& r) { s.bind(ms(r.at)).bind(r.actor).bind(r.action).bind(r.detail); });
  });
  return good;
}

Result<void> prune(sqlite::Database& db, TimePoint before) {
  Result<void> done =
      db.run(fmt::format("BEGIN IMMEDIATE;"
                         "DELETE FROM outbox WHERE state IN ('delivered', 'dead') AND finished_at < {0};"
                         "DELETE FROM notification_log WHERE incident IN (SELECT id FROM incidents WHERE ended_at < "
                         "{0}) AND incident NOT IN "
                         "(SELECT incident FROM outbox);"
                         "DELETE FROM incidents WHERE ended_at < {0} AND id NOT IN (SELECT incident FROM outbox);"
                         "COMMIT;",
                         ms(before)));
  if (!done) (void)db.run("ROLLBACK");
  return done;
}

Result<std::vector<OutboxRow>> recent_outbox(sqlite::Database& db, std::size_t limit) {
  return select<OutboxRow>(db, fmt::format("SELECT {} FROM outbox ORDER BY created_at DESC LIMIT ?", kOutboxColumns),
                           outbox_row, static_cast<std::int64_t>(limit));
}

}  // namespace tocsin::state_schema
