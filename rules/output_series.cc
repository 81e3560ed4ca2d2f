#include "rules/output_series.h"

#include "agent/core/sample.h"

namespace tocsin {

Result<void> OutputSeries::write(SeriesStore& store, const Labels& labels, TimePoint t, double v) {
  const auto found = series_.find(labels);
  SeriesRef ref = found == series_.end() ? SeriesRef() : found->second.ref;
  AppendResult appended = ref ? store.append(ref, t, v) : AppendResult::kUnknownRef;
  if (appended == AppendResult::kUnknownRef) {
    const Result<SeriesRef> made = store.ref(labels);
    if (!made) return tl::make_unexpected(made.error());
    ref = *made;
    appended = store.append(ref, t, v);
  }
  if (appended != AppendResult::kAppended && appended != AppendResult::kDuplicate) return {};
  series_[labels] = Written{ref, round_};
  return {};
}

void OutputSeries::finish(SeriesStore& store, TimePoint t) {
  for (auto it = series_.begin(); it != series_.end();) {
    if (it->second.round == round_) {
      ++it;
      continue;
    }
    store.append(it->second.ref, t, kStaleNaN);
    it = series_.erase(it);
  }
}

std::vector<SeriesRef> OutputSeries::release() {
  std::vector<SeriesRef> refs;
  refs.reserve(series_.size());
  for (const auto& [labels, written] : series_) refs.push_back(written.ref);
  series_.clear();
  return refs;
}

}  // namespace tocsin
