// Coverage of rules. A rule is one line that either gave something or did not, which says little: `a > 1 or b > 1` is
// covered when only a was ever tried. So the sides of its operators are evaluated on their own, beside the tests, until
// each has once given a sample.

#include "rules/testing/rule_coverage.h"

#include <set>
#include <tuple>

#include "rules/promql/ast.h"

namespace tocsin {
namespace {

/// The vectors on both sides of what selects or filters, the whole expression left out.
void find_branches(const promql::ExprPtr& expr, std::vector<promql::ExprPtr>& out) {
  const promql::Binary* binary = expr->as<promql::Binary>();
  const bool branching =
      binary != nullptr && !binary->return_bool && (promql::is_comparison(binary->op) || promql::is_set(binary->op));
  promql::for_each_child(*expr, [&](const promql::ExprPtr& child) {
    const bool literal = promql::unwrap(*child).as<promql::NumberLiteral>() != nullptr;
    if (branching && child->type() == promql::ValueType::kVector && !literal) out.push_back(child);
    find_branches(child, out);
  });
}

}  // namespace

RuleCoverage::Key RuleCoverage::key(const RuleGroupConfig& group, const RuleConfig& rule) {
  // All the rules of an [[slo]] stand at one place, and only their expressions differ.
  return {group.file, group.name, rule.at.line, rule.at.column, rule.expr};
}

void RuleCoverage::add(const RuleGroupConfig& group) {
  for (const RuleConfig& config : group.rules) {
    if (!index_.emplace(key(group, config), rules_.size()).second) continue;
    Rule rule{group.file, group.name, config.name(), config.at, !config.alert.empty(), false, false, {}};
    const auto expr = promql::parse(config.expr);
    std::vector<promql::ExprPtr> found;
    if (expr) find_branches(*expr, found);
    std::set<std::string> texts;
    for (promql::ExprPtr& branch : found) {
      std::string text = promql::to_string(*branch);
      if (!texts.insert(text).second) continue;
      rule.branches.push_back({branch, std::move(text), promql::Query(branch), false});
    }
    rules_.push_back(std::move(rule));
  }
}

void RuleCoverage::observe(const SeriesStore& store, TimePoint at) {
  for (Rule& rule : rules_) {
    for (Branch& branch : rule.branches) {
      if (branch.seen) continue;
      const auto result = branch.query.instant(store, at);
      const auto* vector = result ? std::get_if<promql::Vector>(&result->value) : nullptr;
      branch.seen = vector != nullptr && !vector->empty();
    }
  }
}

void RuleCoverage::saw_result(const RuleGroupConfig& group, const RuleConfig& rule) {
  if (const auto at = index_.find(key(group, rule)); at != index_.end()) rules_[at->second].gave_result = true;
}

void RuleCoverage::saw_firing(const RuleGroupConfig& group, const RuleConfig& rule) {
  if (const auto at = index_.find(key(group, rule)); at != index_.end()) rules_[at->second].fired = true;
}

void RuleCoverage::compared(const std::string& alertname, bool expected) {
  auto& [firing, silent] = alerts_[alertname];
  (expected ? firing : silent) = true;
}

std::vector<RuleCoverage::Row> RuleCoverage::rows() const {
  std::vector<Row> out;
  for (const Rule& rule : rules_) {
    Row row{rule.file, rule.group, rule.name, rule.at, {}};
    if (!rule.gave_result) row.missing.push_back("it never gave a result");
    if (rule.is_alert) {
      const auto compared = alerts_.find(rule.name);
      if (rule.gave_result && !rule.fired) row.missing.push_back("it never fired");
      if (compared == alerts_.end() || !compared->second.first) row.missing.push_back("no test expects it to fire");
      if (compared == alerts_.end() || !compared->second.second)
        row.missing.push_back("no test expects it to be silent");
    }
    for (const Branch& branch : rule.branches) {
      if (!branch.seen) row.missing.push_back("never true: " + branch.text);
    }
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace tocsin
