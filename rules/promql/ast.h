#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/core/matcher.h"
#include "agent/core/time.h"
#include "rules/promql/promql.h"

namespace tocsin::promql {

struct Function;  // functions.h

enum class BinaryOp {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kAtan2,
  kTrimUpper,  // of native histograms
  kTrimLower,
  kEqual,
  kNotEqual,
  kLess,
  kGreater,
  kLessEqual,
  kGreaterEqual,
  kAnd,
  kOr,
  kUnless,
  kDefault,  // the extras
  kIf,
  kIfNot,
};
std::string_view to_string(BinaryOp op);
bool is_comparison(BinaryOp op);
/// Works on which series are there, not on their values: and, or, unless and the extras.
bool is_set(BinaryOp op);
bool is_extra(BinaryOp op);

enum class AggregateOp {
  kSum,
  kAvg,
  kCount,
  kMin,
  kMax,
  kGroup,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kCountValues,
  kQuantile,
  kLimitk,
  kLimitRatio,
};
std::string_view to_string(AggregateOp op);
/// topk, quantile, count_values …: the first argument is a parameter.
bool has_parameter(AggregateOp op);

/// Arithmetic on durations, in seconds, as it may stand in `[…]` and after `offset`. What needs no evaluation is a
/// literal.
struct DurationExpr {
  enum class Op { kLiteral, kStep, kRange, kMin, kMax, kNegate, kAdd, kSub, kMul, kDiv, kMod, kPow };
  Op op = Op::kLiteral;
  double seconds = 0;
  bool written_as_duration = false;  // 5m, not 300
  bool parenthesised = false;
  std::shared_ptr<const DurationExpr> lhs;
  std::shared_ptr<const DurationExpr> rhs;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

/// A range, a step or an offset: known when it was parsed, or computed (`expr`) when the query's step and range are
/// known.
struct DurationValue {
  Duration fixed{0};
  std::shared_ptr<const DurationExpr> expr;
  bool is_set() const { return expr != nullptr || fixed != Duration{0}; }
};

enum class AtAnchor { kNone, kTime, kStart, kEnd };

/// `@ …` and `offset …`.
struct TimeModifiers {
  DurationValue offset;
  AtAnchor anchor = AtAnchor::kNone;
  TimePoint at;  // for kTime
};

struct NumberLiteral {
  double value = 0;
  bool written_as_duration = false;
};
struct StringLiteral {
  std::string text;
};
struct Paren {
  ExprPtr inner;
};
struct Unary {
  bool negate = false;
  ExprPtr inner;
};

enum class MatchCardinality { kOneToOne, kManyToOne, kOneToMany, kManyToMany };
struct VectorMatching {
  MatchCardinality cardinality = MatchCardinality::kOneToOne;
  bool on = false;
  std::vector<std::string> labels;
  std::vector<std::string> include;  // of group_left, group_right
  std::optional<double> fill_left;
  std::optional<double> fill_right;
};
struct Binary {
  BinaryOp op{};
  ExprPtr lhs;
  ExprPtr rhs;
  bool return_bool = false;
  /// Only between two vectors.
  std::optional<VectorMatching> matching;
};
struct Aggregate {
  AggregateOp op{};
  ExprPtr inner;
  ExprPtr parameter;
  std::vector<std::string> grouping;
  bool without = false;
};
struct Call {
  const Function* function = nullptr;
  std::vector<ExprPtr> args;
};

enum class Smoothing { kNone, kAnchored, kSmoothed };
struct VectorSelector {
  std::string name;  // as written before the braces; also among the matchers
  Matchers matchers;
  TimeModifiers time;
  Smoothing smoothing = Smoothing::kNone;
};
struct MatrixSelector {
  VectorSelector selector;
  DurationValue range;
};
struct Subquery {
  ExprPtr inner;
  DurationValue range;
  DurationValue step;  // not set: the default
  TimeModifiers time;
};

/// A node of the tree: what it is, and where in the text it stood.
class Expr {
 public:
  using Node = std::variant<NumberLiteral, StringLiteral, Paren, Unary, Binary, Aggregate, Call, VectorSelector,
                            MatrixSelector, Subquery>;
  Node node;
  std::uint32_t begin = 0;  // bytes
  std::uint32_t end = 0;
  Place at;  // of `begin`
  std::uint32_t depth = 1;

  template <class T>
  const T* as() const {
    return std::get_if<T>(&node);
  }
  ValueType type() const;
};

/// The expressions directly below; a parameter comes before what it applies to.
void for_each_child(const Expr& expr, const std::function<void(const ExprPtr&)>& visit);

/// The expression inside any number of parentheses.
const Expr& unwrap(const Expr& expr);

/// The same tree with `edit` applied to a copy of each selector and subquery, but not to what is inside a subquery.
ExprPtr edit_selectors(const ExprPtr& expr, const std::function<void(TimeModifiers&)>& edit);

std::string to_string(const DurationExpr& expr);

/// Checks types and numbers of arguments, once the text has proven to be well-formed; drops vector matching where an
/// operand is a scalar and marks set operators as many-to-many. `text` is what `expr` was parsed from.
std::optional<ParseError> type_check(Expr& expr, std::string_view text);

}  // namespace tocsin::promql
