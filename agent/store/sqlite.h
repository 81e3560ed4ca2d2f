#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/core/result.h"

struct sqlite3;
struct sqlite3_stmt;

/// A thin door to SQLite: owned handles, typed binding and reading, errors as Result. One connection, one thread.
namespace tocsin::sqlite {

class Database;

/// A prepared statement. Bind, step, read, reset.
class Statement {
 public:
  Statement(Statement&&) noexcept = default;
  Statement& operator=(Statement&&) noexcept = default;

  /// Binds the next parameter, from the first after reset().
  Statement& bind(std::int64_t value);
  Statement& bind(double value);
  Statement& bind(std::string_view text);
  Statement& bind_blob(std::string_view bytes);
  Statement& bind_null();
  Statement& bind(const std::optional<std::int64_t>& value) { return value ? bind(*value) : bind_null(); }

  /// True when there is a row to read, false at the end.
  Result<bool> step();
  /// Runs it to its end and resets it.
  Result<void> run();
  void reset();

  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  /// Valid until the next step.
  std::string_view blob(int column) const;
  std::optional<std::int64_t> maybe_integer(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* s) const;
  };
  explicit Statement(sqlite3_stmt* s) : statement_(s) {}
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
};

class Database {
 public:
  /// Makes the file when there is none. ":memory:" for one that goes with the object.
  static Result<Database> open(const std::string& path);
  Database(Database&&) noexcept = default;
  Database& operator=(Database&&) noexcept = default;

  Result<Statement> prepare(std::string_view sql);
  /// Runs statements that give no rows.
  Result<void> run(std::string_view sql);
  Result<std::int64_t> integer(std::string_view sql);
  /// Reads every page and says what is wrong with the first damaged one.
  Result<void> check();
  /// True when check() or the newest error says that the file is not a database, or a damaged one.
  bool corrupt() const;

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  explicit Database(sqlite3* db) : db_(db) {}
  std::unique_ptr<sqlite3, Close> db_;
  bool damaged_ = false;
};

/// Moves a file that cannot be read out of the way, with the files that SQLite keeps beside it. To `path.corrupt-<n>`,
/// which is returned.
std::string set_aside(const std::string& path);

}  // namespace tocsin::sqlite
