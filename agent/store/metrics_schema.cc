// The file is laid out for what is done to it all the time.
//
//   chunk   full chunks, in the order of time first: what a start reads and what retention deletes are neighbours; what
//           a query reads of one series is neighbours within a bucket
//   growing how the newest chunk of each series stood when the walk came by
//   log     the samples of each flush, as one blob. A start reads the growing chunks and then the log, so that a kill
//           loses what was not flushed and nothing else
//   series  `last` is null while a series is in memory. One that comes back gets a new number, because the engine does
//           not wait for the disk to find the old one; readers take all rows with the same labels together
//
// SQLite notices a damaged page by its structure only, so blobs begin with 4 bytes of checksum.
//
// A row for each sample or an index over chunks by series would cost a page for each of them at each flush.

#include "agent/store/metrics_schema.h"

#include <array>
#include <cstring>

namespace tocsin::metrics_schema {

namespace {

constexpr std::int64_t kVersion = 1;
constexpr const char* kTables = R"(
  CREATE TABLE series(id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, labels BLOB NOT NULL, last INTEGER);
  CREATE INDEX series_by_hash ON series(hash);
  CREATE INDEX series_gone ON series(last) WHERE last IS NOT NULL;
  CREATE TABLE chunk(bucket INTEGER NOT NULL, series INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
                     count INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(bucket, series, first)) WITHOUT ROWID;
  CREATE TABLE growing(series INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
                       count INTEGER NOT NULL, data BLOB NOT NULL);
  CREATE TABLE log(sequence INTEGER PRIMARY KEY, samples BLOB NOT NULL);
  PRAGMA user_version = 1;
)";

// In one step of pruning; a step comes with every flush.
constexpr std::int64_t kChunksPerStep = 2000;
constexpr std::int64_t kSeriesPerStep = 500;
constexpr std::int64_t kLogPerStep = 20;
constexpr std::int64_t kPagesPerStep = 256;
constexpr std::int64_t kFreePagesMin = 4096;

enum Which {
  kPutSeries,
  kPutChunk,
  kPutGrowing,
  kEndSeries,
  kDropGrowing,
  kPutLog,
  kOldest,
  kBoundary,
  kDropPart,
  kDropBucket,
  kDropSeries,
  kDropLog,
  kUsedPages,
  kFreePages,
};
constexpr std::array kSql{
    "INSERT OR REPLACE INTO series(id, hash, labels, last) VALUES(?1, ?2, ?3, NULL)",
    "INSERT OR REPLACE INTO chunk(bucket, series, first, last, count, data) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    "INSERT OR REPLACE INTO growing(series, first, last, count, data) VALUES(?1, ?2, ?3, ?4, ?5)",
    "UPDATE series SET last = ?2 WHERE id = ?1",
    "DELETE FROM growing WHERE series = ?1",
    "INSERT OR REPLACE INTO log(sequence, samples) VALUES(?1, ?2)",
    "SELECT min(bucket) FROM chunk",
    "SELECT series FROM chunk WHERE bucket = ?1 ORDER BY series LIMIT 1 OFFSET ?2",
    "DELETE FROM chunk WHERE bucket = ?1 AND series <= ?2",
    "DELETE FROM chunk WHERE bucket = ?1",
    "DELETE FROM series WHERE id IN (SELECT id FROM series WHERE last IS NOT NULL AND last < ?1 LIMIT ?2)",
    "DELETE FROM log WHERE sequence < ?1 AND sequence IN (SELECT sequence FROM log ORDER BY sequence LIMIT ?2)",
    "SELECT page_count - freelist_count, page_size FROM pragma_page_count(), pragma_freelist_count(), "
    "pragma_page_size()",
    "PRAGMA freelist_count",
};

std::int64_t ms(TimePoint t) {
  return t.time_since_epoch().count();
}
TimePoint at_ms(std::int64_t t) {
  return TimePoint(Duration(t));
}

/// Calls `take` with each row.
template <class Take>
Result<void> rows(sqlite::Statement& statement, Take&& take) {
  for (;;) {
    const Result<bool> more = statement.step();
    if (!more) return tl::make_unexpected(more.error());
    if (!*more) break;
    take(statement);
  }
  statement.reset();
  return {};
}

std::uint32_t checksum(std::string_view bytes, std::uint64_t of) {
  constexpr std::uint64_t kPrime = 0x9e3779b97f4a7c15U;
  std::uint64_t sum = of ^ bytes.size();
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t n = std::min(bytes.size(), sizeof word);
    std::memcpy(&word, bytes.data(), n);
    bytes.remove_prefix(n);
    sum = (sum ^ word) * kPrime;
    sum ^= sum >> 32;
  }
  return static_cast<std::uint32_t>(sum);
}

std::string with_checksum(std::string_view bytes, std::uint64_t of) {
  const std::uint32_t sum = checksum(bytes, of);
  std::string out(sizeof sum, '\0');
  std::memcpy(out.data(), &sum, sizeof sum);
  out += bytes;
  return out;
}

/// Sets `out` to the columns series, first, last, count, data. A damaged one has no samples.
void read_chunk(const sqlite::Statement& row, DiskChunk& out) {
  const auto bytes = checked(row.blob(4), identity(row.integer(0), row.integer(1), row.integer(3)));
  out.series = static_cast<std::uint32_t>(row.integer(0));
  out.first = at_ms(row.integer(1));
  out.last = at_ms(row.integer(2));
  out.count = bytes ? static_cast<std::uint32_t>(row.integer(3)) : 0;
  out.data.assign(bytes.value_or(""));
}

struct Loading {
  SeriesLoader& loader;
  std::uint32_t next_number = 1;
  std::uint64_t next_sequence = 1;
  /// Rows that say to be in memory and will not be.
  std::vector<std::int64_t> left_out;
  std::vector<std::int64_t> come_back;
};

Result<void> load_series(sqlite::Database& db, Loading& loading, TimePoint from) {
  auto all = db.prepare("SELECT id, labels, last FROM series ORDER BY id");
  if (!all) return tl::make_unexpected(all.error());
  std::vector<std::pair<std::uint32_t, Labels>> ended;  // lately: imported, or not in the file for long
  auto read = rows(*all, [&](const sqlite::Statement& row) {
    const auto number = static_cast<std::uint32_t>(row.integer(0));
    loading.next_number = std::max(loading.next_number, number + 1);
    const auto last = row.maybe_integer(2);
    if (last && *last < ms(from)) return;
    const std::optional<Labels> labels = decode_labels(row.blob(1));
    if (!labels) return;
    if (last) {
      ended.emplace_back(number, *labels);
    } else if (loading.loader.add(number, *labels) != SeriesLoader::Added::kYes) {
      loading.left_out.push_back(number);
    }
  });
  if (!read) return read;
  for (const auto& [number, labels] : ended) {
    if (loading.loader.add(number, labels) == SeriesLoader::Added::kYes) loading.come_back.push_back(number);
  }
  return {};
}

Result<void> load_samples(sqlite::Database& db, Loading& loading, TimePoint from) {
  DiskChunk chunk;
  auto full = db.prepare("SELECT series, first, last, count, data FROM chunk WHERE bucket >= ?1 AND last >= ?2");
  if (!full) return tl::make_unexpected(full.error());
  full->bind(bucket_of(from)).bind(ms(from));
  auto read = rows(*full, [&](const sqlite::Statement& row) {
    read_chunk(row, chunk);
    loading.loader.full(chunk);
  });
  if (!read) return read;
  auto growing = db.prepare("SELECT series, first, last, count, data FROM growing");
  if (!growing) return tl::make_unexpected(growing.error());
  read = rows(*growing, [&](const sqlite::Statement& row) {
    read_chunk(row, chunk);
    loading.loader.growing(chunk);
  });
  if (!read) return read;
  auto log = db.prepare("SELECT sequence, samples FROM log ORDER BY sequence");
  if (!log) return tl::make_unexpected(log.error());
  return rows(*log, [&](const sqlite::Statement& row) {
    loading.next_sequence = static_cast<std::uint64_t>(row.integer(0)) + 1;
    const auto samples = checked(row.blob(1), static_cast<std::uint64_t>(row.integer(0)));
    if (samples) (void)decode_samples(*samples, [&](const DiskSample& sample) { loading.loader.sample(sample); });
  });
}

/// Series that were given up in memory without the file being told end here.
Result<void> settle(sqlite::Database& db, const Loading& loading) {
  Result<void> good;
  for (const std::int64_t id : loading.left_out) {
    if (good) {
      good = db.run(fmt::format(
          "INSERT OR IGNORE INTO chunk SELECT last / {1}, series, first, last, count, data FROM growing "
          "WHERE series = {0}; UPDATE series SET last = ifnull((SELECT last FROM growing WHERE series = {0}), 0) "
          "WHERE id = {0}; DELETE FROM growing WHERE series = {0};",
          id, kBucket.count()));
    }
  }
  for (const std::int64_t id : loading.come_back) {
    if (good) good = db.run(fmt::format("UPDATE series SET last = NULL WHERE id = {}", id));
  }
  return good;
}

}  // namespace

std::int64_t bucket_of(TimePoint t) {
  const std::int64_t width = kBucket.count();
  const std::int64_t bucket = ms(t) / width;
  return ms(t) % width < 0 ? bucket - 1 : bucket;
}

std::optional<std::string_view> checked(std::string_view blob, std::uint64_t of) {
  std::uint32_t sum = 0;
  if (blob.size() <= sizeof sum) return std::nullopt;
  std::memcpy(&sum, blob.data(), sizeof sum);
  blob.remove_prefix(sizeof sum);
  if (checksum(blob, of) != sum) return std::nullopt;
  return blob;
}

std::uint64_t identity(std::int64_t series, std::int64_t first, std::int64_t count) {
  return static_cast<std::uint64_t>(series) << 40 ^ static_cast<std::uint64_t>(first) << 8 ^
         static_cast<std::uint64_t>(count);
}

Result<void> prepare(sqlite::Database& db) {
  Result<void> good = db.run(
      "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
      "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 33554432;");
  if (!good) return good;
  const Result<std::int64_t> version = db.integer("PRAGMA user_version");
  if (!version) return tl::make_unexpected(version.error());
  if (*version > kVersion) {
    return fail("made by a newer tocsin (schema {}, this one knows {}): use that one, or move the file away", *version,
                kVersion);
  }
  if (*version == kVersion) return {};
  good = db.run("BEGIN IMMEDIATE");
  if (good) good = db.run(kTables);
  if (good) good = db.run("COMMIT");
  return good;
}

Result<void> load(sqlite::Database& db, SeriesLoader& loader, TimePoint from) {
  Loading loading{loader, 1, 1, {}, {}};
  Result<void> good = load_series(db, loading, from);
  if (good) good = load_samples(db, loading, from);
  loader.finish(from, loading.next_number, loading.next_sequence);
  if (!good || (loading.left_out.empty() && loading.come_back.empty())) return good;
  good = db.run("BEGIN IMMEDIATE");
  if (good) good = settle(db, loading);
  if (good) return db.run("COMMIT");
  (void)db.run("ROLLBACK");
  return good;
}

Result<Writer> Writer::make(sqlite::Database& db) {
  Writer out(db);
  for (const char* sql : kSql) {
    Result<sqlite::Statement> statement = db.prepare(sql);
    if (!statement) return tl::make_unexpected(statement.error());
    out.statements_.push_back(std::move(*statement));
  }
  return out;
}

Result<void> Writer::put_chunk(const DiskChunk& chunk, bool full) {
  sqlite::Statement& put = statements_[full ? kPutChunk : kPutGrowing];
  if (full) put.bind(bucket_of(chunk.last));
  put.bind(std::int64_t{chunk.series}).bind(ms(chunk.first)).bind(ms(chunk.last)).bind(std::int64_t{chunk.count});
  return put.bind_blob(with_checksum(chunk.data, identity(chunk.series, ms(chunk.first), chunk.count))).run();
}

Result<void> Writer::put_rows(const SeriesBatch& batch, TimePoint now) {
  for (const DiskSeries& series : batch.series) {
    sqlite::Statement& put = statements_[kPutSeries];
    put.bind(std::int64_t{series.number}).bind(static_cast<std::int64_t>(series.labels.hash()));
    if (auto good = put.bind_blob(encode_labels(series.labels)).run(); !good) return good;
  }
  for (const DiskChunk& chunk : batch.chunks) {
    if (auto good = put_chunk(chunk, true); !good) return good;
  }
  for (const DiskChunk& chunk : batch.growing) {
    if (auto good = put_chunk(chunk, false); !good) return good;
  }
  for (const DiskDrop& drop : batch.dropped) {
    const TimePoint last = drop.last == TimePoint::min() ? now : drop.last;
    if (auto good = statements_[kEndSeries].bind(std::int64_t{drop.series}).bind(ms(last)).run(); !good) return good;
    if (auto good = statements_[kDropGrowing].bind(std::int64_t{drop.series}).run(); !good) return good;
  }
  if (batch.samples.empty()) return {};
  const std::string samples = with_checksum(encode_samples(batch.samples), batch.sequence);
  return statements_[kPutLog].bind(static_cast<std::int64_t>(batch.sequence)).bind_blob(samples).run();
}

/// Ends the transaction in which all went well or not.
Result<void> Writer::finish(Result<void> good) {
  if (good) good = db_->run("COMMIT");
  corrupt_ = !good && db_->corrupt();
  if (!good) (void)db_->run("ROLLBACK");  // SQLite may have rolled back by itself
  return good;
}

Result<void> Writer::write(const SeriesBatch& batch, TimePoint now) {
  Result<void> good = db_->run("BEGIN IMMEDIATE");
  if (good) good = put_rows(batch, now);
  return finish(std::move(good));
}

Result<void> Writer::delete_rows(const Limits& limits) {
  Result<void> good =
      statements_[kDropLog].bind(static_cast<std::int64_t>(samples_needed_since_)).bind(kLogPerStep).run();
  if (!good) return good;
  const Result<std::optional<std::int64_t>> oldest = oldest_bucket();
  if (!oldest) return tl::make_unexpected(oldest.error());
  const Result<std::int64_t> used = bytes();
  if (!used) return tl::make_unexpected(used.error());
  TimePoint keep_since = limits.keep_since;
  if (*oldest) {
    const bool too_old = bucket_start(**oldest + 1) <= limits.keep_since;
    if (too_old || static_cast<std::size_t>(*used) > limits.bytes_max) {
      sqlite::Statement& boundary = statements_[kBoundary];
      const Result<bool> more = boundary.bind(**oldest).bind(kChunksPerStep).step();
      if (!more) return tl::make_unexpected(more.error());
      const std::int64_t last = *more ? boundary.integer(0) : 0;
      boundary.reset();
      good = *more ? statements_[kDropPart].bind(**oldest).bind(last).run()
                   : statements_[kDropBucket].bind(**oldest).run();
      if (!good) return good;
    }
    // Of a series that ended before the oldest chunk begins, nothing is left.
    keep_since = std::max(keep_since, bucket_start(**oldest));
  }
  return statements_[kDropSeries].bind(ms(keep_since)).bind(kSeriesPerStep).run();
}

Result<void> Writer::prune(const Limits& limits, std::uint64_t samples_needed_since) {
  samples_needed_since_ = std::max(samples_needed_since_, samples_needed_since);
  Result<void> good = db_->run("BEGIN IMMEDIATE");
  if (good) good = delete_rows(limits);
  good = finish(std::move(good));
  if (!good) return good;
  sqlite::Statement& free = statements_[kFreePages];
  const Result<bool> row = free.step();
  const std::int64_t pages = row && *row ? free.integer(0) : 0;
  free.reset();
  // Pages are used again anyway; only a file that has shrunk for good is made smaller.
  if (pages > kFreePagesMin) return db_->run(fmt::format("PRAGMA incremental_vacuum({})", kPagesPerStep));
  return {};
}

Result<std::int64_t> Writer::bytes() {
  sqlite::Statement& used = statements_[kUsedPages];
  const Result<bool> row = used.step();
  if (!row) return tl::make_unexpected(row.error());
  const std::int64_t out = *row ? used.integer(0) * used.integer(1) : 0;
  used.reset();
  return out;
}

Result<std::optional<std::int64_t>> Writer::oldest_bucket() {
  sqlite::Statement& oldest = statements_[kOldest];
  const Result<bool> row = oldest.step();
  if (!row) return tl::make_unexpected(row.error());
  const std::optional<std::int64_t> out = *row ? oldest.maybe_integer(0) : std::nullopt;
  oldest.reset();
  return out;
}

}  // namespace tocsin::metrics_schema
