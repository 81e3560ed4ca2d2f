#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/result.h"
#include "agent/store/series_store.h"

namespace tocsin {

/// The series that one rule writes: those it wrote last time and not now get a stale marker, so that they end at once
/// instead of standing for another five minutes.
class OutputSeries {
 public:
  /// Before the writes of one evaluation. An evaluation that fails calls neither this nor finish(), and ends nothing.
  void begin() { ++round_; }
  /// Error: the store takes no more series. A sample the store drops (another rule wrote the same series) is no error.
  Result<void> write(SeriesStore& store, const Labels& labels, TimePoint t, double v);
  /// Marks what was not written since begin().
  void finish(SeriesStore& store, TimePoint t);

  /// Everything that is now alive here, which this then no longer answers for.
  std::vector<SeriesRef> release();
  bool empty() const { return series_.empty(); }

 private:
  struct Written {
    SeriesRef ref;
    std::uint64_t round = 0;
  };
  std::unordered_map<Labels, Written> series_;
  std::uint64_t round_ = 0;
};

}  // namespace tocsin
