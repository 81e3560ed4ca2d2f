#include "rules/selector_watch.h"

#include <algorithm>

namespace tocsin {

namespace {
constexpr Duration kLookEvery = std::chrono::seconds(15);
}

void for_each_selector(const promql::Expr& expr, const std::function<void(const promql::VectorSelector&)>& visit) {
  if (const auto* vector = expr.as<promql::VectorSelector>()) return visit(*vector);
  if (const auto* matrix = expr.as<promql::MatrixSelector>()) return visit(matrix->selector);
  promql::for_each_child(expr, [&](const promql::ExprPtr& child) { for_each_selector(*child, visit); });
}

std::string to_string(const promql::VectorSelector& selector) {
  promql::Expr expr;
  expr.node = selector;
  return promql::to_string(expr);
}

SelectorWatch::SelectorWatch(const promql::Expr& expr) {
  for_each_selector(expr, [this](const promql::VectorSelector& selector) {
    unmatched_.push_back({to_string(selector), selector.matchers});
  });
}

void SelectorWatch::look(const SeriesStore& store, TimePoint at) {
  if (unmatched_.empty() || at - looked_at_ < kLookEvery) return;
  looked_at_ = at;
  // An hour back, whatever the range: a series that has just ended has been there all the same.
  std::erase_if(unmatched_, [&](const Watched& watched) {
    return !store.match(watched.matchers, at - std::chrono::hours(1), at).empty();
  });
}

std::vector<std::string> SelectorWatch::never_matched() const {
  std::vector<std::string> out;
  for (const Watched& watched : unmatched_) out.push_back(watched.text);
  return out;
}

}  // namespace tocsin
