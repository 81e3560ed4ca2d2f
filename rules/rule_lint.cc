// Whether an expression can give anything is asked of its tree alone: a selector whose matchers no series can satisfy
// gives nothing, and so does every operation that needs something from it. absent() and its like are what turns nothing
// into something.

#include "rules/rule_lint.h"

#include <algorithm>
#include <map>
#include <optional>

#include "rules/promql/ast.h"
#include "rules/promql/functions.h"
#include "rules/selector_watch.h"

namespace tocsin {
namespace {

using promql::BinaryOp;
using promql::Expr;

/// The matchers on one label that cannot be true together; none when they can, as far as an equality tells.
std::optional<std::string> contradiction(const Matchers& matchers) {
  for (const Matcher& wanted : matchers) {
    if (wanted.op() != MatchOp::kEqual) continue;
    for (const Matcher& other : matchers) {
      if (other.name() != wanted.name() || other.matches(wanted.value())) continue;
      return fmt::format("{} and {} are never true together", wanted.str(), other.str());
    }
  }
  return std::nullopt;
}

const promql::VectorSelector* selector_of(const Expr& expr) {
  if (const auto* matrix = expr.as<promql::MatrixSelector>()) return &matrix->selector;
  return expr.as<promql::VectorSelector>();
}

bool gives_nothing(const Expr& expr);

bool gives_nothing(const promql::Binary& binary) {
  const bool left = gives_nothing(*binary.lhs), right = gives_nothing(*binary.rhs);
  switch (binary.op) {
    case BinaryOp::kOr:
    case BinaryOp::kDefault:
      return left && right;
    case BinaryOp::kUnless:
    case BinaryOp::kIfNot:
      return left;
    default:
      break;
  }
  // fill_left() and fill_right() stand in for the side that is empty.
  if (binary.matching && binary.matching->fill_left && binary.matching->fill_right) return left && right;
  return (left && !(binary.matching && binary.matching->fill_left)) ||
         (right && !(binary.matching && binary.matching->fill_right));
}

bool gives_nothing(const Expr& expr) {
  if (const auto* selector = selector_of(expr)) return contradiction(selector->matchers).has_value();
  if (const auto* paren = expr.as<promql::Paren>()) return gives_nothing(*paren->inner);
  if (const auto* unary = expr.as<promql::Unary>()) return gives_nothing(*unary->inner);
  if (const auto* subquery = expr.as<promql::Subquery>()) return gives_nothing(*subquery->inner);
  if (const auto* aggregate = expr.as<promql::Aggregate>()) return gives_nothing(*aggregate->inner);
  if (const auto* binary = expr.as<promql::Binary>()) return gives_nothing(*binary);
  const auto* call = expr.as<promql::Call>();
  if (call == nullptr) return false;
  const std::string_view name = call->function->name;
  if (name == "absent" || name == "absent_over_time" || name == "scalar") return false;
  return std::any_of(call->args.begin(), call->args.end(), [](const auto& argument) {
    const promql::ValueType type = argument->type();
    return (type == promql::ValueType::kVector || type == promql::ValueType::kMatrix) && gives_nothing(*argument);
  });
}

void lint_expression(const RuleConfig& rule, Diagnostics& warnings) {
  const auto expr = promql::parse(rule.expr);
  if (!expr) return;
  const Position& place = rule.expr_at.line == 0 ? rule.at : rule.expr_at;
  for_each_selector(**expr, [&](const promql::VectorSelector& selector) {
    if (const auto why = contradiction(selector.matchers)) {
      warnings.add(place, fmt::format("{} can match nothing: {}.", to_string(selector), *why));
    }
  });
  if (gives_nothing(**expr)) {
    warnings.add(place, fmt::format("The rule \"{}\" can never {}.", rule.name(),
                                    rule.alert.empty() ? "record anything" : "fire"));
  }
}

}  // namespace

void lint_rule_groups(const std::vector<RuleGroupConfig>& groups, Diagnostics& warnings) {
  std::map<std::pair<std::string, std::string>, const RuleConfig*> seen;
  for (const RuleGroupConfig& group : groups) {
    if (group.rules.empty()) warnings.add(group.at, fmt::format("The group \"{}\" has no rules.", group.name));
    for (const RuleConfig& rule : group.rules) {
      lint_expression(rule, warnings);
      auto labels = rule.labels;
      labels.insert(group.labels.begin(), group.labels.end());
      const std::string identity = rule.name() + Labels(labels).str();
      const auto [first, is_new] = seen.emplace(std::pair(group.file, identity), &rule);
      if (is_new) continue;
      warnings.add(rule.at, fmt::format("There is already a rule \"{}\" with the same labels, in line {}.", rule.name(),
                                        first->second->at.line));
    }
  }
}

}  // namespace tocsin
