// What the nodes of the tree have in common: their types, their children, and the type check.

#include "rules/promql/ast.h"

#include <utility>

#include "rules/promql/functions.h"
#include "rules/promql/lexer.h"

namespace tocsin::promql {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

/// As messages name types.
std::string_view documented(ValueType type) {
  switch (type) {
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kString:
      return "string";
    case ValueType::kVector:
      return "instant vector";
    case ValueType::kMatrix:
      return "range vector";
  }
  return "";
}

class TypeCheck {
 public:
  explicit TypeCheck(std::string_view text) : text_(text) {}

  std::optional<ParseError> check(Expr& expr) {
    return std::visit([&](auto& node) { return check_node(expr, node); }, expr.node);
  }

 private:
  using Mistake = std::optional<ParseError>;

  Mistake fail(std::uint32_t at, std::string message) const {
    return ParseError{place_of(text_, at), std::move(message)};
  }
  /// The tree was made by the parser a moment ago and is nobody else's yet.
  Mistake check_child(const ExprPtr& child) { return check(const_cast<Expr&>(*child)); }
  Mistake expect(const ExprPtr& child, ValueType want, std::string_view where) {
    if (auto mistake = check_child(child)) return mistake;
    if (child->type() == want) return {};
    return fail(child->begin,
                fmt::format("expected type {} in {}, got {}", documented(want), where, documented(child->type())));
  }

  Mistake check_node(Expr&, NumberLiteral&) { return {}; }
  Mistake check_node(Expr&, StringLiteral&) { return {}; }
  Mistake check_node(Expr&, Paren& node) { return check_child(node.inner); }
  Mistake check_node(Expr& expr, MatrixSelector& node) { return check_selector(expr, node.selector); }
  Mistake check_node(Expr& expr, VectorSelector& node) { return check_selector(expr, node); }

  Mistake check_node(Expr& expr, Unary& node) {
    if (auto mistake = check_child(node.inner)) return mistake;
    const ValueType type = node.inner->type();
    if (type == ValueType::kScalar || type == ValueType::kVector) return {};
    return fail(expr.begin,
                fmt::format("unary expression only allowed on expressions of type scalar or instant vector, got {}",
                            quoted(documented(type))));
  }

  Mistake check_node(Expr& expr, Subquery& node) {
    if (auto mistake = check_child(node.inner)) return mistake;
    if (node.inner->type() == ValueType::kVector) return {};
    return fail(expr.begin, fmt::format("subquery is only allowed on instant vector, got {} instead",
                                        to_string(node.inner->type())));
  }

  Mistake check_node(Expr&, Aggregate& node) {
    if (auto mistake = expect(node.inner, ValueType::kVector, "aggregation expression")) return mistake;
    if (!node.parameter) return {};
    const bool text = node.op == AggregateOp::kCountValues;
    return expect(node.parameter, text ? ValueType::kString : ValueType::kScalar, "aggregation parameter");
  }

  Mistake check_node(Expr& expr, Binary& node);
  Mistake check_node(Expr& expr, Call& node);
  Mistake check_selector(const Expr& expr, const VectorSelector& node);
  /// Where the operator stands.
  std::uint32_t operator_at(const Binary& node) const {
    std::uint32_t at = node.lhs->end;
    while (at < text_.size() && std::string_view(" \t\r\n").find(text_[at]) != std::string_view::npos) ++at;
    return at;
  }

  std::string_view text_;
  bool selects_all_ = false;  // inside the second argument of info()
};

TypeCheck::Mistake TypeCheck::check_selector(const Expr& expr, const VectorSelector& node) {
  if (!node.name.empty()) {
    for (std::size_t i = 0; i + 1 < node.matchers.size(); ++i) {
      if (node.matchers[i].name() != kMetricName) continue;
      return fail(expr.begin, fmt::format("metric name must not be set twice: {} or {}", quoted(node.name),
                                          quoted(node.matchers[i].value())));
    }
    return {};
  }
  if (selects_all_ || std::ranges::any_of(node.matchers, [](const Matcher& m) { return !m.matches_empty(); }))
    return {};
  return fail(expr.begin, "vector selector must contain at least one non-empty matcher");
}

TypeCheck::Mistake TypeCheck::check_node(Expr& expr, Binary& node) {
  if (auto mistake = check_child(node.lhs)) return mistake;
  if (auto mistake = check_child(node.rhs)) return mistake;
  const ValueType left = node.lhs->type(), right = node.rhs->type();
  const std::string_view op = to_string(node.op);
  VectorMatching& how = *node.matching;
  if (node.return_bool && !is_comparison(node.op)) {
    return fail(operator_at(node), "bool modifier can only be used on comparison operators");
  }
  if (is_comparison(node.op) && !node.return_bool && left == ValueType::kScalar && right == ValueType::kScalar) {
    return fail(operator_at(node), "comparisons between scalars must use BOOL modifier");
  }
  if (is_set(node.op) && how.cardinality == MatchCardinality::kOneToOne)
    how.cardinality = MatchCardinality::kManyToMany;
  for (const std::string& label : how.labels) {
    if (how.on && std::ranges::find(how.include, label) != how.include.end()) {
      return fail(operator_at(node),
                  fmt::format("label {} must not occur in ON and GROUP clause at once", quoted(label)));
    }
  }
  for (const ExprPtr& side : {node.lhs, node.rhs}) {
    if (side->type() == ValueType::kScalar || side->type() == ValueType::kVector) continue;
    return fail(side->begin, "binary expression must contain only scalar and instant vector types");
  }
  const bool fills = how.fill_left || how.fill_right;
  if (left != ValueType::kVector || right != ValueType::kVector) {
    if (node.op == BinaryOp::kDefault && left == ValueType::kScalar && right == ValueType::kVector) {
      return fail(expr.begin, "a scalar always has a value: it cannot be the left operand of \"default\"");
    }
    if (!how.labels.empty()) return fail(expr.begin, "vector matching only allowed between instant vectors");
    if (fills) return fail(expr.begin, "filling in missing series only allowed between instant vectors");
    if (is_set(node.op) && node.op != BinaryOp::kDefault)
      return fail(expr.begin, fmt::format("set operator {} not allowed in binary scalar expression", quoted(op)));
    node.matching.reset();
  } else if (is_set(node.op)) {
    if (how.cardinality != MatchCardinality::kManyToMany) {
      return fail(expr.begin, fmt::format("no grouping allowed for {} operation", quoted(op)));
    }
    if (fills) return fail(expr.begin, "filling in missing series not allowed for set operators");
  }
  return {};
}

TypeCheck::Mistake TypeCheck::check_node(Expr& expr, Call& node) {
  const Function& f = *node.function;
  const std::size_t given = node.args.size();
  if (f.variadic == 0) {
    if (given != f.arg_count) {
      return fail(expr.begin,
                  fmt::format("expected {} argument(s) in call to \"{}\", got {}", f.arg_count, f.name, given));
    }
  } else {
    const std::size_t least = f.arg_count - 1;
    const std::size_t most = f.variadic > 0 ? least + static_cast<std::size_t>(f.variadic) : given;
    if (given < least) {
      return fail(expr.begin,
                  fmt::format("expected at least {} argument(s) in call to \"{}\", got {}", least, f.name, given));
    }
    if (given > most) {
      return fail(expr.begin,
                  fmt::format("expected at most {} argument(s) in call to \"{}\", got {}", most, f.name, given));
    }
  }
  if (f.name == "label_set" && given % 2 == 0) {
    return fail(
        expr.begin,
        fmt::format("expected pairs of a name and a value in call to \"label_set\", got {} argument(s)", given));
  }
  const bool info = f.name == "info";
  if (info && given > 1) {
    const auto* selector = node.args[1]->as<VectorSelector>();
    if (node.args[1]->type() != ValueType::kVector) {
      return fail(expr.begin, fmt::format("expected type instant vector in call to function \"info\", got {}",
                                          documented(node.args[1]->type())));
    }
    if (selector == nullptr) return fail(node.args[1]->begin, "expected label selectors only");
    if (!selector->name.empty()) {
      return fail(node.args[1]->begin, "expected label selectors only, got vector selector instead");
    }
  }
  for (std::size_t i = 0; i < given; ++i) {
    const bool outer = std::exchange(selects_all_, info && i == 1);
    auto mistake =
        expect(node.args[i], f.arg_types[std::min(i, f.arg_count - 1)], fmt::format("call to function \"{}\"", f.name));
    selects_all_ = outer;
    if (mistake) return mistake;
  }
  return {};
}

constexpr std::array<std::string_view, 21> kBinaryNames = {"+",  "-",   "*",  "/",      "%",       "^",  "atan2",
                                                           "</", ">/",  "==", "!=",     "<",       ">",  "<=",
                                                           ">=", "and", "or", "unless", "default", "if", "ifnot"};
constexpr std::array<std::string_view, 14> kAggregateNames = {
    "sum",    "avg",  "count",   "min",          "max",      "group",  "stddev",
    "stdvar", "topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"};

}  // namespace

std::string_view to_string(BinaryOp op) {
  return kBinaryNames[static_cast<std::size_t>(op)];
}
std::string_view to_string(AggregateOp op) {
  return kAggregateNames[static_cast<std::size_t>(op)];
}
bool is_comparison(BinaryOp op) {
  return op >= BinaryOp::kEqual && op <= BinaryOp::kGreaterEqual;
}
bool is_set(BinaryOp op) {
  return op >= BinaryOp::kAnd;
}
bool is_extra(BinaryOp op) {
  return op >= BinaryOp::kDefault;
}
bool has_parameter(AggregateOp op) {
  return op >= AggregateOp::kTopk;
}

std::string_view to_string(ValueType type) {
  constexpr std::array<std::string_view, 4> kNames = {"scalar", "string", "vector", "matrix"};
  return kNames[static_cast<std::size_t>(type)];
}

ValueType Expr::type() const {
  return std::visit(Overloaded{
                        [](const NumberLiteral&) { return ValueType::kScalar; },
                        [](const StringLiteral&) { return ValueType::kString; },
                        [](const Paren& n) { return n.inner->type(); },
                        [](const Unary& n) { return n.inner->type(); },
                        [](const Binary& n) {
                          const bool scalar =
                              n.lhs->type() == ValueType::kScalar && n.rhs->type() == ValueType::kScalar;
                          return scalar ? ValueType::kScalar : ValueType::kVector;
                        },
                        [](const Aggregate&) { return ValueType::kVector; },
                        [](const Call& n) { return n.function->result; },
                        [](const VectorSelector&) { return ValueType::kVector; },
                        [](const MatrixSelector&) { return ValueType::kMatrix; },
                        [](const Subquery&) { return ValueType::kMatrix; },
                    },
                    node);
}

void for_each_child(const Expr& expr, const std::function<void(const ExprPtr&)>& visit) {
  std::visit(Overloaded{
                 [&](const Paren& n) { visit(n.inner); },
                 [&](const Unary& n) { visit(n.inner); },
                 [&](const Binary& n) {
                   visit(n.lhs);
                   visit(n.rhs);
                 },
                 [&](const Aggregate& n) {
                   if (n.parameter) visit(n.parameter);
                   visit(n.inner);
                 },
                 [&](const Call& n) {
                   for (const ExprPtr& arg : n.args) visit(arg);
                 },
                 [&](const Subquery& n) { visit(n.inner); },
                 [](const auto&) {},
             },
             expr.node);
}

const Expr& unwrap(const Expr& expr) {
  const Expr* at = &expr;
  while (const auto* paren = at->as<Paren>()) at = paren->inner.get();
  return *at;
}

ExprPtr edit_selectors(const ExprPtr& expr, const std::function<void(TimeModifiers&)>& edit) {
  auto copy = std::make_shared<Expr>(*expr);
  const auto down = [&](ExprPtr& child) { child = edit_selectors(child, edit); };
  std::visit(Overloaded{
                 [&](Paren& n) { down(n.inner); },
                 [&](Unary& n) { down(n.inner); },
                 [&](Binary& n) {
                   down(n.lhs);
                   down(n.rhs);
                 },
                 [&](Aggregate& n) {
                   if (n.parameter) down(n.parameter);
                   down(n.inner);
                 },
                 [&](Call& n) {
                   for (ExprPtr& arg : n.args) down(arg);
                 },
                 [&](VectorSelector& n) { edit(n.time); },
                 [&](MatrixSelector& n) { edit(n.selector.time); },
                 [&](Subquery& n) { edit(n.time); },
                 [](auto&) {},
             },
             copy->node);
  return copy;
}

std::optional<ParseError> type_check(Expr& expr, std::string_view text) {
  return TypeCheck(text).check(expr);
}

}  // namespace tocsin::promql
