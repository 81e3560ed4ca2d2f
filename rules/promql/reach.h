#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rules/promql/promql.h"

namespace tocsin::promql {

/// Which samples a selector of an expression reads, as distances from the instant of evaluation.
struct SelectorReach {
  Matchers matchers;
  std::string text;  // name and matchers as PromQL, without range, offset and @
  Duration before{0};
  Duration after{0};            // of negative offsets; else 0
  std::optional<TimePoint> at;  // with `@ time` the distances count from there
};

/// All selectors of an expression that is evaluated at single instants, each once per text. Ranges and offsets that are
/// computed (`[5m * 2]`) count as a day.
std::vector<SelectorReach> selector_reach(const Expr& expr, Duration lookback = kDefaultLookback);

}  // namespace tocsin::promql
