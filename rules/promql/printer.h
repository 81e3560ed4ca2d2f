#pragma once

#include <string>

#include "rules/promql/ast.h"

/// The parts of an expression's text that stay on one line when it is broken over several.
namespace tocsin::promql {

/// What stands on the left: `+Inf ^ 2` would be +(Inf ^ 2), so the sign is left out there.
std::string left_text(const Binary& node);
/// `+`, `== bool`, `/ on (a) group_left (b)`.
std::string operator_text(const Binary& node);
/// `sum`, `sum by (a) `.
std::string aggregate_text(const Aggregate& node);
/// `[5m:1m] @ 10.000 offset 1m`.
std::string suffix_text(const Subquery& node);

}  // namespace tocsin::promql
