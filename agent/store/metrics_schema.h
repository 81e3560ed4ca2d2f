#pragma once

#include <cstdint>

#include "agent/core/result.h"
#include "agent/store/series_batch.h"
#include "agent/store/series_loader.h"
#include "agent/store/sqlite.h"

/// The tables of metrics.db and all that is said to them. Used by metrics_db.cc and metrics_history.cc alone.
namespace tocsin::metrics_schema {

/// Full chunks stand in buckets of this much time, by their last sample.
inline constexpr Duration kBucket = std::chrono::hours(2);
std::int64_t bucket_of(TimePoint t);
inline TimePoint bucket_start(std::int64_t bucket) {
  return TimePoint(kBucket * bucket);
}

/// The bytes of a blob that was written with a checksum, or nothing when it is damaged.
std::optional<std::string_view> checked(std::string_view blob, std::uint64_t of);
/// What the checksum of a chunk covers beside its bytes.
std::uint64_t identity(std::int64_t series, std::int64_t first, std::int64_t count);

/// Makes the tables when there are none. Error: a newer tocsin made them.
Result<void> prepare(sqlite::Database& db);

/// Fills `loader` with the series that had samples since `from`, and with their samples since then. On an error, with
/// what could be read.
Result<void> load(sqlite::Database& db, SeriesLoader& loader, TimePoint from);

/// The statements that write, prepared once.
class Writer {
 public:
  static Result<Writer> make(sqlite::Database& db);
  /// One transaction; on an error nothing of it is in the file. `now`: when a series ended that never had a sample.
  Result<void> write(const SeriesBatch& batch, TimePoint now);

  struct Limits {
    TimePoint keep_since;
    std::size_t bytes_max = 0;
  };
  /// Deletes a bounded part of what is older than `keep_since`, or oldest while the file is too large; also of the log
  /// rows that no batch up to now needs (`samples_needed_since` of the newest, 0: it does not say). One transaction.
  Result<void> prune(const Limits& limits, std::uint64_t samples_needed_since);

  /// Whether the last failure was one of a damaged file.
  bool corrupt() const { return corrupt_; }
  /// Bytes of pages in use.
  Result<std::int64_t> bytes();
  /// The start of the oldest bucket; nothing when there is none.
  Result<std::optional<std::int64_t>> oldest_bucket();

 private:
  explicit Writer(sqlite::Database& db) : db_(&db) {}
  Result<void> finish(Result<void> good);
  Result<void> put_rows(const SeriesBatch& batch, TimePoint now);
  Result<void> put_chunk(const DiskChunk& chunk, bool full);
  Result<void> delete_rows(const Limits& limits);

  sqlite::Database* db_;
  bool corrupt_ = false;
  std::uint64_t samples_needed_since_ = 0;
  std::vector<sqlite::Statement> statements_;
};

}  // namespace tocsin::metrics_schema
