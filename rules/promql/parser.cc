// A recursive-descent parser with operator precedence for the binary operators. It stops at the first mistake, whose
// words and place are those of Prometheus: the context of a message ("in aggregation", "in offset") is the innermost
// construct in which the language can say what it expected. After a mistake every rule returns nullptr, which unwinds
// without further ado.
//
// Signs bind like `*` but weaker than `^`; `offset`, `@` and `[…]` bind to what stands directly before them.

#include "rules/promql/parser.h"

#include <array>
#include <charconv>
#include <limits>

#include "rules/promql/functions.h"

namespace tocsin::promql {
namespace {

constexpr std::size_t kTextBytesMax = 256 << 10;

constexpr std::array kOperators = std::to_array<OperatorRow>({
    {"default", BinaryOp::kDefault, kAnyPrecedence},
    {"if", BinaryOp::kIf, 0},
    {"ifnot", BinaryOp::kIfNot, 0},
    {"or", BinaryOp::kOr, 1},
    {"and", BinaryOp::kAnd, 2},
    {"unless", BinaryOp::kUnless, 2},
    {"==", BinaryOp::kEqual, 3},
    {"!=", BinaryOp::kNotEqual, 3},
    {"<", BinaryOp::kLess, 3},
    {">", BinaryOp::kGreater, 3},
    {"<=", BinaryOp::kLessEqual, 3},
    {">=", BinaryOp::kGreaterEqual, 3},
    {"</", BinaryOp::kTrimUpper, 3},
    {">/", BinaryOp::kTrimLower, 3},
    {"+", BinaryOp::kAdd, 4},
    {"-", BinaryOp::kSub, 4},
    {"*", BinaryOp::kMul, 5},
    {"/", BinaryOp::kDiv, 5},
    {"%", BinaryOp::kMod, 5},
    {"atan2", BinaryOp::kAtan2, 5},
    {"^", BinaryOp::kPow, kPowPrecedence},
});
constexpr std::array kAggregators =
    std::to_array<std::string_view>({"sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "topk",
                                     "bottomk", "count_values", "quantile", "limitk", "limit_ratio"});

bool is_name(const Token& token) {
  constexpr std::array<std::string_view, 5> kKeywords = {"by", "without", "offset", "anchored", "smoothed"};
  constexpr std::array<std::string_view, 3> kSetOperators = {"and", "or", "unless"};
  switch (token.type) {
    case Tok::kIdentifier:
    case Tok::kMetricIdentifier:
    case Tok::kWord:
    case Tok::kAggregator:
      return true;
    case Tok::kKeyword:
      return std::ranges::find(kKeywords, token.word) != kKeywords.end();
    case Tok::kOperator:
      return std::ranges::find(kSetOperators, token.word) != kSetOperators.end();
    default:
      return false;
  }
}

bool begins_expression(const Token& token) {
  constexpr std::array kBeginnings = {Tok::kNumber, Tok::kDuration, Tok::kString, Tok::kLeftParen, Tok::kLeftBrace};
  return is_name(token) || is_sign(token) || std::ranges::find(kBeginnings, token.type) != kBeginnings.end();
}

}  // namespace

const OperatorRow* find_operator(const Token& token) {
  if (token.type != Tok::kOperator) return nullptr;
  for (const OperatorRow& row : kOperators) {
    if (row.text == token.word) return &row;
  }
  return nullptr;
}

bool is_sign(const Token& token) {
  return token.is(Tok::kOperator, "+") || token.is(Tok::kOperator, "-");
}

tl::expected<double, std::string_view> read_number(std::string_view written) {
  std::string text = lower_case(written);
  std::erase(text, '_');
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "nan") return kNaN;
  const char* const end = text.data() + text.size();
  const auto integer = [&](std::size_t skip, int base) -> std::optional<double> {
    std::int64_t n = 0;
    const auto [at, error] = std::from_chars(text.data() + skip, end, n, base);
    if (error != std::errc() || at != end) return std::nullopt;
    return static_cast<double>(n);
  };
  constexpr std::string_view kSyntax = "invalid syntax";
  if (text.starts_with("0x")) {
    const auto value = integer(2, 16);
    return value ? tl::expected<double, std::string_view>(*value) : tl::make_unexpected(kSyntax);
  }
  if (text.size() > 1 && text[0] == '0') {
    if (const auto octal = integer(1, 8)) return *octal;
  }
  double value = 0;
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range && text.find("e-") != std::string::npos) return 0.0;
  if (error == std::errc::result_out_of_range) return tl::make_unexpected(std::string_view("value out of range"));
  if (error != std::errc() || at != end) return tl::make_unexpected(kSyntax);
  return value;
}

NodePtr Parser::expression(int min_precedence) {
  const Deeper deeper(*this);
  if (depth_ > kParseDepthMax) return fail(peek().begin, "expression is nested too deeply");
  NodePtr lhs = operand();
  while (lhs) {
    const OperatorRow* row = next_operator();
    if (row == nullptr || row->precedence < min_precedence) break;
    lhs = binary_right(std::move(lhs), *row);
  }
  return lhs;
}

const OperatorRow* Parser::next_operator() const {
  const Token& token = peek();
  if (token.type != Tok::kIdentifier) return find_operator(token);
  // No name can stand here, so the operators that PromQL does not have take no name away.
  const std::string word = lower_case(token.text);
  const auto row = std::ranges::find(kOperators, std::string_view(word), &OperatorRow::text);
  return row != kOperators.end() && is_extra(row->op) ? &*row : nullptr;
}

NodePtr Parser::binary_right(NodePtr lhs, const OperatorRow& row) {
  const Token op = take();
  if (is_extra(row.op) && !options_.extras) {
    return fail(op.begin, fmt::format("operator {} is an extension of PromQL and is not enabled", quoted(row.text)));
  }
  Binary node;
  node.op = row.op;
  node.return_bool = peek().is(Tok::kKeyword, "bool");
  if (node.return_bool) take();
  VectorMatching how;
  if (!matching(how)) return nullptr;
  if (!options_.experimental && (how.fill_left || how.fill_right)) {
    return fail(lhs->begin, "binop fill modifiers are experimental and not enabled");
  }
  node.matching = std::move(how);
  const bool right_associative = row.op == BinaryOp::kPow;
  NodePtr rhs = expression(right_associative ? row.precedence : row.precedence + 1);
  if (!rhs) return nullptr;
  const std::uint32_t begin = lhs->begin, end = rhs->end;
  node.lhs = std::move(lhs);
  node.rhs = std::move(rhs);
  return make(std::move(node), begin, end);
}

NodePtr Parser::operand() {
  if (!is_sign(peek())) {
    NodePtr expr = primary();
    return expr ? postfix(std::move(expr)) : nullptr;
  }
  const Token sign = take();
  const bool negate = sign.word == "-";
  NodePtr inner = expression(kPowPrecedence);
  if (!inner) return nullptr;
  if (auto* literal = std::get_if<NumberLiteral>(&inner->node)) {
    if (negate) literal->value = -literal->value;
    inner->begin = sign.begin;
    inner->at = place_of(text_, sign.begin);
    return inner;
  }
  const std::uint32_t end = inner->end;
  return make(Unary{negate, std::move(inner)}, sign.begin, end);
}

NodePtr Parser::primary() {
  const Token& token = peek();
  switch (token.type) {
    case Tok::kNumber:
    case Tok::kDuration:
      return number();
    case Tok::kString: {
      const std::uint32_t begin = take().begin;
      auto text = unquote(text_.substr(begin, last_end_ - begin));
      return make(StringLiteral{std::move(*text)}, begin, last_end_);
    }
    case Tok::kLeftParen: {
      const std::uint32_t begin = take().begin;
      NodePtr inner = expression(kAnyPrecedence);
      if (!inner) return nullptr;
      if (!accept(Tok::kRightParen)) return unexpected();
      return make(Paren{std::move(inner)}, begin, last_end_);
    }
    case Tok::kLeftBrace:
    case Tok::kMetricIdentifier:
      return selector();
    case Tok::kIdentifier:
    case Tok::kWord:
      return peek(1).type == Tok::kLeftParen ? call() : selector();
    case Tok::kAggregator: {
      const Token& next = peek(1);
      const bool applied =
          next.type == Tok::kLeftParen || next.is(Tok::kKeyword, "by") || next.is(Tok::kKeyword, "without");
      if (applied) return aggregate();
      return selector();
    }
    default:
      return is_name(token) ? selector() : unexpected();
  }
}

NodePtr Parser::number() {
  const Token token = take();
  double value = 0;
  if (!read_seconds(token, value)) return nullptr;
  return make(NumberLiteral{value, token.type == Tok::kDuration}, token.begin, token.end());
}

NodePtr Parser::aggregate() {
  const Token op = take();
  const Within within(*this, {"aggregation", ""});
  Aggregate node;
  node.op = static_cast<AggregateOp>(std::ranges::find(kAggregators, op.word) - kAggregators.begin());
  const auto modifier = [&] {
    if (!peek().is(Tok::kKeyword, "by") && !peek().is(Tok::kKeyword, "without")) return true;
    node.without = take().word == "without";
    return grouping(node.grouping);
  };
  const bool modifier_first = peek().type == Tok::kKeyword;
  std::vector<ExprPtr> args;
  if (modifier_first && !modifier()) return nullptr;
  if (peek().type != Tok::kLeftParen) return unexpected();
  if (!arguments(args)) return nullptr;
  const bool bare = !modifier_first && peek().type != Tok::kKeyword;
  if (!modifier_first && !modifier()) return nullptr;
  // Prometheus looks past the arguments for by() first, and so meets what cannot be read before what makes no sense.
  if (bare && peek().type == Tok::kError) return unexpected();
  if (args.empty()) return fail(op.begin, "no arguments for aggregate expression provided");
  if (!options_.experimental && (node.op == AggregateOp::kLimitk || node.op == AggregateOp::kLimitRatio)) {
    return fail(op.begin, fmt::format("{}() is experimental and must be enabled with "
                                      "--enable-feature=promql-experimental-functions",
                                      op.word));
  }
  const std::size_t wanted = has_parameter(node.op) ? 2 : 1;
  if (args.size() != wanted) {
    return fail(op.begin,
                fmt::format("wrong number of arguments for aggregate expression provided, expected {}, got {}", wanted,
                            args.size()));
  }
  if (wanted == 2) node.parameter = args.front();
  node.inner = args.back();
  return make(std::move(node), op.begin, last_end_);
}

NodePtr Parser::call() {
  const Token name = take();
  Call node;
  // Checked before the arguments are read, but reported only if those are well-formed.
  node.function = find_function(name.type == Tok::kWord ? std::string_view(name.word) : name.text);
  if (!arguments(node.args)) return nullptr;
  if (node.function == nullptr)
    return fail(name.begin, fmt::format("unknown function with name {}", quoted(name.text)));
  if (node.function->extra && !options_.extras) {
    return fail(name.begin, fmt::format("function {} is an extension of PromQL and is not enabled", quoted(name.text)));
  }
  if (node.function->experimental && !options_.experimental) {
    return fail(name.begin, fmt::format("function {} is not enabled", quoted(name.text)));
  }
  return make(std::move(node), name.begin, last_end_);
}

bool Parser::arguments(std::vector<ExprPtr>& out) {
  take();  // (
  if (accept(Tok::kRightParen)) return true;
  while (true) {
    NodePtr arg = expression(kAnyPrecedence);
    if (!arg) return false;
    out.push_back(std::move(arg));
    if (accept(Tok::kRightParen)) return true;
    if (peek().type != Tok::kComma) {
      unexpected();
      return false;
    }
    const std::uint32_t comma = take().begin;
    // A comma that no expression follows is a trailing one, whatever comes instead.
    if (!begins_expression(peek()) && peek().type != Tok::kError) {
      fail(comma, "trailing commas not allowed in function call args");
      return false;
    }
  }
}

bool Parser::grouping(std::vector<std::string>& out) {
  if (!accept(Tok::kLeftParen)) {
    unexpected("grouping opts", "\"(\"");
    return false;
  }
  while (!accept(Tok::kRightParen)) {
    const Token& token = peek();
    switch (token.type) {
      case Tok::kString: {
        auto name = unquote(token.text);
        if (!name || name->empty() || !is_valid_utf8(*name)) {
          unexpected("grouping opts", "label");
          return false;
        }
        out.push_back(std::move(*name));
        break;
      }
      case Tok::kIdentifier:
      case Tok::kKeyword:
      case Tok::kAggregator:
      case Tok::kWord:
        out.emplace_back(token.text);
        break;
      case Tok::kOperator:
        if (is_valid_legacy_label_name(token.text)) {  // and, or, atan2 …
          out.emplace_back(token.text);
          break;
        }
        [[fallthrough]];
      default:
        unexpected("grouping opts", "label");
        return false;
    }
    take();
    if (peek().type != Tok::kComma && peek().type != Tok::kRightParen) {
      unexpected("grouping opts", "\",\" or \")\"");
      return false;
    }
    accept(Tok::kComma);
  }
  return true;
}

bool Parser::matching(VectorMatching& out) {
  const Token& token = peek();
  if (token.is(Tok::kKeyword, "on") || token.is(Tok::kKeyword, "ignoring")) {
    out.on = take().word == "on";
    if (!grouping(out.labels)) return false;
    const Token& side = peek();
    if (side.is(Tok::kKeyword, "group_left") || side.is(Tok::kKeyword, "group_right")) {
      out.cardinality = take().word == "group_left" ? MatchCardinality::kManyToOne : MatchCardinality::kOneToMany;
      const bool fills = peek().type == Tok::kKeyword && peek().word.starts_with("fill");
      const bool labels = peek().type == Tok::kLeftParen || !(fills || begins_expression(peek()));
      if (labels && !grouping(out.include)) return false;
    }
  }
  return fill(out);
}

bool Parser::fill(VectorMatching& out) {
  const auto value = [&](std::optional<double>& target, std::optional<double>* other) {
    take();
    if (!accept(Tok::kLeftParen)) return unexpected("", ""), false;
    const bool sign = is_sign(peek());
    const bool negate = sign && take().word == "-";
    double number = 0;
    if (peek().type != Tok::kNumber && peek().type != Tok::kDuration) return unexpected("", ""), false;
    if (!read_seconds(take(), number)) return false;
    if (!accept(Tok::kRightParen)) return unexpected("", ""), false;
    target = negate ? -number : number;
    if (other != nullptr) *other = target;
    return true;
  };
  if (peek().is(Tok::kKeyword, "fill")) return value(out.fill_left, &out.fill_right);
  for (int i = 0; i < 2; ++i) {
    if (peek().is(Tok::kKeyword, "fill_left") && !out.fill_left && !value(out.fill_left, nullptr)) return false;
    if (peek().is(Tok::kKeyword, "fill_right") && !out.fill_right && !value(out.fill_right, nullptr)) return false;
  }
  return true;
}

tl::expected<ExprPtr, ParseError> parse(std::string_view text, ParseOptions options) {
  if (text.size() > kTextBytesMax) {
    return tl::make_unexpected(ParseError{{}, fmt::format("the expression is longer than {} bytes", kTextBytesMax)});
  }
  return Parser(text, options).run();
}

std::string ParseError::str() const {
  if (at.line == 0) return fmt::format("unknown position: parse error: {}", message);
  return fmt::format("{}:{}: parse error: {}", at.line, at.column, message);
}

}  // namespace tocsin::promql
