// A series is its number in the label index, a list of chunks of which the last is being written, and the newest sample
// in plain form, which is what a rule mostly asks for. A ref is that number with a count of how often it was given out,
// so that a ref to a series that was dropped never reaches the next one in its place.
//
// maintain() walks on from where it stopped the last time, a bounded number of series per call. What is over bytes_max
// is found without a walk: the bytes of sealed chunks are summed up by the time of their first sample, and the sums say
// which time to cut at.

#include "agent/store/series_store.h"

#include <algorithm>
#include <bit>

#include "agent/store/series_store_impl.h"
#include "agent/store/series_store_reach.h"

namespace tocsin {

namespace {

constexpr Duration kFutureMax = std::chrono::minutes(10);
/// Nobody means an instant beyond this (year 287396), and sums of such instants do not overflow.
constexpr TimePoint kLatest{Duration(std::int64_t{1} << 53)};
constexpr TimePoint kEarliest{-(Duration(std::int64_t{1} << 53))};
constexpr std::size_t kSweepPerCall = 50'000;

/// The chunk in which samples at or before `t` end: the last one that begins no later.
std::size_t chunk_at(const Series& series, TimePoint t) {
  const auto after = std::upper_bound(series.chunks.begin(), series.chunks.end(), t,
                                      [](TimePoint x, const Chunk& chunk) { return x < chunk.first_time(); });
  return after == series.chunks.begin() ? 0 : static_cast<std::size_t>(after - series.chunks.begin()) - 1;
}

}  // namespace

LabelIndex::Id SeriesStore::Impl::make(const Labels& labels, std::uint32_t number) {
  const LabelIndex::Id id = index.insert(labels);
  if (id >= series.size()) series.resize(std::size_t{id} + 1);
  Series& s = series[id];
  s.tail = {};
  s.number = number;
  ++s.times_used;
  s.fresh = 1;
  s.closed = 0;
  note_change(ref_of(id), labels, true);
  return id;
}

void SeriesStore::Impl::note_change(SeriesRef ref, Labels labels, bool made) {
  constexpr std::size_t kRemembered = 1024;
  ++generation;
  recent.push_back({ref, std::move(labels), made});
  if (recent.size() > kRemembered) recent.pop_front();
}

void SeriesStore::Impl::put(Series& s, Sample sample) {
  // A chunk is dropped as a whole, so one must not reach over much of the retention.
  const Duration span = std::min(limits.retention / 2, kChunkSpanMax);
  const bool fits = !s.closed && !s.chunks.empty() && sample.t - s.chunks.back().first_time() < span;
  const std::size_t before = fits ? s.chunks.back().capacity() : 0;
  if (fits && s.chunks.back().append(sample, s.tail)) {
    chunk_bytes += s.chunks.back().capacity() - before;
  } else {
    add_chunk(s, sample);
  }
  ++stats.samples;
}

void SeriesStore::Impl::add_chunk(Series& s, Sample sample) {
  if (!s.chunks.empty() && !s.closed) {
    Chunk& full = s.chunks.back();
    chunk_bytes -= bytes_of(full);
    full.seal();
    chunk_bytes += bytes_of(full);
    account_sealed(full);
    if (changes) note_chunk(changes->chunks, s, full, newest_time(s));
  }
  s.closed = 0;
  s.chunks.emplace_back(sample, s.tail);
  chunk_bytes += bytes_of(s.chunks.back());
  ++stats.chunks;
}

void SeriesStore::Impl::drop_chunks(Series& s, std::size_t count) {
  const bool all = count == s.chunks.size();
  complete_since = std::max(complete_since, all ? newest_time(s) + Duration(1) : s.chunks[count].first_time());
  if (all && !s.closed && changes) note_chunk(changes->chunks, s, s.chunks.back(), newest_time(s));
  for (std::size_t i = 0; i < count; ++i) {
    const Chunk& chunk = s.chunks[i];
    chunk_bytes -= bytes_of(chunk);
    stats.samples -= chunk.count();
    if (i + 1 == s.chunks.size() && !s.closed) continue;  // was never sealed
    const auto at = sealed_bytes.find(bucket(chunk.first_time()));
    at->second -= bytes_of(chunk);
    if (at->second == 0) sealed_bytes.erase(at);
  }
  stats.chunks -= count;
  s.chunks.drop_front(count);
}

void SeriesStore::Impl::sweep(LabelIndex::Id id, TimePoint horizon, TimePoint cut) {
  Series& s = series[id];
  std::size_t old = 0;
  while (old + 1 < s.chunks.size() && (s.chunks[old + 1].first_time() <= horizon || s.chunks[old].first_time() < cut)) {
    ++old;
  }
  if (old + 1 == s.chunks.size() && newest_time(s) < horizon) ++old;
  if (old > 0) drop_chunks(s, old);
  const bool fresh = s.fresh;
  s.fresh = 0;
  if (!s.chunks.empty() || fresh) return;
  if (changes && s.number != 0) changes->dropped.push_back({s.number, newest_time(s)});
  s.chunks.clear();
  note_change(ref_of(id), index.labels(id), false);
  index.erase(id);
  ++stats.series_removed_total;
}

TimePoint SeriesStore::Impl::cut_for_bytes() const {
  std::size_t now = bytes();
  TimePoint cut = TimePoint::min();
  for (const auto& [at, sum] : sealed_bytes) {
    if (now <= limits.bytes_max) break;
    now -= std::min(now, sum);
    cut = TimePoint(bucket_width() * (at + 1));
  }
  return cut;
}

SeriesStore::SeriesStore(SeriesStoreLimits limits) : impl_(std::make_shared<Impl>(limits)) {}
SeriesStore::SeriesStore(std::shared_ptr<Impl> impl, std::unique_ptr<Reach> reach)
    : impl_(std::move(impl)), reach_(std::move(reach)) {}
SeriesStore::~SeriesStore() = default;
SeriesStore::SeriesStore(SeriesStore&&) noexcept = default;

Result<SeriesRef> SeriesStore::ref(const Labels& labels) {
  Impl& m = *impl_;
  if (const LabelIndex::Id id = m.index.find(labels); id != LabelIndex::kNone) return m.ref_of(id);
  if (m.index.size() >= m.limits.series_max) {
    ++m.stats.series_refused_total;
    return fail("there are {} series already, which is the limit (series_max): {} is not kept", m.limits.series_max,
                labels.metric_str());
  }
  if (m.bytes() > m.limits.bytes_max) {
    ++m.stats.series_refused_total;
    return fail("the samples take more than {} bytes, which is the limit (bytes_max): {} is not kept",
                m.limits.bytes_max, labels.metric_str());
  }
  if (labels.size() > LabelIndex::kLabelsMax) {
    ++m.stats.series_refused_total;
    return fail("a series of {} labels is not kept, at most {} are", labels.size(), LabelIndex::kLabelsMax);
  }
  const std::uint32_t number = m.changes && m.next_number != 0 ? m.next_number++ : 0;
  const LabelIndex::Id id = m.make(labels, number);
  if (number != 0) m.changes->series.push_back({number, labels});
  ++m.stats.series_created_total;
  return m.ref_of(id);
}

SeriesRef SeriesStore::find(const Labels& labels) const {
  const LabelIndex::Id id = impl_->index.find(labels);
  return id == LabelIndex::kNone ? SeriesRef{} : impl_->ref_of(id);
}

Labels SeriesStore::labels(SeriesRef ref) const {
  if (reach_) {
    if (const Labels* labels = reach_->archived_labels(ref)) return *labels;
  }
  return impl_->get(ref) == nullptr ? Labels() : impl_->index.labels(static_cast<LabelIndex::Id>(ref.id) - 1);
}

AppendResult SeriesStore::append(SeriesRef ref, TimePoint t, double v) {
  Impl& m = *impl_;
  Series* s = m.get(ref);
  if (s == nullptr) return AppendResult::kUnknownRef;
  if (t < kEarliest || (!s->chunks.empty() && t <= newest_time(*s))) {
    if (t < kEarliest || t < newest_time(*s)) {
      ++m.stats.out_of_order_total;
      return AppendResult::kOutOfOrder;
    }
    const bool same = std::bit_cast<std::uint64_t>(v) == std::bit_cast<std::uint64_t>(s->tail.v);
    ++(same ? m.stats.duplicate_total : m.stats.conflict_total);
    return same ? AppendResult::kDuplicate : AppendResult::kConflict;
  }
  if (t > (m.newest_now ? *m.newest_now + kFutureMax : kLatest)) {
    ++m.stats.too_far_future_total;
    return AppendResult::kTooFarFuture;
  }
  m.put(*s, {t, v});
  if (m.changes && s->number != 0) m.changes->samples.push_back({t, v, s->number});
  ++m.stats.appended_total;
  return AppendResult::kAppended;
}

std::vector<LabelIndex::Id> SeriesStore::Impl::match(const Matchers& matchers, TimePoint from, TimePoint to) {
  std::vector<LabelIndex::Id> ids = index.match(matchers);
  std::erase_if(ids, [&](LabelIndex::Id id) {
    const Series& s = series[id];
    return !s.chunks.empty() && (newest_time(s) < from || s.chunks.front().first_time() > to);
  });
  return ids;
}

std::vector<SeriesRef> SeriesStore::match(const Matchers& matchers, TimePoint from, TimePoint to) const {
  if (reach_) return reach_->match(matchers, from, to);
  std::vector<SeriesRef> out;
  for (const LabelIndex::Id id : impl_->match(matchers, from, to)) out.push_back(impl_->ref_of(id));
  return out;
}

std::vector<SelectedSeries> SeriesStore::select(const Matchers& matchers, TimePoint from, TimePoint to) const {
  if (reach_) return reach_->select(matchers, from, to);
  Impl& m = *impl_;
  std::vector<LabelIndex::Id> ids = m.match(matchers, from, to);
  m.index.sort_by_labels(ids);
  std::vector<SelectedSeries> out;
  out.reserve(ids.size());
  for (const LabelIndex::Id id : ids) out.push_back({m.ref_of(id), m.index.labels(id)});
  return out;
}

void SeriesStore::samples(SeriesRef ref, TimePoint from, TimePoint to, std::vector<Sample>& out) const {
  if (reach_) return reach_->samples(ref, from, to, out);
  const Series* s = impl_->get(ref);
  if (s == nullptr || s->chunks.empty() || newest_time(*s) < from) return;
  for (std::size_t i = chunk_at(*s, from); i < s->chunks.size() && s->chunks[i].first_time() <= to; ++i) {
    ChunkReader(s->chunks[i]).read(from, to, out);
  }
}

std::optional<Sample> SeriesStore::newest(SeriesRef ref, TimePoint at, Duration lookback) const {
  if (reach_) return reach_->newest(ref, at, lookback);
  const Series* s = impl_->get(ref);
  if (s == nullptr || s->chunks.empty() || s->chunks.front().first_time() > at) return std::nullopt;
  Sample found{newest_time(*s), s->tail.v};
  if (found.t > at && !ChunkReader(s->chunks[chunk_at(*s, at)]).last(at, found)) return std::nullopt;
  if (at - found.t >= lookback || is_stale(found.v)) return std::nullopt;
  return found;
}

bool SeriesStore::changes_since(std::uint64_t generation, const std::function<void(const SeriesChange&)>& visit) const {
  const std::deque<SeriesChange>& recent = impl_->recent;
  const std::uint64_t count = impl_->generation - generation;
  if (reach_ || generation > impl_->generation || count > recent.size()) return false;
  std::for_each(recent.end() - static_cast<std::ptrdiff_t>(count), recent.end(), visit);
  return true;
}

std::uint64_t SeriesStore::generation() const {
  return reach_ ? reach_->generation : impl_->generation;
}

std::vector<std::string> SeriesStore::label_names(const Matchers& matchers) const {
  if (reach_) return reach_->label_names(matchers);
  LabelIndex& index = impl_->index;
  return matchers.empty() ? index.names() : index.names(index.match(matchers));
}

std::vector<std::string> SeriesStore::label_values(std::string_view name, const Matchers& matchers) const {
  if (reach_) return reach_->label_values(name, matchers);
  LabelIndex& index = impl_->index;
  return matchers.empty() ? index.values(name) : index.values(name, index.match(matchers));
}

void SeriesStore::maintain(TimePoint now) {
  Impl& m = *impl_;
  m.newest_now = m.newest_now ? std::max(*m.newest_now, now) : now;
  const TimePoint horizon = now - m.limits.retention;
  const TimePoint cut = m.cut_for_bytes();
  const std::size_t steps = std::min(kSweepPerCall, m.index.end());
  for (std::size_t i = 0; i < steps; ++i) {
    if (m.sweep_at >= m.index.end()) m.sweep_at = 0;
    if (m.index.alive(m.sweep_at)) m.sweep(m.sweep_at, horizon, cut);
    ++m.sweep_at;
  }
}

const SeriesStoreStats& SeriesStore::stats() const {
  Impl& m = *impl_;
  m.stats.series = m.index.size();
  m.stats.bytes = m.bytes();
  return m.stats;
}

}  // namespace tocsin
