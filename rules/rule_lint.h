#pragma once

#include <vector>

#include "agent/core/config/node.h"
#include "rules/rule_file.h"

namespace tocsin {

/// What is no mistake, and most likely not meant: the same rule twice in a file (promtool's lint), selectors that
/// contradict themselves and the rules that can therefore never give anything, groups without rules. Each with its
/// place, to `warnings`.
void lint_rule_groups(const std::vector<RuleGroupConfig>& groups, Diagnostics& warnings);

}  // namespace tocsin
