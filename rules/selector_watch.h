#pragma once

#include <vector>

#include "agent/core/matcher.h"
#include "agent/store/series_store.h"
#include "rules/promql/ast.h"

namespace tocsin {

/// The text of a selector alone.
std::string to_string(const promql::VectorSelector& selector);
/// Visits every selector of an expression; a range selector as what is before its brackets.
void for_each_selector(const promql::Expr& expr, const std::function<void(const promql::VectorSelector&)>& visit);

/// Whether the selectors of a rule have ever matched a series: one that never does is most likely mistyped, and its
/// rule silent whatever happens.
class SelectorWatch {
 public:
  SelectorWatch() = default;
  explicit SelectorWatch(const promql::Expr& expr);

  /// Looks for those that have not matched yet whether a series is there at `at`; every 15 seconds at the most.
  void look(const SeriesStore& store, TimePoint at);
  std::vector<std::string> never_matched() const;

 private:
  struct Watched {
    std::string text;
    Matchers matchers;
  };
  std::vector<Watched> unmatched_;
  TimePoint looked_at_;
};

}  // namespace tocsin
