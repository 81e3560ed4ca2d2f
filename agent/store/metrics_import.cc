// Imported series get numbers of their own and count as ended: the agent takes the newest of them into memory when it
// starts and finds the others on disk.

#include <limits>
#include <unordered_map>

#include "agent/store/chunk.h"
#include "agent/store/metrics_db.h"
#include "agent/store/metrics_schema.h"
#include "agent/store/series_store_impl.h"

namespace tocsin {

struct MetricsImport::Impl {
  explicit Impl(sqlite::Database opened) : db(std::move(opened)) {}

  sqlite::Database db;
  std::optional<metrics_schema::Writer> writer;
  SeriesBatch batch;
  std::uint32_t next_number = 1;
  struct Known {
    std::uint32_t number = 0;
    TimePoint last;
  };
  std::unordered_map<Labels, Known> series;
};

MetricsImport::MetricsImport(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetricsImport::MetricsImport(MetricsImport&&) noexcept = default;
MetricsImport& MetricsImport::operator=(MetricsImport&&) noexcept = default;
MetricsImport::~MetricsImport() = default;

Result<MetricsImport> MetricsImport::open(const std::string& path) {
  Result<sqlite::Database> db = sqlite::Database::open(path);
  if (!db) return tl::make_unexpected(db.error());
  auto impl = std::make_unique<Impl>(std::move(*db));
  if (const Result<void> ready = metrics_schema::prepare(impl->db); !ready) return fail_in(path, ready.error());
  const Result<std::int64_t> highest = impl->db.integer("SELECT max(id) FROM series");
  if (!highest) return fail_in(path, highest.error());
  impl->next_number = static_cast<std::uint32_t>(*highest + 1);
  Result<metrics_schema::Writer> writer = metrics_schema::Writer::make(impl->db);
  if (!writer) return fail_in(path, writer.error());
  impl->writer.emplace(std::move(*writer));
  return MetricsImport(std::move(impl));
}

Result<void> MetricsImport::add(const Labels& labels, std::span<const Sample> samples) {
  if (samples.empty()) return {};
  Impl& m = *impl_;
  auto [place, fresh] = m.series.try_emplace(labels);
  Impl::Known& known = place->second;
  if (fresh) {
    known = {m.next_number++, TimePoint::min()};
    m.batch.series.push_back({known.number, labels});
  }
  ChunkTail tail;
  std::optional<Chunk> chunk;
  const auto put = [&] {
    if (!chunk) return;
    const auto data = chunk->data();
    m.batch.chunks.push_back({known.number, static_cast<std::uint32_t>(chunk->count()), chunk->first_time(),
                              TimePoint(Duration(tail.t)),
                              std::string(reinterpret_cast<const char*>(data.data()), data.size())});
  };
  for (const Sample& sample : samples) {
    if (sample.t <= known.last) {
      return fail("{}: the sample at {} does not come after the one before it", labels.metric_str(),
                  format_rfc3339(sample.t));
    }
    known.last = sample.t;
    if (chunk && sample.t - chunk->first_time() < kChunkSpanMax && chunk->append(sample, tail)) continue;
    put();
    chunk.emplace(sample, tail);
  }
  put();
  return {};
}

Result<void> MetricsImport::commit() {
  Impl& m = *impl_;
  for (const auto& [labels, known] : m.series) m.batch.dropped.push_back({known.number, known.last});
  const Result<void> good = m.writer->write(m.batch, TimePoint());
  m.batch = {};
  return good;
}

}  // namespace tocsin
