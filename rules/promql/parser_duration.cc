// Durations: `5m`, numbers of seconds, and arithmetic over them with step(), range(), min_of() and max_of().

#include "rules/promql/parser.h"

namespace tocsin::promql {
namespace {

/// What is wrong with a duration, in Prometheus' words.
std::string duration_mistake(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::array<std::string_view, 7> kUnits = {"y", "w", "d", "h", "m", "s", "ms"};
  auto last = kUnits.begin();
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t digits = std::min(rest.find_first_not_of(kDigits), rest.size());
    rest.remove_prefix(digits);
    const std::size_t letters = std::min(rest.find_first_of(kDigits), rest.size());
    const std::string_view name = rest.substr(0, letters);
    rest.remove_prefix(letters);
    if (digits == 0 || letters == 0) break;
    const auto unit = std::ranges::find(kUnits, name);
    if (unit == kUnits.end()) return fmt::format("unknown unit {} in duration {}", quoted(name), quoted(text));
    if (unit < last) break;
    last = unit + 1;
    if (rest.empty()) return "duration out of range";
  }
  return "not a valid duration string: " + quoted(text);
}

}  // namespace

bool Parser::read_seconds(const Token& token, double& seconds) {
  if (token.type == Tok::kNumber) {
    const auto number = read_number(token.text);
    if (!number) {
      fail(token.begin,
           fmt::format("error parsing number: strconv.ParseFloat: parsing {}: {}", quoted(token.text), number.error()));
      return false;
    }
    seconds = *number;
    return true;
  }
  const auto parsed = parse_duration(token.text);
  if (!parsed) return fail(token.begin, duration_mistake(token.text)), false;
  seconds = to_seconds(*parsed);
  return true;
}

DurationPtr Parser::duration_literal() {
  auto node = std::make_shared<DurationExpr>();
  const Token token = take();
  if (!read_seconds(token, node->seconds)) return nullptr;
  node->written_as_duration = token.type == Tok::kDuration;
  node->begin = token.begin;
  node->end = token.end();
  if (!(std::abs(node->seconds) < 9223372036.0)) return fail(token.begin, "duration out of range");
  return node;
}

DurationPtr Parser::duration(int min_precedence) {
  const Deeper deeper(*this);
  if (depth_ > kParseDepthMax) return fail(peek().begin, "expression is nested too deeply");
  DurationPtr lhs = duration_operand();
  while (lhs) {
    const OperatorRow* row = find_operator(peek());
    if (row == nullptr || row->precedence < 4 || row->precedence < min_precedence || row->op == BinaryOp::kAtan2) break;
    const std::uint32_t op_at = take().begin;
    DurationPtr rhs = duration(row->op == BinaryOp::kPow ? row->precedence : row->precedence + 1);
    if (!rhs) return nullptr;
    using enum DurationExpr::Op;
    static constexpr std::array kOps = {kAdd, kSub, kMul, kDiv, kMod, kPow};
    auto node = std::make_shared<DurationExpr>();
    node->op = kOps[static_cast<std::size_t>(row->op)];
    node->begin = lhs->begin;
    node->end = rhs->end;
    if (node->op == kDiv && rhs->op == kLiteral && rhs->seconds == 0) return fail(op_at, "division by zero");
    if (node->op == kMod && rhs->op == kLiteral && rhs->seconds == 0) return fail(op_at, "modulo by zero");
    node->lhs = std::move(lhs);
    node->rhs = std::move(rhs);
    lhs = std::move(node);
  }
  return lhs;
}

DurationPtr Parser::duration_operand() {
  const Deeper deeper(*this);
  if (depth_ > kParseDepthMax) return fail(peek().begin, "expression is nested too deeply");
  const Token& token = peek();
  if (is_sign(token)) {
    const Token sign = take();
    // In an offset the sign belongs to the one value, inside brackets to a whole power: [-2^2] is -(2^2).
    DurationPtr inner = context_.in == "offset" ? duration_operand() : duration(kPowPrecedence);
    if (!inner) return nullptr;
    if (inner->op == DurationExpr::Op::kLiteral) {
      if (sign.word == "-") inner->seconds = -inner->seconds;
      inner->begin = sign.begin;
      return inner;
    }
    if (sign.word == "+") return inner;
    auto node = std::make_shared<DurationExpr>();
    node->op = DurationExpr::Op::kNegate;
    node->begin = sign.begin;
    node->end = inner->end;
    node->rhs = std::move(inner);
    return node;
  }
  switch (token.type) {
    case Tok::kNumber:
    case Tok::kDuration:
      return duration_literal();
    case Tok::kLeftParen: {
      take();
      const Within within(*this, {"", ""});
      DurationPtr inner = duration(0);
      if (!inner) return nullptr;
      if (!accept(Tok::kRightParen)) return unexpected();
      if (inner->op != DurationExpr::Op::kLiteral) inner->parenthesised = true;
      return inner;
    }
    case Tok::kWord:
      return duration_call();
    default:
      return unexpected();
  }
}

DurationPtr Parser::duration_call() {
  const Token name = peek();
  auto node = std::make_shared<DurationExpr>();
  using enum DurationExpr::Op;
  if (name.word != "step" && name.word != "range" && name.word != "min_of" && name.word != "max_of")
    return unexpected();
  node->op = name.word == "step" ? kStep : name.word == "range" ? kRange : name.word == "min_of" ? kMin : kMax;
  take();
  if (!accept(Tok::kLeftParen)) return unexpected();
  if (node->op == kMin || node->op == kMax) {
    const Within within(*this, {"", ""});
    node->lhs = duration(0);
    if (!node->lhs) return nullptr;
    if (!accept(Tok::kComma)) return unexpected();
    node->rhs = duration(0);
    if (!node->rhs) return nullptr;
  }
  if (!accept(Tok::kRightParen)) return unexpected();
  node->begin = name.begin;
  node->end = last_end_;
  return node;
}

bool Parser::positive_duration(DurationValue& out) {
  DurationPtr value = duration(0);
  if (!value) return false;
  if (value->op == DurationExpr::Op::kLiteral && !(value->seconds > 0)) {
    return fail(value->begin, "duration must be greater than 0"), false;
  }
  return to_value(value, out);
}

bool Parser::to_value(const DurationPtr& expr, DurationValue& out) {
  if (expr->op == DurationExpr::Op::kLiteral) {
    out.fixed = duration_from_seconds(expr->seconds);
  } else {
    out.expr = expr;
  }
  return true;
}

}  // namespace tocsin::promql
