// format_query: an expression whose text is longer than a line is broken at its outermost construct, and so on inwards.
// Each node writes its own indentation. The shape is Prometheus' to the byte, its quirk of not indenting a subquery
// that fits on a line included.

#include <cstddef>

#include "rules/promql/functions.h"
#include "rules/promql/printer.h"

namespace tocsin::promql {
namespace {

constexpr std::size_t kLineBytesMax = 100;

std::string pretty_at(const Expr& expr, std::size_t level);

struct Layout {
  const Expr& expr;
  std::size_t level;
  const std::string& line;  // the expression on one line

  std::string indent() const { return std::string(2 * level, ' '); }
  bool fits() const { return line.size() <= kLineBytesMax; }
  std::string on_one_line() const { return indent() + line; }
  std::string inside(const Expr& child) const { return pretty_at(child, level + 1); }

  /// What cannot be broken.
  template <class Leaf>
  std::string operator()(const Leaf&) const {
    return on_one_line();
  }
  std::string operator()(const Paren& n) const {
    if (fits()) return on_one_line();
    return fmt::format("{0}(\n{1}\n{0})", indent(), inside(*n.inner));
  }
  std::string operator()(const Unary& n) const {
    std::string inner = pretty_at(*n.inner, level);
    inner.erase(0, inner.find_first_not_of(' '));
    return fmt::format("{}{}{}", indent(), n.negate ? "-" : "+", inner);
  }
  std::string operator()(const Binary& n) const {
    if (fits()) return on_one_line();
    const bool number = n.lhs->as<NumberLiteral>() != nullptr;
    const std::string left = number ? indent() + "  " + left_text(n) : inside(*n.lhs);
    return fmt::format("{}\n{}{}\n{}", left, indent(), operator_text(n), inside(*n.rhs));
  }
  std::string operator()(const Aggregate& n) const {
    if (fits()) return on_one_line();
    const std::string parameter = n.parameter ? inside(*n.parameter) + ",\n" : "";
    return fmt::format("{0}{1}(\n{2}{3}\n{0})", indent(), aggregate_text(n), parameter, inside(*n.inner));
  }
  std::string operator()(const Call& n) const {
    if (fits()) return on_one_line();
    std::vector<std::string> args;
    for (const ExprPtr& arg : n.args) args.push_back(inside(*arg));
    return fmt::format("{0}{1}(\n{2}\n{0})", indent(), n.function->name, fmt::join(args, ",\n"));
  }
  std::string operator()(const Subquery& n) const {
    if (fits()) return line;
    return pretty_at(*n.inner, level) + suffix_text(n);
  }
};

std::string pretty_at(const Expr& expr, std::size_t level) {
  const std::string line = to_string(expr);
  return std::visit(Layout{expr, level, line}, expr.node);
}

}  // namespace

std::string pretty(const Expr& expr) {
  return pretty_at(expr, 0);
}

}  // namespace tocsin::promql
