// What the store tells the disk, and how it is filled from it.
//
// Every sample that is taken in, every chunk that is full and every series that comes or goes is noted in `changes`,
// which drain() hands over. A chunk that still grows is told in laps: each drain() goes on a part of the way around all
// series and tells how their newest chunk stands. When a lap is done, samples from before it began are in chunks that
// were told, so the disk may forget them: the log that a start has to read is never longer than two laps.
//
// When something did not reach the disk (it was full, or too slow), the next lap tells everything: series, full chunks,
// growing ones. Until it is done the disk has a hole there, and what it has is true nevertheless.

#include <cmath>

#include "agent/store/series_loader.h"
#include "agent/store/series_store_impl.h"

namespace tocsin {

namespace {

constexpr double kRewriteSpeed = 10;  // laps that tell everything are this much faster

std::span<const std::uint8_t> bytes_of(const std::string& data) {
  return {reinterpret_cast<const std::uint8_t*>(data.data()), data.size()};
}

std::optional<Sample> last_sample(const Chunk& chunk) {
  Sample last;
  if (!ChunkReader(chunk).last(TimePoint::max(), last)) return std::nullopt;
  return last;
}

}  // namespace

void SeriesStore::Impl::note_chunk(std::vector<DiskChunk>& out, const Series& s, const Chunk& chunk,
                                   TimePoint last) const {
  if (s.number == 0) return;
  const auto data = chunk.data();
  out.push_back({s.number, static_cast<std::uint32_t>(chunk.count()), chunk.first_time(), last,
                 std::string(reinterpret_cast<const char*>(data.data()), data.size())});
}

void SeriesStore::Impl::note_everything(SeriesBatch& out, LabelIndex::Id id) const {
  const Series& s = series[id];
  if (s.number == 0) return;
  out.series.push_back({s.number, index.labels(id)});
  for (std::size_t i = 0; i + (s.closed ? 0 : 1) < s.chunks.size(); ++i) {
    if (const auto last = last_sample(s.chunks[i])) note_chunk(out.chunks, s, s.chunks[i], last->t);
  }
}

SeriesBatch SeriesStore::drain(double part) {
  Impl& m = *impl_;
  if (!m.changes) return {};
  SeriesBatch out = std::exchange(*m.changes, {});
  out.sequence = m.sequence++;
  const double share = part * static_cast<double>(m.index.end()) * (m.rewriting ? kRewriteSpeed : 1);
  for (auto steps = static_cast<std::size_t>(std::ceil(share)); steps > 0 && m.lap_at < m.index.end(); --steps) {
    const LabelIndex::Id id = m.lap_at++;
    if (!m.index.alive(id)) continue;
    if (m.rewriting) m.note_everything(out, id);
    const Series& s = m.series[id];
    if (!s.chunks.empty() && !s.closed) m.note_chunk(out.growing, s, s.chunks.back(), newest_time(s));
  }
  if (m.lap_at >= m.index.end()) {
    out.samples_needed_since = m.lap_began;
    m.lap_began = m.sequence;
    m.lap_at = 0;
    m.rewriting = false;
  }
  return out;
}

void SeriesStore::rewrite() {
  Impl& m = *impl_;
  if (!m.changes) return;
  *m.changes = {};
  m.lap_began = m.sequence;
  m.lap_at = 0;
  m.rewriting = true;
}

SeriesLoader::SeriesLoader(SeriesStore& store) : store_(*store.impl_) {
  store_.changes = std::make_unique<SeriesBatch>();
}

SeriesLoader::Added SeriesLoader::add(std::uint32_t number, const Labels& labels) {
  if (store_.index.find(labels) != LabelIndex::kNone) return Added::kKnown;
  if (number == 0 || store_.index.size() >= store_.limits.series_max || labels.size() > LabelIndex::kLabelsMax) {
    return Added::kRefused;
  }
  sorted_ = sorted_ && (numbers_.empty() || numbers_.back().first < number);
  numbers_.emplace_back(number, store_.make(labels, number));
  return Added::kYes;
}

/// The place in numbers_, or its size. Rows come in the order of the numbers, so it is mostly the same or the next.
std::size_t SeriesLoader::find(std::uint32_t number) {
  if (!sorted_) std::sort(numbers_.begin(), numbers_.end());
  sorted_ = true;
  for (std::size_t i = at_; i < std::min(at_ + 2, numbers_.size()); ++i) {
    if (numbers_[i].first == number) return at_ = i;
  }
  const auto place = std::lower_bound(numbers_.begin(), numbers_.end(), std::pair(number, std::uint32_t{0}));
  if (place == numbers_.end() || place->first != number) return numbers_.size();
  return at_ = static_cast<std::size_t>(place - numbers_.begin());
}

void SeriesLoader::append(const DiskChunk& chunk, bool sealed) {
  const std::size_t place = find(chunk.series);
  if (place == numbers_.size()) return;
  Series& s = store_.series[numbers_[place].second];
  const bool sound = chunk.count > 0 && chunk.count <= Chunk::kSamplesMax && !chunk.data.empty() &&
                     chunk.data.size() <= Chunk::kBytesMax && chunk.first <= chunk.last;
  if (!sound || (sealed && !s.chunks.empty() && chunk.first <= newest_time(s))) {
    ++damaged_;
    return;
  }
  if (sealed) {
    const Chunk& kept = s.chunks.emplace_back(chunk.first, chunk.count, bytes_of(chunk.data));
    s.tail = ChunkTail{.t = chunk.last.time_since_epoch().count()};
    s.closed = 1;
    store_.chunk_bytes += tocsin::bytes_of(kept);
    store_.account_sealed(kept);
    ++store_.stats.chunks;
    store_.stats.samples += chunk.count;
    return;
  }
  // Written anew, because what comes next is told as the difference to it.
  ChunkReader reader(chunk.first, chunk.count, bytes_of(chunk.data));
  for (Sample sample; reader.next(sample);) {
    if ((s.chunks.empty() || sample.t > newest_time(s)) && sample.t <= chunk.last) store_.put(s, sample);
  }
  if (reader.damaged()) ++damaged_;
}

void SeriesLoader::full(const DiskChunk& chunk) {
  append(chunk, true);
}
void SeriesLoader::growing(const DiskChunk& chunk) {
  append(chunk, false);
}

void SeriesLoader::sample(const DiskSample& sample) {
  const std::size_t place = find(sample.series);
  if (place == numbers_.size()) return;
  Series& s = store_.series[numbers_[place].second];
  if (s.chunks.empty() || sample.t > newest_time(s)) store_.put(s, {sample.t, sample.v});
}

void SeriesLoader::finish(TimePoint complete_since, std::uint32_t next_number, std::uint64_t next_sequence) {
  for (const auto& [number, id] : numbers_) {
    Series& s = store_.series[id];
    if (!s.closed) continue;
    if (const auto last = last_sample(s.chunks.back())) s.tail.v = last->v;
  }
  store_.complete_since = complete_since;
  store_.next_number = next_number;
  store_.sequence = store_.lap_began = next_sequence;
}

}  // namespace tocsin
