#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/store/history.h"
#include "agent/store/series_store.h"

namespace tocsin {

/// What makes a SeriesStore a view that reaches back (SeriesStore::reaching_back).
struct SeriesStore::Reach {
  SeriesStore memory;
  History& history;
  TimePoint from;
  TimePoint to;
  std::uint64_t generation;      // no other view's, and never the store's
  std::vector<Labels> archived;  // series of this view that are not in memory, by the lower bits of their ref

  const Labels* archived_labels(SeriesRef ref) const;
  /// The series on disk that match and are not in memory, sorted.
  std::vector<Labels> gone(const Matchers& matchers, TimePoint since, TimePoint until) const;

  /// The same in no order, and in memory too.
  std::vector<SeriesRef> match(const Matchers& matchers, TimePoint since, TimePoint until);
  std::vector<SelectedSeries> select(const Matchers& matchers, TimePoint since, TimePoint until);
  void samples(SeriesRef ref, TimePoint since, TimePoint until, std::vector<Sample>& out) const;
  std::optional<Sample> newest(SeriesRef ref, TimePoint at, Duration lookback) const;
  std::vector<std::string> label_names(const Matchers& matchers) const;
  std::vector<std::string> label_values(std::string_view name, const Matchers& matchers) const;
};

}  // namespace tocsin
