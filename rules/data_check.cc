// A comparison drops the series for which it is false, and so does missing data. With `bool` it keeps them: asked like
// that, the same expression says for which alerts it can tell.

#include "rules/data_check.h"

#include "rules/promql/ast.h"
#include "rules/promql/functions.h"

namespace tocsin {
namespace {

using promql::Binary;
using promql::BinaryOp;
using promql::Expr;
using promql::ExprPtr;

/// The expression with its outermost comparisons made to keep everything; null when there is none to change.
ExprPtr keep_all(const ExprPtr& expr) {
  if (const auto* paren = expr->as<promql::Paren>()) return keep_all(paren->inner);
  const auto* binary = expr->as<Binary>();
  if (binary == nullptr) return nullptr;
  Binary kept = *binary;
  if (is_comparison(kept.op) && !kept.return_bool) {
    kept.return_bool = true;
    if (ExprPtr inner = keep_all(kept.lhs)) kept.lhs = std::move(inner);
  } else if (kept.op == BinaryOp::kUnless) {
    return keep_all(kept.lhs);
  } else if (kept.op == BinaryOp::kAnd || kept.op == BinaryOp::kOr) {
    ExprPtr lhs = keep_all(kept.lhs), rhs = keep_all(kept.rhs);
    if (lhs == nullptr && (rhs == nullptr || kept.op == BinaryOp::kOr)) return nullptr;
    if (lhs != nullptr) kept.lhs = std::move(lhs);
    if (rhs != nullptr) kept.rhs = std::move(rhs);
  } else {
    return nullptr;
  }
  auto out = std::make_shared<Expr>(*expr);
  out->node = std::move(kept);
  return out;
}

}  // namespace

DataCheck data_check(const ExprPtr& expr) {
  if (const auto* call = unwrap(*expr).as<promql::Call>(); call != nullptr && call->function->name == "absent") {
    return {call->args[0], true};
  }
  return {keep_all(expr), false};
}

}  // namespace tocsin
