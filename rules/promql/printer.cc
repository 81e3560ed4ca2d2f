// Prints a tree as text that parses to the same tree: what Prometheus prints, character by character.

#include <charconv>
#include <cmath>

#include "rules/promql/ast.h"
#include "rules/promql/functions.h"
#include "rules/promql/plan.h"
#include "rules/promql/printer.h"

namespace tocsin::promql {
namespace {

std::string seconds(double v, bool as_duration) {
  return as_duration ? format_duration(duration_from_seconds(v)) : format_go_f(v);
}

/// Bytes that are not UTF-8 are written as escapes, as Go does.
std::string quote(std::string_view text) {
  if (is_valid_utf8(text)) return quoted(text);
  std::string out;
  for (const char c : text) {
    const std::string_view one(&c, 1);
    const std::string inner = quoted(one);
    out += is_valid_utf8(one) ? inner.substr(1, inner.size() - 2)
                              : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return fmt::format("\"{}\"", out);
}

std::string labels(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) out += ", ";
    out += is_valid_legacy_label_name(name) ? name : quoted(name);
  }
  return out;
}

std::string print(const DurationValue& value) {
  return value.expr ? to_string(*value.expr) : format_duration(value.fixed);
}

std::string print_at(const TimeModifiers& time) {
  switch (time.anchor) {
    case AtAnchor::kNone:
      return "";
    case AtAnchor::kTime:
      return fmt::format(" @ {:.3f}", to_seconds(time.at));
    case AtAnchor::kStart:
      return " @ start()";
    case AtAnchor::kEnd:
      return " @ end()";
  }
  return "";
}
std::string print_offset(const TimeModifiers& time) {
  if (!time.offset.is_set()) return "";
  // Without parentheses only the first value would belong to the offset.
  using enum DurationExpr::Op;
  const DurationExpr* expr = time.offset.expr.get();
  const bool bare = expr == nullptr || expr->parenthesised || expr->op < kAdd;
  return bare ? " offset " + print(time.offset) : fmt::format(" offset ({})", print(time.offset));
}
std::string_view print(Smoothing smoothing) {
  return smoothing == Smoothing::kAnchored ? " anchored" : smoothing == Smoothing::kSmoothed ? " smoothed" : "";
}

std::string print_matchers(const VectorSelector& node) {
  std::vector<std::string> texts;
  for (const Matcher& m : node.matchers) {
    if (m.name() == kMetricName && m.op() == MatchOp::kEqual && m.value() == node.name && !m.value().empty()) continue;
    texts.push_back(m.str());
  }
  std::ranges::sort(texts);
  if (node.name.empty() && texts.empty()) return "{}";  // info(v, {})
  return node.name + (texts.empty() ? "" : fmt::format("{{{}}}", fmt::join(texts, ",")));
}

std::string print_matching(const VectorMatching& how) {
  std::string out;
  const bool grouped =
      how.cardinality == MatchCardinality::kManyToOne || how.cardinality == MatchCardinality::kOneToMany;
  if (!how.labels.empty() || how.on || grouped) {
    out += fmt::format(" {} ({})", how.on ? "on" : "ignoring", labels(how.labels));
  }
  if (grouped) {
    const bool left = how.cardinality == MatchCardinality::kManyToOne;
    out += fmt::format(" group_{} ({})", left ? "left" : "right", labels(how.include));
  }
  const auto& l = how.fill_left;
  const auto& r = how.fill_right;
  const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  if (l && r && same(*l, *r)) return out + fmt::format(" fill ({})", format_go_f(*l));
  if (l) out += fmt::format(" fill_left ({})", format_go_f(*l));
  if (r) out += fmt::format(" fill_right ({})", format_go_f(*r));
  return out;
}

struct Printer {
  std::string operator()(const NumberLiteral& n) const { return seconds(n.value, n.written_as_duration); }
  std::string operator()(const StringLiteral& n) const { return quote(n.text); }
  std::string operator()(const Paren& n) const { return fmt::format("({})", to_string(*n.inner)); }
  std::string operator()(const Unary& n) const { return (n.negate ? "-" : "+") + to_string(*n.inner); }
  std::string operator()(const Binary& n) const {
    return fmt::format("{} {} {}", left_text(n), operator_text(n), to_string(*n.rhs));
  }
  std::string operator()(const Aggregate& n) const {
    return fmt::format("{}({}{})", aggregate_text(n), n.parameter ? to_string(*n.parameter) + ", " : "",
                       to_string(*n.inner));
  }
  std::string operator()(const Call& n) const {
    std::vector<std::string> args;
    for (const ExprPtr& arg : n.args) args.push_back(to_string(*arg));
    return fmt::format("{}({})", n.function->name, fmt::join(args, ", "));
  }
  std::string operator()(const VectorSelector& n) const {
    return fmt::format("{}{}{}{}", print_matchers(n), print_at(n.time), print(n.smoothing), print_offset(n.time));
  }
  std::string operator()(const MatrixSelector& n) const {
    return fmt::format("{}[{}]{}{}{}", print_matchers(n.selector), print(n.range), print(n.selector.smoothing),
                       print_at(n.selector.time), print_offset(n.selector.time));
  }
  std::string operator()(const Subquery& n) const { return to_string(*n.inner) + suffix_text(n); }
};

std::string print_bare(const DurationExpr& e) {
  using enum DurationExpr::Op;
  const auto infix = [&](std::string_view op) {
    return fmt::format("{} {} {}", to_string(*e.lhs), op, to_string(*e.rhs));
  };
  switch (e.op) {
    case kLiteral:
      return seconds(e.seconds, e.written_as_duration);
    case kStep:
      return "step()";
    case kRange:
      return "range()";
    case kMin:
      return fmt::format("min_of({}, {})", to_string(*e.lhs), to_string(*e.rhs));
    case kMax:
      return fmt::format("max_of({}, {})", to_string(*e.lhs), to_string(*e.rhs));
    case kNegate:
      return "-" + to_string(*e.rhs);
    case kAdd:
      return infix("+");
    case kSub:
      return infix("-");
    case kMul:
      return infix("*");
    case kDiv:
      return infix("/");
    case kMod:
      return infix("%");
    case kPow:
      // A sign in front would be taken for one of the power.
      if (e.lhs->op == kLiteral && e.lhs->seconds < 0 && !e.lhs->parenthesised) {
        return fmt::format("({}) ^ {}", to_string(*e.lhs), to_string(*e.rhs));
      }
      return infix("^");
  }
  return "";
}

}  // namespace

std::string left_text(const Binary& node) {
  std::string out = to_string(*node.lhs);
  if (node.op == BinaryOp::kPow && out.starts_with('+') && node.lhs->as<NumberLiteral>() != nullptr) out.erase(0, 1);
  return out;
}

std::string operator_text(const Binary& node) {
  return fmt::format("{}{}{}", to_string(node.op), node.return_bool ? " bool" : "",
                     node.matching ? print_matching(*node.matching) : "");
}

std::string aggregate_text(const Aggregate& node) {
  std::string out(to_string(node.op));
  if (node.without || !node.grouping.empty()) {
    out += fmt::format(" {} ({}) ", node.without ? "without" : "by", labels(node.grouping));
  }
  return out;
}

std::string suffix_text(const Subquery& node) {
  return fmt::format("[{}:{}]{}{}", print(node.range), node.step.is_set() ? print(node.step) : "", print_at(node.time),
                     print_offset(node.time));
}

std::string format_go_f(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  // The shortest digits that read back as v, then zeros; std::to_chars would print large values to their last digit.
  std::array<char, 32> buffer;
  *std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(v), std::chars_format::scientific).ptr = '\0';
  const std::string_view text(buffer.data());
  const std::size_t mark = text.find('e');
  std::string digits(1, text[0]);
  if (mark > 2) digits += text.substr(2, mark - 2);
  const int exponent = std::atoi(&text[mark + 1]);
  if (exponent < 0) {
    digits.insert(0, "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0'));
  } else if (const auto whole = static_cast<std::size_t>(exponent) + 1; whole >= digits.size()) {
    digits.append(whole - digits.size(), '0');
  } else {
    digits.insert(whole, ".");
  }
  return (std::signbit(v) ? "-" : "") + digits;
}

std::string format_go_g(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  const int exponent = v == 0 ? 0 : static_cast<int>(std::floor(std::log10(std::abs(v))));
  if (exponent >= -4 && exponent < 6) return format_go_f(v);
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), v, std::chars_format::scientific).ptr;
  return {buffer.data(), end};
}

std::string to_string(const DurationExpr& e) {
  return e.parenthesised ? fmt::format("({})", print_bare(e)) : print_bare(e);
}

std::string to_string(const Expr& expr) {
  return std::visit(Printer{}, expr.node);
}

}  // namespace tocsin::promql
