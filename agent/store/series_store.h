#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/matcher.h"
#include "agent/core/result.h"
#include "agent/core/sample.h"
#include "agent/store/series_batch.h"

namespace tocsin {

class History;

/// How long a series' newest sample stands for "now" (Prometheus' staleness rule).
inline constexpr Duration kDefaultLookback = std::chrono::minutes(5);

/// A series, for as long as the store knows it. Refs are never used twice; one of a series that was dropped is refused.
struct SeriesRef {
  std::uint64_t id = 0;  // 0: none
  explicit operator bool() const { return id != 0; }
  friend bool operator==(SeriesRef, SeriesRef) = default;
};

struct SeriesStoreLimits {
  std::size_t series_max = 1'000'000;
  /// Samples older than this are dropped, whole chunks at a time.
  Duration retention = std::chrono::hours(2);
  /// Bytes of chunks and labels; the oldest chunks go first when it is exceeded.
  std::size_t bytes_max = 512U << 20;
};

enum class AppendResult {
  kAppended,
  kDuplicate,     // same time and value as the newest: nothing to do
  kConflict,      // same time, other value: dropped and counted
  kOutOfOrder,    // older than the newest: dropped and counted
  kTooFarFuture,  // more than 10 minutes ahead of the store's newest `now`: dropped and counted
  kUnknownRef,
};

struct SeriesStoreStats {
  std::size_t series = 0;
  std::size_t chunks = 0;
  std::size_t samples = 0;
  std::size_t bytes = 0;
  std::uint64_t appended_total = 0;
  std::uint64_t duplicate_total = 0;
  std::uint64_t conflict_total = 0;
  std::uint64_t out_of_order_total = 0;
  std::uint64_t too_far_future_total = 0;
  std::uint64_t series_created_total = 0;
  std::uint64_t series_removed_total = 0;
  std::uint64_t series_refused_total = 0;  // series_max reached
};

/// A selected series: its labels and a way to its samples.
struct SelectedSeries {
  SeriesRef ref;
  Labels labels;
};

/// A series came or went.
struct SeriesChange {
  SeriesRef ref;
  Labels labels;
  bool made = false;
};

/// The samples of all series, compressed, in memory. One thread (the engine's); knows no clock and does no I/O.
///
/// When it is kept on disk (metrics_db.h), it also remembers what changed, and reaching_back() gives a view of it that
/// goes on where memory ends.
///
/// Samples of a series are in strictly ascending time. A stale marker (is_stale) is a sample like any other to the
/// store.
class SeriesStore {
 public:
  explicit SeriesStore(SeriesStoreLimits limits = {});
  ~SeriesStore();
  SeriesStore(SeriesStore&&) noexcept;
  SeriesStore(const SeriesStore&) = delete;
  SeriesStore& operator=(const SeriesStore&) = delete;

  /// The handle of the series with exactly these labels, made when there is none. Errors: series_max or bytes_max is
  /// reached, more than 4096 labels.
  Result<SeriesRef> ref(const Labels& labels);
  /// The same, never creating: none when there is no such series.
  SeriesRef find(const Labels& labels) const;
  Labels labels(SeriesRef ref) const;

  AppendResult append(SeriesRef ref, TimePoint t, double v);

  /// The series that match, ordered by labels, and may have samples in [from, to]; those that have none at all yet are
  /// among them. O(postings of the most selective matchers + result).
  std::vector<SelectedSeries> select(const Matchers& matchers, TimePoint from, TimePoint to) const;

  /// The same in no order and without the labels, which takes a fraction of the time.
  std::vector<SeriesRef> match(const Matchers& matchers, TimePoint from, TimePoint to) const;

  /// Appends to `out` the samples with from <= t <= to, ascending, stale markers included.
  void samples(SeriesRef ref, TimePoint from, TimePoint to, std::vector<Sample>& out) const;
  /// The newest sample at or before `at` and after `at - lookback` (left-open, Prometheus 3); nothing when there is
  /// none or when it is a stale marker. O(1) when `at` is now.
  std::optional<Sample> newest(SeriesRef ref, TimePoint at, Duration lookback = kDefaultLookback) const;

  /// Tells of the series made and removed after `generation`, in order. False: that is not known, because it was too
  /// long ago or this is a view.
  bool changes_since(std::uint64_t generation, const std::function<void(const SeriesChange&)>& visit) const;
  /// Changes whenever a series is made or removed: the result of a select() over all time stays valid while it is
  /// unchanged.
  std::uint64_t generation() const;
  /// All label names; all values of one name; sorted. Only of series matching, when matchers are given.
  std::vector<std::string> label_names(const Matchers& matchers = {}) const;
  std::vector<std::string> label_values(std::string_view name, const Matchers& matchers = {}) const;

  /// Drops what is older than the retention or above bytes_max, and series that are left without samples (one just made
  /// has until the call after the next to get some). Call every few seconds; does a bounded amount of work.
  void maintain(TimePoint now);
  const SeriesStoreStats& stats() const;

  /// No sample since then was dropped from memory: whoever reads no further back needs no history.
  TimePoint complete_since() const;
  /// The same store, for one query over [from, to]: what is in memory no more comes from `history`, and series that
  /// only have samples outside of the time are left out. Its refs are its own. It may be read while the store changes
  /// inside of a call to `history`, and must not outlive either.
  SeriesStore reaching_back(History& history, TimePoint from, TimePoint to) const;

  /// What changed since the last call; nothing unless a SeriesLoader told the store that it is kept on disk. `part` of
  /// the series (0 to 1), other ones each time, are told as they stand, so that a loader needs the samples of one round
  /// only.
  SeriesBatch drain(double part);
  /// Of what drain() gave, some may not have reached the disk: forgets what changed, and the next round tells
  /// everything again.
  void rewrite();

 private:
  friend class SeriesLoader;
  struct Impl;
  struct Reach;
  SeriesStore(std::shared_ptr<Impl> impl, std::unique_ptr<Reach> reach);
  std::shared_ptr<Impl> impl_;
  std::unique_ptr<Reach> reach_;  // only of a view
};

}  // namespace tocsin
