// A view of the store that goes on where memory ends. It is made for one query: a series that is in memory no more has
// no ref of the store's, so the view numbers those that it finds (the highest bit tells them apart).
//
// While the history is read, the owner of the store may go on changing it. So nothing of the store is held across such
// a call, and a series is looked up again after it: what has left memory meanwhile is read from the history too.

#include <set>

#include "agent/store/history.h"
#include "agent/store/series_store_impl.h"
#include "agent/store/series_store_reach.h"

namespace tocsin {

namespace {

constexpr std::uint64_t kArchived = std::uint64_t{1} << 63;
constexpr Duration kTick{1};

}  // namespace

TimePoint SeriesStore::complete_since() const {
  return impl_->complete_since;
}

SeriesStore SeriesStore::reaching_back(History& history, TimePoint from, TimePoint to) const {
  // A view may lie where another one lay: whoever keeps what it found in one must not take it for the other's.
  const std::uint64_t generation = kArchived | ++impl_->views;
  return {impl_, std::make_unique<Reach>(Reach{SeriesStore(impl_, nullptr), history, from, to, generation, {}})};
}

const Labels* SeriesStore::Reach::archived_labels(SeriesRef ref) const {
  const std::uint64_t place = ref.id & ~kArchived;
  return (ref.id & kArchived) != 0 && place < archived.size() ? &archived[place] : nullptr;
}

std::vector<Labels> SeriesStore::Reach::gone(const Matchers& matchers, TimePoint since, TimePoint until) const {
  if (since >= memory.complete_since()) return {};
  std::vector<Labels> out = history.select(matchers, since, until);
  std::erase_if(out, [this](const Labels& labels) { return bool(memory.find(labels)); });
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<SeriesRef> SeriesStore::Reach::match(const Matchers& matchers, TimePoint since, TimePoint until) {
  since = std::max(since, from);
  until = std::min(until, to);
  std::vector<SeriesRef> out;
  for (Labels& labels : gone(matchers, since, until)) {
    out.push_back({kArchived | archived.size()});
    archived.push_back(std::move(labels));
  }
  if (since < memory.complete_since()) until = TimePoint::max();
  for (const SeriesRef ref : memory.match(matchers, since, until)) out.push_back(ref);
  return out;
}

std::vector<SelectedSeries> SeriesStore::Reach::select(const Matchers& matchers, TimePoint since, TimePoint until) {
  since = std::max(since, from);
  until = std::min(until, to);
  std::vector<SelectedSeries> out;
  for (Labels& labels : gone(matchers, since, until)) {
    out.push_back({{kArchived | archived.size()}, labels});
    archived.push_back(std::move(labels));
  }
  const auto middle = static_cast<std::ptrdiff_t>(out.size());
  // Of a series that begins later in memory there may be earlier samples on disk.
  if (since < memory.complete_since()) until = TimePoint::max();
  for (SelectedSeries& s : memory.select(matchers, since, until)) out.push_back(std::move(s));
  std::inplace_merge(out.begin(), out.begin() + middle, out.end(),
                     [](const SelectedSeries& a, const SelectedSeries& b) { return a.labels < b.labels; });
  return out;
}

void SeriesStore::Reach::samples(SeriesRef ref, TimePoint since, TimePoint until, std::vector<Sample>& out) const {
  if (const Labels* labels = archived_labels(ref)) return history.samples(*labels, since, until, out);
  Labels labels;
  while (since <= until && since < memory.complete_since()) {
    const Series* s = memory.impl_->get(ref);
    if (s == nullptr && labels.empty()) return;
    TimePoint end = until;
    if (s != nullptr) {
      if (!s->chunks.empty()) end = std::min(until, s->chunks.front().first_time() - kTick);
      if (since > end) break;
      if (labels.empty()) labels = memory.labels(ref);
    }
    history.samples(labels, since, end, out);
    since = end + kTick;
  }
  if (since <= until) memory.samples(ref, since, until, out);
}

std::optional<Sample> SeriesStore::Reach::newest(SeriesRef ref, TimePoint at, Duration lookback) const {
  const Series* s = memory.impl_->get(ref);
  const bool in_memory = s != nullptr && !s->chunks.empty() && s->chunks.front().first_time() <= at;
  if (in_memory) return memory.newest(ref, at, lookback);
  std::vector<Sample> found;
  samples(ref, at - lookback + kTick, at, found);
  if (found.empty() || is_stale(found.back().v)) return std::nullopt;
  return found.back();
}

std::vector<std::string> SeriesStore::Reach::label_names(const Matchers& matchers) const {
  const std::vector<std::string> here = memory.label_names(matchers);
  std::set<std::string, std::less<>> names(here.begin(), here.end());
  for (const Labels& labels : gone(matchers, from, to)) {
    for (const Label label : labels) {
      if (!names.contains(label.name)) names.emplace(label.name);
    }
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> SeriesStore::Reach::label_values(std::string_view name, const Matchers& matchers) const {
  const std::vector<std::string> here = memory.label_values(name, matchers);
  std::set<std::string, std::less<>> values(here.begin(), here.end());
  for (const Labels& labels : gone(matchers, from, to)) {
    const std::string_view value = labels.get(name);
    if (!value.empty() && !values.contains(value)) values.emplace(value);
  }
  return {values.begin(), values.end()};
}

}  // namespace tocsin
