#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "agent/core/labels.h"
#include "agent/core/result.h"
#include "agent/core/sample.h"
#include "agent/store/history.h"
#include "agent/store/series_store.h"

namespace tocsin {

struct MetricsDbLimits {
  /// Samples older than this are deleted, a bucket of two hours at a time.
  Duration retention = std::chrono::hours(24 * 15);
  /// Of the file; the oldest buckets go first when it is exceeded. What a transaction needs comes on top.
  std::size_t bytes_max = std::size_t{10} << 30;
  /// Of batches that wait for a slow disk.
  std::size_t queue_bytes_max = 64U << 20;
};

/// metrics.db: the samples of a SeriesStore in SQLite, in WAL mode with synchronous=NORMAL, on a thread of its own. A
/// kill at any moment loses what was not handed over yet, a power cut the last moments before it.
///
/// When the disk is full, damaged or too slow, nothing else stops: batches are refused, and everything that is in memory
/// is written once it works again.
class MetricsDb {
 public:
  /// Opens or makes `path` and fills `store`, which is empty, with the samples since `memory_since`. From then on the
  /// store remembers what changes. A damaged file is set aside as `path.corrupt-<n>` with a log line and a new one
  /// begun. Errors: cannot be opened, made by a newer version; then the store is as it was.
  static Result<std::unique_ptr<MetricsDb>> open(const std::string& path, MetricsDbLimits limits, SeriesStore& store,
                                                 TimePoint memory_since);
  /// Writes what waits, then ends the thread.
  ~MetricsDb();

  /// Takes what `store` has to tell; call it once per flush interval. `part` of the growing chunks goes along (see
  /// SeriesStore::drain), unless the disk is behind.
  void flush(SeriesStore& store, double part, TimePoint now);
  /// Waits until everything handed over so far is written or given up. For shutdown.
  void wait();

  void set_limits(MetricsDbLimits limits);

  /// Runs a function that waits for the disk: for a reader that holds something which others should have meanwhile.
  using Apart = std::function<void(const std::function<void()>&)>;
  /// A reader with a connection of its own, for one thread. Outlives this.
  std::unique_ptr<History> history(Apart apart = nullptr) const;

  struct Stats {
    std::uint64_t transactions_total = 0;
    std::uint64_t samples_written_total = 0;
    std::uint64_t errors_total = 0;           // transactions that failed
    std::uint64_t batches_skipped_total = 0;  // refused, or lost in a failure
    std::size_t queued_bytes = 0;
    std::size_t bytes = 0;   // pages in use
    TimePoint oldest;        // no full chunk ends before; TimePoint() when there is none
    bool failing = false;    // the last transaction was not written
    std::string error;       // of the newest failure
  };
  Stats stats() const;

  /// Makes the disk as full as a test wants it: the file may have so many pages at most.
  void limit_pages_for_test(std::int64_t pages);

 private:
  struct Impl;
  explicit MetricsDb(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Adds samples of the past to the metrics.db of an agent that does not run (it holds the lock of its state directory
/// while it does).
///
/// Samples may be older than, newer than or among those that the file has of a series; of two at the same instant the
/// one that was there first counts. What falls into the time that the agent keeps in memory is seen at once when it is
/// of a series the agent does not know, and else when that time is over.
class MetricsImport {
 public:
  /// Error: cannot be opened, damaged, made by a newer version.
  static Result<MetricsImport> open(const std::string& path);
  MetricsImport(MetricsImport&&) noexcept;
  MetricsImport& operator=(MetricsImport&&) noexcept;
  /// What was not committed is not in the file.
  ~MetricsImport();

  /// `samples`: in strictly ascending time, and newer than those of earlier calls with the same labels. Errors: they are
  /// not, or the disk's; then nothing since the last commit is in the file.
  Result<void> add(const Labels& labels, std::span<const Sample> samples);
  /// Call it now and then: what is not committed takes room beside the file.
  Result<void> commit();

 private:
  struct Impl;
  explicit MetricsImport(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin
