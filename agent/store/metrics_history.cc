// Readers have their own connection; WAL lets them read while the disk thread writes. Each call is a statement or a few,
// so none of them holds an old state of the file for long, which would keep the log from being folded back.

#include "agent/store/metrics_history.h"

#include <algorithm>

#include "agent/core/log.h"
#include "agent/store/chunk.h"
#include "agent/store/metrics_schema.h"

namespace tocsin {

namespace {

std::int64_t ms(TimePoint t) {
  return t.time_since_epoch().count();
}

/// Appends the samples in [from, to] of a chunk.
void decode(TimePoint first, std::int64_t count, std::string_view data, TimePoint from, TimePoint to,
            std::vector<Sample>& out) {
  if (count <= 0 || count > static_cast<std::int64_t>(Chunk::kSamplesMax)) return;
  ChunkReader(first, static_cast<std::size_t>(count),
              {reinterpret_cast<const std::uint8_t*>(data.data()), data.size()})
      .read(from, to, out);
}

}  // namespace

Result<void> MetricsHistory::connect() {
  if (age_ != file_->age()) connection_.reset();
  if (connection_) return {};
  age_ = file_->age();
  Result<sqlite::Database> db = sqlite::Database::open(file_->path());
  if (!db) return tl::make_unexpected(db.error());
  const Result<void> ready = db->run("PRAGMA query_only = ON");
  if (!ready) return ready;
  auto gone = db->prepare("SELECT labels FROM series WHERE last IS NOT NULL AND last >= ?1");
  if (!gone) return tl::make_unexpected(gone.error());
  auto numbers = db->prepare("SELECT id, labels FROM series WHERE hash = ?1 ORDER BY id");
  if (!numbers) return tl::make_unexpected(numbers.error());
  auto oldest = db->prepare("SELECT (SELECT min(bucket) FROM chunk), (SELECT max(bucket) FROM chunk)");
  if (!oldest) return tl::make_unexpected(oldest.error());
  auto chunks = db->prepare("SELECT first, count, data FROM chunk WHERE bucket = ?1 AND series = ?2 AND last >= ?3");
  if (!chunks) return tl::make_unexpected(chunks.error());
  connection_.emplace(
      Connection{std::move(*db), std::move(*gone), std::move(*numbers), std::move(*oldest), std::move(*chunks)});
  return {};
}

void MetricsHistory::run(const std::function<Result<void>()>& read) {
  const auto work = [&] {
    Result<void> good = connect();
    if (good) good = read();
    if (good) return;
    log::warn("{}: {}; the answer to a query lacks what is older than memory", file_->path(), good.error().message);
    if (connection_ && connection_->db.corrupt()) file_->damaged();
    connection_.reset();
  };
  if (apart_) {
    apart_(work);
  } else {
    work();
  }
}

std::vector<Labels> MetricsHistory::select(const Matchers& matchers, TimePoint from, TimePoint) {
  std::vector<Labels> out;
  run([&] { return read_select(matchers, from, out); });
  return out;
}

Result<void> MetricsHistory::read_select(const Matchers& matchers, TimePoint from, std::vector<Labels>& out) {
  sqlite::Statement& gone = connection_->gone;
  gone.bind(ms(from));
  for (;;) {
    const Result<bool> row = gone.step();
    if (!row) return tl::make_unexpected(row.error());
    if (!*row) break;
    const std::optional<Labels> labels = decode_labels(gone.blob(0));
    if (labels && matches(matchers, *labels)) out.push_back(*labels);
  }
  gone.reset();
  return {};
}

void MetricsHistory::samples(const Labels& labels, TimePoint from, TimePoint to, std::vector<Sample>& out) {
  if (from > to) return;
  run([&] { return read_samples(labels, from, to, out); });
}

Result<void> MetricsHistory::read_samples(const Labels& labels, TimePoint from, TimePoint to,
                                          std::vector<Sample>& out) {
  std::vector<std::int64_t> found;
  sqlite::Statement& numbers = connection_->numbers;
  numbers.bind(static_cast<std::int64_t>(labels.hash()));
  for (;;) {
    const Result<bool> row = numbers.step();
    if (!row) return tl::make_unexpected(row.error());
    if (!*row) break;
    if (decode_labels(numbers.blob(1)) == labels) found.push_back(numbers.integer(0));
  }
  numbers.reset();
  const auto had = static_cast<std::ptrdiff_t>(out.size());
  for (const std::int64_t number : found) {
    if (auto good = read_series(number, from, to, out); !good) return good;
  }
  // Rows of one series under several numbers may interleave.
  const auto earlier = [](const Sample& a, const Sample& b) { return a.t < b.t; };
  const auto same = [](const Sample& a, const Sample& b) { return a.t == b.t; };
  if (!std::is_sorted(out.begin() + had, out.end(), earlier)) std::stable_sort(out.begin() + had, out.end(), earlier);
  out.erase(std::unique(out.begin() + had, out.end(), same), out.end());
  return {};
}

Result<void> MetricsHistory::read_series(std::int64_t number, TimePoint from, TimePoint to, std::vector<Sample>& out) {
  sqlite::Statement& oldest = connection_->oldest;
  const Result<bool> any = oldest.step();
  if (!any) return tl::make_unexpected(any.error());
  const auto lowest = oldest.maybe_integer(0);
  const std::int64_t highest = oldest.integer(1);
  oldest.reset();
  if (!lowest) return {};
  // A chunk that ends in a bucket begins in it or in the one before.
  const std::int64_t end = std::min(highest, metrics_schema::bucket_of(to) + 1);
  sqlite::Statement& chunks = connection_->chunks;
  for (std::int64_t b = std::max(*lowest, metrics_schema::bucket_of(from)); b <= end; ++b) {
    chunks.bind(b).bind(number).bind(ms(from));
    for (;;) {
      const Result<bool> row = chunks.step();
      if (!row) return tl::make_unexpected(row.error());
      if (!*row) break;
      const TimePoint first{Duration(chunks.integer(0))};
      if (first > to) break;
      const std::int64_t count = chunks.integer(1);
      const auto bytes = metrics_schema::checked(chunks.blob(2), metrics_schema::identity(number, ms(first), count));
      if (bytes) decode(first, count, *bytes, from, to, out);
    }
    chunks.reset();
  }
  return {};
}

}  // namespace tocsin
