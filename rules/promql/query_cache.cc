// What the rules of a site have in common. Four rules about a metric of 400 hosts would keep its 400 label sets ten times,
// with and without the name; a thousand such rules took 165 MiB, and each new series made all of them match anew, which
// took 200 ms. So what selectors mean, and lists without their metric names, are kept once for all rules, and a selection
// follows the store's record of what came and went.
//
// The expensive parts of expressions, functions over ranges and aggregations, are evaluated once per time. A value is
// forgotten when a rule writes a metric that the part may read, so that the next rule sees it, as the order of a group
// promises.

#include "rules/promql/query_cache.h"

#include <algorithm>
#include <array>

#include "rules/promql/functions.h"

namespace tocsin::promql {
namespace {

/// From so many changes on, matching anew is cheaper than moving the list for each.
constexpr std::size_t kFollowedMax = 64;

/// Drops what nobody holds any more, now and then.
template <class Map>
void sweep(Map& map, std::size_t& limit) {
  if (map.size() < limit) return;
  std::erase_if(map, [](const auto& entry) { return entry.second.expired(); });
  limit = 2 * map.size() + 64;
}

bool has_subquery(const Expr& expr) {
  bool any = expr.as<Subquery>() != nullptr;
  for_each_child(expr, [&](const ExprPtr& child) { any = any || has_subquery(*child); });
  return any;
}

/// False: it may be any metric.
bool names_read(const Expr& expr, std::set<std::string>& out) {
  const auto* selector = expr.as<VectorSelector>();
  if (const auto* matrix = expr.as<MatrixSelector>()) selector = &matrix->selector;
  if (selector != nullptr) {
    const auto name = std::ranges::find_if(selector->matchers, [](const Matcher& m) {
      return m.name() == kMetricName && m.op() == MatchOp::kEqual && !m.value().empty();
    });
    if (name == selector->matchers.end()) return false;
    out.insert(name->value());
    return true;
  }
  // info() reads a metric that it does not name.
  if (const auto* call = expr.as<Call>(); call != nullptr && call->function->name == "info") return false;
  bool known = true;
  for_each_child(expr, [&](const ExprPtr& child) { known = known && names_read(*child, out); });
  return known;
}

}  // namespace

const SeriesListPtr& Selection::series(Evaluation& e) {
  const bool known = store_ == &e.store && list_;
  if (!known || (generation_ != e.store.generation() && !follow(e.store))) {
    store_ = &e.store;
    generation_ = e.store.generation();  // as it is before the first checkpoint
    auto list = std::make_shared<SeriesList>();
    refs_.clear();
    for (SelectedSeries& s : select(e)) {
      refs_.push_back(s.ref);
      list->push_back({std::move(s.labels), false});
    }
    // A series made or removed elsewhere leaves this list as it was; then all that hangs on it stays valid too.
    const bool same = list_ && std::ranges::equal(*list_, *list, {}, &OutSeries::labels, &OutSeries::labels);
    if (!same) list_ = std::move(list);
  }
  e.series_matched += refs_.size();
  return list_;
}

/// Applies what came and went since. False, and nothing has changed: that is not known any more, or too much.
bool Selection::follow(const SeriesStore& store) {
  std::vector<SeriesChange> changes;
  const bool known = store.changes_since(generation_, [&](const SeriesChange& change) {
    if (matches(matchers_, change.labels)) changes.push_back(change);
  });
  if (!known || changes.size() > kFollowedMax) return false;
  generation_ = store.generation();
  if (changes.empty()) return true;
  auto list = std::make_shared<SeriesList>(*list_);
  bool other = false;
  for (SeriesChange& change : changes) {
    const auto at = std::ranges::lower_bound(*list, change.labels, {}, &OutSeries::labels);
    const auto ref = refs_.begin() + (at - list->begin());
    const bool there = at != list->end() && at->labels == change.labels;
    if (change.made && there) {
      *ref = change.ref;
    } else if (change.made) {
      refs_.insert(ref, change.ref);
      list->insert(at, {std::move(change.labels), false});
      other = true;
    } else if (there && *ref == change.ref) {
      refs_.erase(ref);
      list->erase(at);
      other = true;
    }
  }
  if (other) list_ = std::move(list);
  return true;
}

/// With checkpoints between reading the labels and putting them in order, when there are any.
std::vector<SelectedSeries> Selection::select(Evaluation& e) const {
  if (!e.options.checkpoint) return e.store.select(matchers_, TimePoint::min(), TimePoint::max());
  const std::vector<SeriesRef> refs = e.store.match(matchers_, TimePoint::min(), TimePoint::max());
  if (refs.size() > e.options.series_max) {
    throw Stopped{Error{fmt::format("the query selects {} series, more than {}: narrow its matchers", refs.size(),
                                    e.options.series_max)}};
  }
  std::vector<SelectedSeries> out;
  out.reserve(refs.size());
  for (const SeriesRef ref : refs) {
    e.work(kSeriesWork);
    Labels labels = e.store.labels(ref);
    if (!labels.empty()) out.push_back({ref, std::move(labels)});  // else it is gone since the last checkpoint
  }
  std::ranges::sort(out, [&](const SelectedSeries& a, const SelectedSeries& b) {
    e.work(1);
    return a.labels < b.labels;
  });
  return out;
}

SharedPart::SharedPart(ExprPtr owner, const Expr& expr, QueryCache& cache)
    : owner_(std::move(owner)), expr_(expr), cache_(cache) {
  if (!names_read(expr, reads_)) reads_.clear();
  plan();
}

void SharedPart::plan() {
  inner_ = Planner(owner_, &cache_).unshared(expr_);
}

bool SharedPart::is_known(std::int64_t at) const {
  const QueryCache::Impl& cache = cache_.impl();
  if (at_ != at || stamp_ < cache.begun) return false;
  if (stamp_ >= cache.written) return true;
  return !reads_.empty() && std::ranges::all_of(reads_, [&](const std::string& name) {
    const auto found = cache.written_of.find(name);
    return found == cache.written_of.end() || found->second <= stamp_;
  });
}

Result<Block> SharedPart::eval(Evaluation& e, const Steps& steps) {
  if (users_ < 2 || steps.count != 1) return inner_->eval(e, steps);
  if (!is_known(steps.start)) {
    const std::uint64_t read = e.samples_read, matched = e.series_matched;
    stamp_ = 0;
    try {
      auto block = inner_->eval(e, steps);
      if (!block) return block;
      at_ = steps.start;
      series_ = block->series;
      values_.assign(block->values().begin(), block->values().end());
      samples_read_ = e.samples_read - read;
      series_matched_ = e.series_matched - matched;
      stamp_ = cache_.impl().stamp;
      return block;
    } catch (const Stopped&) {
      plan();  // what a plan keeps may be half done
      throw;
    }
  }
  e.samples_read += samples_read_;
  e.series_matched += series_matched_;
  auto out = e.block(series_, 1);
  if (out) std::ranges::copy(values_, out->values().begin());
  return out;
}

std::shared_ptr<Selection> QueryCache::Impl::selection(const Matchers& matchers) {
  std::string key;
  for (const Matcher& m : matchers) key += m.str() + ",";
  sweep(selections, selections_limit);
  std::weak_ptr<Selection>& known = selections[key];
  auto out = known.lock();
  if (!out) known = out = std::make_shared<Selection>(matchers);
  return out;
}

std::shared_ptr<const Renaming> QueryCache::Impl::nameless(Evaluation& e, const SeriesListPtr& list) {
  sweep(renamings, renamings_limit);
  std::weak_ptr<const Renaming>& known = renamings[list.get()];
  auto out = known.lock();
  if (!out) known = out = without_names(e, list, false);
  return out;
}

std::shared_ptr<SharedPart> QueryCache::Impl::part(const ExprPtr& owner, const Expr& expr, QueryCache& cache) {
  const auto* call = expr.as<Call>();
  const bool ranges = call != nullptr && std::holds_alternative<WindowKernel>(call->function->kernel);
  // A subquery keeps values in the memory of one query.
  if ((!ranges && expr.as<Aggregate>() == nullptr) || has_subquery(expr)) return nullptr;
  sweep(parts, parts_limit);
  std::weak_ptr<SharedPart>& known = parts[to_string(expr)];
  auto out = known.lock();
  if (!out) known = out = std::make_shared<SharedPart>(owner, expr, cache);
  return out;
}

QueryCache::QueryCache() : impl_(std::make_unique<Impl>()) {}
QueryCache::~QueryCache() = default;

void QueryCache::begin() {
  impl_->begun = ++impl_->stamp;
  impl_->written_of.clear();
}

void QueryCache::wrote(std::string_view metric) {
  impl_->written = impl_->written_of[std::string(metric)] = ++impl_->stamp;
}

}  // namespace tocsin::promql
