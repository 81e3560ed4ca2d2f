#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/core/result.h"
#include "rules/promql/ast.h"
#include "rules/promql/lexer.h"

/// The parser's one class; its rules stand in parser.cc (expressions), parser_selector.cc (selectors and their
/// modifiers) and parser_duration.cc (durations, which have a small language of their own).
namespace tocsin::promql {

/// How deep a text may nest.
inline constexpr std::uint32_t kParseDepthMax = 500;
/// How deep its tree may be: a row of operators makes a deep tree without being nested in the text.
inline constexpr std::uint32_t kTreeDepthMax = 1000;
/// Binds weaker than every operator.
inline constexpr int kAnyPrecedence = -1;

using NodePtr = std::shared_ptr<Expr>;
using DurationPtr = std::shared_ptr<DurationExpr>;

/// A binary operator and how strongly it binds.
struct OperatorRow {
  std::string_view text;
  BinaryOp op;
  int precedence;
};
inline constexpr int kPowPrecedence = 6;

bool is_sign(const Token& token);
/// Go's reading of a number: 0x1F, 017 (octal), 1_000, .5, 1e3, Inf, NaN. Errors: `invalid syntax`, `value out of
/// range`.
tl::expected<double, std::string_view> read_number(std::string_view written);
/// The row of a binary operator, or nullptr.
const OperatorRow* find_operator(const Token& token);

class Parser {
 public:
  Parser(std::string_view text, ParseOptions options) : text_(text), tokens_(lex(text)), options_(options) {}

  tl::expected<ExprPtr, ParseError> run() {
    if (peek().type == Tok::kEnd) {
      return tl::make_unexpected(ParseError{text_.empty() ? Place{0, 0} : Place{}, "no expression found in input"});
    }
    NodePtr root = expression(kAnyPrecedence);
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
    if (expr->depth > kTreeDepthMax) return fail(begin, "expression is nested too deeply");
    return expr;
  }

  NodePtr expression(int min_precedence);
  /// The row of the binary operator that comes next, or nullptr.
  const OperatorRow* next_operator() const;
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
  bool smoothing(Expr& expr, Smoothing smoothing, std::string_view name);
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
  ParseOptions options_;
  std::size_t pos_ = 0;
  std::uint32_t last_end_ = 0;
  std::uint32_t depth_ = 0;
  Context context_;
  std::optional<ParseError> error_;
};

}  // namespace tocsin::promql
