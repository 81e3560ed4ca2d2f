// A recursive-descent parser with operator precedence for the binary operators. It stops at the first mistake, whose
// words and place are those of Prometheus: the context of a message ("in aggregation", "in offset") is the innermost
// construct in which the language can say what it expected. After a mistake every rule returns nullptr, which unwinds
// without further ado.
//
// Signs bind like `*` but weaker than `^`; `offset`, `@` and `[…]` bind to what stands directly before them.

#include <charconv>
#include <cmath>
#include <limits>

#include "rules/promql/ast.h"
#include "rules/promql/functions.h"
#include "rules/promql/lexer.h"

namespace tocsin::promql {
namespace {

constexpr std::size_t kTextBytesMax = 256 << 10;
constexpr std::uint32_t kDepthMax = 500;

using NodePtr = std::shared_ptr<Expr>;
using DurationPtr = std::shared_ptr<DurationExpr>;

struct OperatorRow {
  std::string_view text;
  BinaryOp op;
  int precedence;
};
constexpr int kPowPrecedence = 6;
constexpr std::array kOperators = std::to_array<OperatorRow>({
    {"or", BinaryOp::kOr, 1},
    {"and", BinaryOp::kAnd, 2},
    {"unless", BinaryOp::kUnless, 2},
    {"==", BinaryOp::kEqual, 3},
    {"!=", BinaryOp::kNotEqual, 3},
    {"<", BinaryOp::kLess, 3},
    {">", BinaryOp::kGreater, 3},
    {"<=", BinaryOp::kLessEqual, 3},
    {">=", BinaryOp::kGreaterEqual, 3},
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

/// Go's reading of a number: 0x1F, 017 (octal), 1_000, .5, 1e3, Inf, NaN.
double read_number(std::string_view written) {
  std::string text;
  for (const char c : written) {
    if (c != '_') text += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "nan") return kNaN;
  const char* const end = text.data() + text.size();
  const auto integer = [&](std::size_t skip, int base, double& value) {
    std::uint64_t n = 0;
    const auto [at, error] = std::from_chars(text.data() + skip, end, n, base);
    value = static_cast<double>(n);
    return error == std::errc() && at == end;
  };
  double value = 0;
  if (text.starts_with("0x")) return integer(2, 16, value) ? value : std::numeric_limits<double>::infinity();
  if (text.size() > 1 && text[0] == '0' && integer(1, 8, value)) return value;
  if (std::from_chars(text.data(), end, value).ec == std::errc::result_out_of_range) {
    return text.find("e-") == std::string::npos ? std::numeric_limits<double>::infinity() : 0;
  }
  return value;
}

class Parser {
 public:
  Parser(std::string_view text, bool experimental) : text_(text), tokens_(lex(text)), experimental_(experimental) {}

  tl::expected<ExprPtr, ParseError> run() {
    if (peek().type == Tok::kEnd) {
      return tl::make_unexpected(ParseError{text_.empty() ? Place{0, 0} : Place{}, "no expression found in input"});
    }
    NodePtr root = expression(0);
    if (root && peek().type != Tok::kEnd) root = unexpected();
    if (!root) return tl::make_unexpected(*error_);
    if (auto mistake = type_check(*root, text_)) return tl::make_unexpected(*mistake);
    return ExprPtr(std::move(root));
  }

 private:
  /// Where a syntax error would be said to be.
  struct Context {
    std::string_view in;
    std::string_view expected;
  };
  class Within {
   public:
    Within(Parser& parser, Context context) : parser_(parser), outer_(std::exchange(parser.context_, context)) {}
    ~Within() { parser_.context_ = outer_; }

   private:
    Parser& parser_;
    Context outer_;
  };
  class Deeper {
   public:
    explicit Deeper(Parser& parser) : parser_(parser) { ++parser_.depth_; }
    ~Deeper() { --parser_.depth_; }

   private:
    Parser& parser_;
  };

  const Token& peek(std::size_t ahead = 0) const { return tokens_[std::min(pos_ + ahead, tokens_.size() - 1)]; }
  const Token& take() {
    const Token& token = peek();
    if (pos_ + 1 < tokens_.size()) ++pos_;
    if (token.type != Tok::kEnd) last_end_ = token.end();
    return token;
  }
  bool accept(Tok type) {
    if (peek().type != type) return false;
    take();
    return true;
  }

  std::nullptr_t fail(std::uint32_t at, std::string message) {
    if (!error_) error_ = ParseError{place_of(text_, at), std::move(message)};
    return nullptr;
  }
  std::nullptr_t unexpected(std::string_view in, std::string_view expected) {
    const Token& token = peek();
    if (token.type == Tok::kError) return fail(token.begin, token.word);
    std::string message = "unexpected " + describe(token);
    if (!in.empty()) message += fmt::format(" in {}", in);
    if (!expected.empty()) message += fmt::format(", expected {}", expected);
    return fail(token.begin, std::move(message));
  }
  std::nullptr_t unexpected() { return unexpected(context_.in, context_.expected); }

  template <class T>
  NodePtr make(T node, std::uint32_t begin, std::uint32_t end) {
    auto expr = std::make_shared<Expr>();
    expr->node = std::move(node);
    expr->begin = begin;
    expr->end = end;
    expr->at = place_of(text_, begin);
    for_each_child(*expr, [&](const ExprPtr& child) { expr->depth = std::max(expr->depth, child->depth + 1); });
    // A row of operators makes a deep tree without being nested in the text.
    if (expr->depth > kDepthMax) return fail(begin, "expression is nested too deeply");
    return expr;
  }

  NodePtr expression(int min_precedence);
  NodePtr binary_right(NodePtr lhs, const OperatorRow& row);
  NodePtr operand();
  NodePtr primary();
  NodePtr postfix(NodePtr expr);
  NodePtr number();
  NodePtr aggregate();
  NodePtr call();
  NodePtr selector();
  bool matcher(Matchers& out);
  bool grouping(std::vector<std::string>& out);
  bool arguments(std::vector<ExprPtr>& out);
  bool matching(VectorMatching& out);
  bool fill(VectorMatching& out);

  NodePtr bracket(const NodePtr& expr);
  bool offset(Expr& expr);
  bool at_modifier(Expr& expr);
  bool smoothing(Expr& expr, Smoothing smoothing);
  TimeModifiers* modifiers(Expr& expr, std::string_view message);

  DurationPtr duration(int min_precedence);
  DurationPtr duration_operand();
  DurationPtr duration_call();
  DurationPtr duration_literal();
  bool positive_duration(DurationValue& out);
  bool read_seconds(const Token& token, double& seconds);
  bool to_value(const DurationPtr& expr, DurationValue& out);

  std::string_view text_;
  std::vector<Token> tokens_;
  bool experimental_;
  std::size_t pos_ = 0;
  std::uint32_t last_end_ = 0;
  std::uint32_t depth_ = 0;
  Context context_;
  std::optional<ParseError> error_;
};

NodePtr Parser::expression(int min_precedence) {
  const Deeper deeper(*this);
  if (depth_ > kDepthMax) return fail(peek().begin, "expression is nested too deeply");
  NodePtr lhs = operand();
  while (lhs) {
    const OperatorRow* row = find_operator(peek());
    if (row == nullptr || row->precedence < min_precedence) break;
    lhs = binary_right(std::move(lhs), *row);
  }
  return lhs;
}

NodePtr Parser::binary_right(NodePtr lhs, const OperatorRow& row) {
  take();
  Binary node;
  node.op = row.op;
  node.return_bool = peek().is(Tok::kKeyword, "bool");
  if (node.return_bool) take();
  VectorMatching how;
  if (!matching(how)) return nullptr;
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
      NodePtr inner = expression(0);
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
    case Tok::kKeyword:
      if (token.word == "by" || token.word == "without" || token.word == "offset" || token.word == "anchored" ||
          token.word == "smoothed") {
        return selector();
      }
      break;
    case Tok::kOperator:
      if (token.word == "and" || token.word == "or" || token.word == "unless") return selector();
      break;
    default:
      break;
  }
  return unexpected();
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
  if (!modifier_first && !modifier()) return nullptr;
  if (args.empty()) return fail(op.begin, "no arguments for aggregate expression provided");
  if (!experimental_ && (node.op == AggregateOp::kLimitk || node.op == AggregateOp::kLimitRatio)) {
    return fail(op.begin, fmt::format("{}() is experimental and is not enabled", op.word));
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
  if (node.function->experimental && !experimental_) {
    return fail(name.begin, fmt::format("function {} is not enabled", quoted(name.text)));
  }
  return make(std::move(node), name.begin, last_end_);
}

bool Parser::arguments(std::vector<ExprPtr>& out) {
  take();  // (
  if (accept(Tok::kRightParen)) return true;
  while (true) {
    NodePtr arg = expression(0);
    if (!arg) return false;
    out.push_back(std::move(arg));
    if (accept(Tok::kRightParen)) return true;
    if (peek().type != Tok::kComma) {
      unexpected();
      return false;
    }
    const std::uint32_t comma = take().begin;
    if (peek().type == Tok::kRightParen) {
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
      if (peek().type == Tok::kLeftParen && !grouping(out.include)) return false;
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
  auto made = Matcher::make(label, op, *unquote(take().text));
  if (!made) {
    fail(name.begin, made.error().message);
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
      const auto kind = take().word == "anchored" ? Smoothing::kAnchored : Smoothing::kSmoothed;
      if (!smoothing(*expr, kind)) return nullptr;
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
  // Without parentheses only one value belongs to the offset: `x offset 1m + 2` is an addition to x.
  DurationPtr value = duration_operand();
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

bool Parser::smoothing(Expr& expr, Smoothing kind) {
  const std::string_view name = kind == Smoothing::kAnchored ? "anchored" : "smoothed";
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

bool Parser::read_seconds(const Token& token, double& seconds) {
  if (token.type == Tok::kNumber) {
    seconds = read_number(token.text);
    return true;
  }
  const auto parsed = parse_duration(token.text);
  if (!parsed) return fail(token.begin, fmt::format("not a valid duration string: {}", quoted(token.text))), false;
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
  if (depth_ > kDepthMax) return fail(peek().begin, "expression is nested too deeply");
  DurationPtr lhs = duration_operand();
  while (lhs) {
    const OperatorRow* row = find_operator(peek());
    if (row == nullptr || row->precedence < 4 || row->precedence < min_precedence || row->op == BinaryOp::kAtan2) break;
    take();
    DurationPtr rhs = duration(row->op == BinaryOp::kPow ? row->precedence : row->precedence + 1);
    if (!rhs) return nullptr;
    using enum DurationExpr::Op;
    static constexpr std::array kOps = {kAdd, kSub, kMul, kDiv, kMod, kPow};
    auto node = std::make_shared<DurationExpr>();
    node->op = kOps[static_cast<std::size_t>(row->op)];
    node->begin = lhs->begin;
    node->end = rhs->end;
    if (node->op == kDiv && rhs->op == kLiteral && rhs->seconds == 0) return fail(rhs->begin, "division by zero");
    if (node->op == kMod && rhs->op == kLiteral && rhs->seconds == 0) return fail(rhs->begin, "modulo by zero");
    node->lhs = std::move(lhs);
    node->rhs = std::move(rhs);
    lhs = std::move(node);
  }
  return lhs;
}

DurationPtr Parser::duration_operand() {
  const Deeper deeper(*this);
  if (depth_ > kDepthMax) return fail(peek().begin, "expression is nested too deeply");
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

}  // namespace

tl::expected<ExprPtr, ParseError> parse(std::string_view text, bool experimental) {
  if (text.size() > kTextBytesMax) {
    return tl::make_unexpected(ParseError{{}, fmt::format("the expression is longer than {} bytes", kTextBytesMax)});
  }
  return Parser(text, experimental).run();
}

std::string ParseError::str() const {
  if (at.line == 0) return fmt::format("unknown position: parse error: {}", message);
  return fmt::format("{}:{}: parse error: {}", at.line, at.column, message);
}

}  // namespace tocsin::promql
