#pragma once

// The inside of the series store, shared by its halves: series_store.cc (memory) and series_store_disk.cc (what goes to
// the disk and comes back).

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "agent/store/chunk.h"
#include "agent/store/label_index.h"
#include "agent/store/series_batch.h"
#include "agent/store/series_store.h"

namespace tocsin {

/// A chunk never reaches over more time than this, so that one that ends in a bucket of the disk begins in it or in the
/// one before.
inline constexpr Duration kChunkSpanMax = std::chrono::hours(2);

struct Series {
  ChunkTail tail;
  ChunkList chunks;          // only the last one grows
  std::uint32_t number = 0;  // on disk; 0: it is not kept there
  std::uint32_t times_used : 30 = 0;
  std::uint32_t fresh : 1 = 0;   // made since maintain() came by: may be empty for a while
  std::uint32_t closed : 1 = 0;  // the last chunk does not grow either
};

inline std::size_t bytes_of(const Chunk& chunk) {
  constexpr std::size_t kHeapOverhead = 16;
  return chunk.capacity() + sizeof(Chunk) + kHeapOverhead;
}

inline TimePoint newest_time(const Series& series) {
  return TimePoint(Duration(series.tail.t));
}

struct SeriesStore::Impl {
  explicit Impl(SeriesStoreLimits l) : limits(l) {}

  Series* get(SeriesRef ref) {
    const auto id = static_cast<LabelIndex::Id>(ref.id) - 1;
    if (!index.alive(id) || series[id].times_used != ref.id >> 32) return nullptr;
    return &series[id];
  }
  SeriesRef ref_of(LabelIndex::Id id) const {
    return {std::uint64_t{series[id].times_used} << 32 | (std::uint64_t{id} + 1)};
  }

  /// In no order.
  std::vector<LabelIndex::Id> match(const Matchers& matchers, TimePoint from, TimePoint to);
  /// Makes a series that is not there yet.
  LabelIndex::Id make(const Labels& labels, std::uint32_t number);
  /// Moves to the next generation.
  void note_change(SeriesRef ref, Labels labels, bool made);
  /// Adds a sample that is newer than all others.
  void put(Series& s, Sample sample);
  void add_chunk(Series& s, Sample sample);
  void account_sealed(const Chunk& chunk) { sealed_bytes[bucket(chunk.first_time())] += bytes_of(chunk); }
  void drop_chunks(Series& s, std::size_t count);
  void sweep(LabelIndex::Id id, TimePoint horizon, TimePoint cut);
  TimePoint cut_for_bytes() const;
  std::int64_t bucket(TimePoint t) const { return t.time_since_epoch() / bucket_width(); }
  Duration bucket_width() const { return std::max(limits.retention / 64, Duration(1000)); }
  std::size_t bytes() const { return index.bytes() + series.size() * sizeof(Series) + chunk_bytes; }

  /// Remembers a chunk of `s` for the disk. `last`: the time of its last sample.
  void note_chunk(std::vector<DiskChunk>& out, const Series& s, const Chunk& chunk, TimePoint last) const;
  void note_everything(SeriesBatch& out, LabelIndex::Id id) const;

  SeriesStoreLimits limits;
  LabelIndex index;
  std::deque<Series> series;  // by number in the index
  std::size_t chunk_bytes = 0;
  std::map<std::int64_t, std::size_t> sealed_bytes;  // by bucket of the first sample
  std::optional<TimePoint> newest_now;
  LabelIndex::Id sweep_at = 0;
  std::uint64_t generation = 1;
  std::uint64_t views = 0;                      // made so far
  std::deque<SeriesChange> recent;              // the last changes, one per generation
  TimePoint complete_since = TimePoint::min();  // no sample since then was dropped
  mutable SeriesStoreStats stats;

  // What the disk is to be told; series_store_disk.cc says how.
  std::unique_ptr<SeriesBatch> changes;  // since the last drain(); none: nothing is kept on disk
  std::uint32_t next_number = 1;
  std::uint64_t sequence = 1;
  std::uint64_t lap_began = 1;  // the batch in which the walk over the growing chunks set out
  LabelIndex::Id lap_at = 0;
  bool rewriting = false;  // this lap writes everything
};

}  // namespace tocsin
