#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rules/promql/plan.h"

namespace tocsin::promql {

/// The matching series of a store, kept while none of them comes or goes.
class Selection {
 public:
  explicit Selection(Matchers matchers) : matchers_(std::move(matchers)) {}

  const SeriesListPtr& series(Evaluation& e);
  SeriesRef ref(std::size_t i) const { return refs_[i]; }

 private:
  std::vector<SelectedSeries> select(Evaluation& e) const;
  bool follow(const SeriesStore& store);

  Matchers matchers_;
  const SeriesStore* store_ = nullptr;
  std::uint64_t generation_ = 0;
  std::vector<SeriesRef> refs_;
  SeriesListPtr list_;
};

/// A part of several queries, evaluated once for all that ask for the same time.
class SharedPart {
 public:
  /// `owner` keeps `expr` alive.
  SharedPart(ExprPtr owner, const Expr& expr, QueryCache& cache);
  Result<Block> eval(Evaluation& e, const Steps& steps);
  void join() { ++users_; }
  void leave() { --users_; }

 private:
  void plan();
  bool is_known(std::int64_t at) const;

  ExprPtr owner_;
  const Expr& expr_;
  QueryCache& cache_;
  std::set<std::string> reads_;  // names of metrics; empty when it may be any
  VectorNodePtr inner_;
  int users_ = 0;
  std::uint64_t stamp_ = 0;  // of the values; 0: there are none
  std::int64_t at_ = 0;
  SeriesListPtr series_;
  std::vector<double> values_;
  std::uint64_t samples_read_ = 0, series_matched_ = 0;
};

/// The inside of a QueryCache.
struct QueryCache::Impl {
  std::shared_ptr<Selection> selection(const Matchers& matchers);
  std::shared_ptr<const Renaming> nameless(Evaluation& e, const SeriesListPtr& list);
  /// nullptr: not worth it.
  std::shared_ptr<SharedPart> part(const ExprPtr& owner, const Expr& expr, QueryCache& cache);

  std::uint64_t stamp = 1;  // moves with each call of begin() and wrote()
  std::uint64_t begun = 1;
  std::uint64_t written = 0;
  std::unordered_map<std::string, std::uint64_t> written_of;  // by metric
  std::unordered_map<std::string, std::weak_ptr<Selection>> selections;
  std::unordered_map<const SeriesList*, std::weak_ptr<const Renaming>> renamings;  // a renaming holds its list
  std::unordered_map<std::string, std::weak_ptr<SharedPart>> parts;
  std::size_t selections_limit = 64, renamings_limit = 64, parts_limit = 64;
};

}  // namespace tocsin::promql
