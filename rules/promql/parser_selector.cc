// Selectors, and what stands behind an expression: `[…]`, offset, @, anchored and smoothed.

#include <re2/re2.h>

#include "rules/promql/parser.h"

namespace tocsin::promql {
namespace {

/// What is wrong with a regular expression, in the words of Go's regexp; "" when RE2 alone objects, to its size.
std::string regex_mistake(const std::string& pattern) {
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_dot_nl(true);
  const re2::RE2 regex(pattern, options);
  const std::string_view what = [&]() -> std::string_view {
    switch (regex.error_code()) {
      case re2::RE2::ErrorBadEscape:
        return "invalid escape sequence";
      case re2::RE2::ErrorBadCharClass:
        return "invalid character class";
      case re2::RE2::ErrorBadCharRange:
        return "invalid character class range";
      case re2::RE2::ErrorMissingBracket:
        return "missing closing ]";
      case re2::RE2::ErrorMissingParen:
        return "missing closing )";
      case re2::RE2::ErrorUnexpectedParen:
        return "unexpected )";
      case re2::RE2::ErrorTrailingBackslash:
        return "trailing backslash at end of expression";
      case re2::RE2::ErrorRepeatArgument:
        return "missing argument to repetition operator";
      case re2::RE2::ErrorRepeatSize:
        return "invalid repeat count";
      case re2::RE2::ErrorRepeatOp:
        return "invalid nested repetition operator";
      case re2::RE2::ErrorBadPerlOp:
        return "invalid or unsupported Perl syntax";
      case re2::RE2::ErrorBadUTF8:
        return "invalid UTF-8";
      case re2::RE2::ErrorBadNamedCapture:
        return "invalid named capture";
      default:
        return {};
    }
  }();
  if (what.empty()) return {};
  const bool end = regex.error_code() == re2::RE2::ErrorTrailingBackslash;
  return fmt::format("error parsing regexp: {}: `{}`", what, end ? std::string() : regex.error_arg());
}

}  // namespace

NodePtr Parser::selector() {
  VectorSelector node;
  const std::uint32_t begin = peek().begin;
  if (peek().type != Tok::kLeftBrace) node.name = std::string(take().text);
  if (accept(Tok::kLeftBrace)) {
    while (!accept(Tok::kRightBrace)) {
      if (!matcher(node.matchers)) return nullptr;
      if (peek().type != Tok::kComma && peek().type != Tok::kRightBrace)
        return unexpected("label matching", "\",\" or \"}\"");
      accept(Tok::kComma);
    }
  }
  if (!node.name.empty()) node.matchers.push_back(Matcher::equal(kMetricName, node.name));
  return make(std::move(node), begin, last_end_);
}

bool Parser::matcher(Matchers& out) {
  const auto failed = [&](std::string_view expected) {
    unexpected("label matching", expected);
    return false;
  };
  if (peek().type != Tok::kIdentifier && peek().type != Tok::kString) return failed("identifier or \"}\"");
  const Token name = take();
  std::string label(name.text);
  if (name.type == Tok::kString) {
    label = *unquote(name.text);
    if (peek().type == Tok::kComma || peek().type == Tok::kRightBrace) {  // {"metric.name"}
      out.push_back(Matcher::equal(kMetricName, label));
      return true;
    }
  }
  MatchOp op = MatchOp::kEqual;
  if (peek().is(Tok::kOperator, "!=")) {
    op = MatchOp::kNotEqual;
  } else if (peek().is(Tok::kOperator, "=~")) {
    op = MatchOp::kRegex;
  } else if (peek().is(Tok::kOperator, "!~")) {
    op = MatchOp::kNotRegex;
  } else if (peek().type != Tok::kAssign) {
    return failed(name.type == Tok::kString ? "\",\" or \"}\"" : "label matching operator");
  }
  take();
  if (peek().type != Tok::kString) return failed("string");
  const std::string value = *unquote(take().text);
  auto made = Matcher::make(label, op, value);
  if (!made) {
    std::string mistake = regex_mistake(value);
    fail(name.begin, mistake.empty() ? made.error().message : std::move(mistake));
    return false;
  }
  out.push_back(std::move(*made));
  return true;
}

NodePtr Parser::postfix(NodePtr expr) {
  while (expr) {
    const Token& token = peek();
    if (token.type == Tok::kLeftBracket) {
      expr = bracket(expr);
    } else if (token.is(Tok::kKeyword, "offset")) {
      if (!offset(*expr)) return nullptr;
    } else if (token.is(Tok::kOperator, "@")) {
      if (!at_modifier(*expr)) return nullptr;
    } else if (token.is(Tok::kKeyword, "anchored") || token.is(Tok::kKeyword, "smoothed")) {
      const std::string name = take().word;
      if (!smoothing(*expr, name == "anchored" ? Smoothing::kAnchored : Smoothing::kSmoothed, name)) return nullptr;
    } else {
      break;
    }
  }
  return expr;
}

NodePtr Parser::bracket(const NodePtr& expr) {
  const std::uint32_t bracket_at = take().begin;
  DurationValue range;
  {
    const Within within(*this, {"subquery or range selector", "number, duration, step(), or range()"});
    if (!positive_duration(range)) return nullptr;
  }
  if (accept(Tok::kRightBracket)) {
    const auto* selector = expr->as<VectorSelector>();
    std::string_view mistake;
    if (selector == nullptr) {
      mistake = "ranges only allowed for vector selectors";
    } else if (selector->time.offset.is_set()) {
      mistake = "no offset modifiers allowed before range";
    } else if (selector->time.anchor != AtAnchor::kNone) {
      mistake = "no @ modifiers allowed before range";
    }
    if (!mistake.empty()) return fail(bracket_at, std::string(mistake));
    return make(MatrixSelector{*selector, std::move(range)}, expr->begin, last_end_);
  }
  if (!accept(Tok::kColon)) return unexpected("subquery or range", "\":\" or \"]\"");
  Subquery node{expr, std::move(range), {}, {}};
  if (peek().type != Tok::kRightBracket) {
    const Within within(*this, {"subquery selector", "number, duration, step(), range(), or \"]\""});
    if (!positive_duration(node.step)) return nullptr;
  }
  if (!accept(Tok::kRightBracket)) return unexpected("subquery selector", "\"]\"");
  return make(std::move(node), expr->begin, last_end_);
}

TimeModifiers* Parser::modifiers(Expr& expr, std::string_view what) {
  if (auto* selector = std::get_if<VectorSelector>(&expr.node)) return &selector->time;
  if (auto* matrix = std::get_if<MatrixSelector>(&expr.node)) return &matrix->selector.time;
  if (auto* subquery = std::get_if<Subquery>(&expr.node)) return &subquery->time;
  fail(expr.begin,
       fmt::format("{} modifier must be preceded by an instant vector selector or range vector selector or a "
                   "subquery",
                   what));
  return nullptr;
}

bool Parser::offset(Expr& expr) {
  take();
  const Within within(*this, {"offset", "number, duration, step(), or range()"});
  // Only one value belongs to the offset, so `x offset 1m + 2` is an addition to x; unless it begins with a
  // parenthesis, which is how Prometheus' grammar resolves what is ambiguous there.
  DurationPtr value = peek().type == Tok::kLeftParen ? duration(0) : duration_operand();
  if (!value) return false;
  TimeModifiers* time = modifiers(expr, "offset");
  if (time == nullptr) return false;
  if (time->offset.is_set()) return fail(expr.begin, "offset may not be set multiple times"), false;
  expr.end = last_end_;
  return to_value(value, time->offset);
}

bool Parser::at_modifier(Expr& expr) {
  take();
  AtAnchor anchor = AtAnchor::kTime;
  double seconds = 0;
  const Token& token = peek();
  if (token.is(Tok::kWord, "start") || token.is(Tok::kWord, "end")) {
    anchor = take().word == "start" ? AtAnchor::kStart : AtAnchor::kEnd;
    for (const Tok paren : {Tok::kLeftParen, Tok::kRightParen}) {
      if (!accept(paren)) return unexpected("@", "timestamp"), false;
    }
  } else {
    const bool sign = is_sign(token);
    const bool negate = sign && take().word == "-";
    if (peek().type != Tok::kNumber && peek().type != Tok::kDuration) return unexpected("@", "timestamp"), false;
    if (!read_seconds(take(), seconds)) return false;
    if (negate) seconds = -seconds;
    if (!std::isfinite(seconds) || std::abs(seconds) >= 9.2e15) {
      const std::string number = std::isnan(seconds)   ? "NaN"
                                 : std::isinf(seconds) ? (seconds > 0 ? "+Inf" : "-Inf")
                                                       : fmt::format("{:f}", seconds);
      return fail(expr.begin, "timestamp out of bounds for @ modifier: " + number), false;
    }
  }
  TimeModifiers* time = modifiers(expr, "@");
  if (time == nullptr) return false;
  if (time->anchor != AtAnchor::kNone) return fail(expr.begin, "@ <timestamp> may not be set multiple times"), false;
  time->anchor = anchor;
  time->at = time_from_seconds(seconds);
  expr.end = last_end_;
  return true;
}

bool Parser::smoothing(Expr& expr, Smoothing kind, std::string_view name) {
  if (!options_.experimental) {
    return fail(expr.begin, fmt::format("{} modifier is experimental and not enabled", name)), false;
  }
  VectorSelector* selector = std::get_if<VectorSelector>(&expr.node);
  if (auto* matrix = std::get_if<MatrixSelector>(&expr.node)) selector = &matrix->selector;
  if (selector == nullptr) {
    const bool subquery = expr.as<Subquery>() != nullptr;
    return fail(expr.begin,
                fmt::format("{} modifier {}", name, subquery ? "is not supported for subqueries" : "not implemented")),
           false;
  }
  if (selector->smoothing != Smoothing::kNone && selector->smoothing != kind) {
    return fail(expr.begin, "anchored and smoothed modifiers cannot be used together"), false;
  }
  selector->smoothing = kind;
  return true;
}

}  // namespace tocsin::promql
