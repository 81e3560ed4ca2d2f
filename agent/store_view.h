#pragma once

#include <memory>
#include <optional>

#include "agent/query_runner.h"
#include "agent/store/history.h"
#include "agent/store/metrics_db.h"
#include "agent/store/series_store.h"

namespace tocsin {

/// The store as a query from outside sees it: it goes on on disk where memory ends. For one job of a QueryRunner, on its
/// thread.
///
/// The turn is given back while the disk is read, so the engine never waits for it. When it is not given again, because
/// the job is to end, promql::Stopped is thrown out of the store's function; Query makes an error of it.
class StoreView {
 public:
  /// `from`, `to`: what the query looks at (promql::earliest_sample). `disk` may be null. To be made, and used, while the
  /// turn is held. All of them outlive the view.
  StoreView(const SeriesStore& store, const MetricsDb* disk, Turn& turn, TimePoint from, TimePoint to);

  const SeriesStore& store() const { return view_ ? *view_ : memory_; }

 private:
  const SeriesStore& memory_;
  std::unique_ptr<History> history_;
  std::optional<SeriesStore> view_;
};

}  // namespace tocsin
