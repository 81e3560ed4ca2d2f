#include "agent/store/sqlite.h"

#include <sqlite3.h>

#include <filesystem>
#include <limits>

namespace tocsin::sqlite {

void Statement::Finalize::operator()(sqlite3_stmt* s) const {
  sqlite3_finalize(s);
}
void Database::Close::operator()(sqlite3* db) const {
  sqlite3_close_v2(db);
}

// Binding fails only for a wrong index or a text beyond SQLite's limit; the step that follows then says so.
Statement& Statement::bind(std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), ++bound_, value);
  return *this;
}

Statement& Statement::bind(double value) {
  sqlite3_bind_double(statement_.get(), ++bound_, value);
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  sqlite3_bind_text64(statement_.get(), ++bound_, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_blob(std::string_view bytes) {
  // Not null, which would be NULL.
  const char* data = bytes.empty() ? "" : bytes.data();
  sqlite3_bind_blob64(statement_.get(), ++bound_, data, bytes.size(), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind_null() {
  sqlite3_bind_null(statement_.get(), ++bound_);
  return *this;
}

Result<bool> Statement::step() {
  switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return fail("{}", sqlite3_errmsg(sqlite3_db_handle(statement_.get())));
  }
}

Result<void> Statement::run() {
  Result<bool> more = true;
  while (more && *more) more = step();
  reset();
  if (!more) return tl::make_unexpected(more.error());
  return {};
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bound_ = 0;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}
double Statement::real(int column) const {
  // SQLite keeps a NaN as NULL.
  if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL) return std::numeric_limits<double>::quiet_NaN();
  return sqlite3_column_double(statement_.get(), column);
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::string_view Statement::blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::optional<std::int64_t> Statement::maybe_integer(int column) const {
  if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL) return std::nullopt;
  return integer(column);
}

Result<Database> Database::open(const std::string& path) {
  sqlite3* db = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database out(db);
  if (code != SQLITE_OK) return fail("cannot open {}: {}", path, db == nullptr ? "no memory" : sqlite3_errmsg(db));
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, 5000);
  return out;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) return fail("{}", sqlite3_errmsg(db_.get()));
  return Statement(statement);
}

Result<void> Database::run(std::string_view sql) {
  char* message = nullptr;
  const int code = sqlite3_exec(db_.get(), std::string(sql).c_str(), nullptr, nullptr, &message);
  if (code == SQLITE_OK) return {};
  const std::string said = message == nullptr ? sqlite3_errstr(code) : message;
  sqlite3_free(message);
  return fail("{}", said);
}

Result<std::int64_t> Database::integer(std::string_view sql) {
  Result<Statement> statement = prepare(sql);
  if (!statement) return tl::make_unexpected(statement.error());
  const Result<bool> row = statement->step();
  if (!row) return tl::make_unexpected(row.error());
  return *row ? statement->integer(0) : 0;
}

Result<void> Database::check() {
  Result<Statement> statement = prepare("PRAGMA quick_check(1)");
  if (!statement) return tl::make_unexpected(statement.error());
  const Result<bool> row = statement->step();
  if (!row) {
    damaged_ = corrupt();
    return tl::make_unexpected(row.error());
  }
  const std::string said = statement->text(0);
  damaged_ = said != "ok";
  if (damaged_) return fail("{}", said);
  return {};
}

bool Database::corrupt() const {
  if (damaged_) return true;
  const int code = sqlite3_errcode(db_.get()) & 0xff;
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

std::string set_aside(const std::string& path) {
  std::string aside;
  for (int i = 1;; ++i) {
    aside = fmt::format("{}.corrupt-{}", path, i);
    if (!std::filesystem::exists(aside)) break;
  }
  std::error_code ignored;
  std::filesystem::rename(path, aside, ignored);
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::rename(path + suffix, aside + suffix, ignored);
  return aside;
}

}  // namespace tocsin::sqlite
