#include "agent/store_view.h"

#include "rules/promql/plan.h"

namespace tocsin {

StoreView::StoreView(const SeriesStore& store, const MetricsDb* disk, Turn& turn, TimePoint from, TimePoint to)
    : memory_(store) {
  if (disk == nullptr || from >= store.complete_since()) return;
  history_ = disk->history([&turn](const std::function<void()>& read) {
    turn.release();
    read();
    if (Result<void> ok = turn.acquire(); !ok) throw promql::Stopped{std::move(ok.error())};
  });
  view_.emplace(store.reaching_back(*history_, from, to));
}

}  // namespace tocsin
