#pragma once

#include "agent/store/sqlite.h"
#include "agent/store/state_db.h"

/// The schema of state.db and the statements over it, on one connection. Times are integers, milliseconds since the
/// epoch (UTC); labels, annotations and lists are JSON.
namespace tocsin::state_schema {

/// Brings the file up to the newest version. Errors: it was made by a newer tocsin; SQLite's own.
Result<void> migrate(sqlite::Database& db);

Result<StateSnapshot> load(sqlite::Database& db);
/// Writes one change; inside a transaction of the caller's.
Result<void> write(sqlite::Database& db, const StateChange& change);
Result<void> prune(sqlite::Database& db, TimePoint before);
Result<std::vector<OutboxRow>> recent_outbox(sqlite::Database& db, std::size_t limit);

}  // namespace tocsin::state_schema
