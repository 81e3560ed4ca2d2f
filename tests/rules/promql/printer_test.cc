// What is printed parses to the same tree. Trees are compared by writing them out with every node in parentheses.

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "rules/promql/ast.h"
#include "rules/promql/functions.h"

namespace tocsin::promql {
namespace {

std::string dump(const DurationExpr& e) {
  if (e.op == DurationExpr::Op::kLiteral) return fmt::format("{}{}", e.seconds, e.written_as_duration ? "s" : "");
  return fmt::format("({} {} {})", static_cast<int>(e.op), e.lhs ? dump(*e.lhs) : "", e.rhs ? dump(*e.rhs) : "");
}
std::string dump(const DurationValue& v) {
  return v.expr ? dump(*v.expr) : std::to_string(v.fixed.count());
}
std::string dump(const TimeModifiers& t) {
  return fmt::format("@{}/{} offset {}", static_cast<int>(t.anchor), t.at.time_since_epoch().count(), dump(t.offset));
}
std::string dump(const Expr& expr);

struct Dump {
  std::string operator()(const NumberLiteral& n) const {
    return fmt::format("{}{}", std::isnan(n.value) ? 0.5e-300 : n.value, n.written_as_duration ? "s" : "");
  }
  std::string operator()(const StringLiteral& n) const { return tocsin::quoted(n.text); }
  std::string operator()(const Paren& n) const { return fmt::format("(paren {})", dump(*n.inner)); }
  std::string operator()(const Unary& n) const { return fmt::format("({} {})", n.negate ? "-" : "+", dump(*n.inner)); }
  std::string operator()(const Binary& n) const {
    std::string how;
    if (n.matching) {
      const VectorMatching& m = *n.matching;
      how = fmt::format("{} {} [{}] [{}] {} {}", static_cast<int>(m.cardinality), m.on, fmt::join(m.labels, ","),
                        fmt::join(m.include, ","), m.fill_left.value_or(-77), m.fill_right.value_or(-77));
    }
    return fmt::format("({}{} {} {} {})", to_string(n.op), n.return_bool ? " bool" : "", how, dump(*n.lhs),
                       dump(*n.rhs));
  }
  std::string operator()(const Aggregate& n) const {
    return fmt::format("({} {} [{}] {} {})", to_string(n.op), n.without, fmt::join(n.grouping, ","),
                       n.parameter ? dump(*n.parameter) : "", dump(*n.inner));
  }
  std::string operator()(const Call& n) const {
    std::string args;
    for (const ExprPtr& arg : n.args) args += " " + dump(*arg);
    return fmt::format("({}{})", n.function->name, args);
  }
  std::string operator()(const VectorSelector& n) const {
    std::vector<std::string> matchers;
    for (const Matcher& m : n.matchers) matchers.push_back(m.str());
    std::ranges::sort(matchers);
    return fmt::format("{}{{{}}} {} {}", n.name, fmt::join(matchers, ","), dump(n.time), static_cast<int>(n.smoothing));
  }
  std::string operator()(const MatrixSelector& n) const {
    return fmt::format("({} [{}])", (*this)(n.selector), dump(n.range));
  }
  std::string operator()(const Subquery& n) const {
    return fmt::format("({} [{}:{}] {})", dump(*n.inner), dump(n.range), dump(n.step), dump(n.time));
  }
};
std::string dump(const Expr& expr) {
  return std::visit(Dump{}, expr.node);
}

/// Makes up expressions of each type.
class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  std::string any() { return pick({0, 1}) == 0 ? vector(4) : scalar(4); }

 private:
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return *(choices.begin() + std::uniform_int_distribution<std::size_t>(0, choices.size() - 1)(random_));
  }
  bool chance(int percent) { return std::uniform_int_distribution<int>(0, 99)(random_) < percent; }

  std::string number() {
    return pick<std::string>({"0", "1", "-1", "+2", "3.5", "1e3", ".25", "1_000", "0x1F", "5m", "-1h30m", "Inf", "-inf",
                              "NaN", "017", "100ms"});
  }
  std::string name() {
    return pick<std::string>({"up", "a:b", "sum", "by", "offset", "default", "ifnot", "if", "start", "fill", "and",
                              "anchored", "step", "max_of", "http_requests_total"});
  }
  std::string labels() {
    return pick<std::string>(
        {"", "job", "job, instance", "\"a.b\", on", "le,", "default", "by, sum, bool", "\"\\u00e9\""});
  }
  std::string matchers() {
    return pick<std::string>({"", "{}", "{job=\"a\"}", "{job=~\"a|b\",code!~'5..'}", "{\"x.y\"=`q`, z!=\"\",}"});
  }
  std::string duration(int depth) {
    if (depth == 0 || chance(50)) return pick<std::string>({"5m", "90", "1h30m", "step()", "range()", "1.5", "-2m"});
    switch (pick({0, 1, 2, 3})) {
      case 0:
        return fmt::format("({})", duration(depth - 1));
      case 1:
        return fmt::format("{}({}, {})", pick({"min_of", "max_of"}), duration(depth - 1), duration(depth - 1));
      case 2:
        return fmt::format("{}{}", pick({"-", "+"}), duration(depth - 1));
      default:
        return fmt::format("{} {} {}", duration(depth - 1), pick({"+", "-", "*", "/", "%", "^"}), duration(depth - 1));
    }
  }
  std::string positive() { return chance(60) ? pick<std::string>({"5m", "600", "1d"}) : "1m + " + duration(3); }
  std::string time() {
    std::string out;
    if (chance(20)) out += pick<std::string>({" @ 100", " @ -1.5", " @ start()", " @ end()", " @ 5m"});
    if (chance(20)) out += pick<std::string>({" offset 5m", " offset -90", " offset step()", " offset -range()"});
    if (out.empty() && chance(10)) out += fmt::format(" offset ({})", duration(3));
    return out;
  }
  std::string selector() {
    const std::string what =
        chance(15) ? pick<std::string>({"{\"a b\"}", "{__name__=~\"x.*\"}", "{a=\"b\"}"}) : name() + matchers();
    return what;
  }
  std::string range(int depth) {
    if (chance(70)) {
      return fmt::format("{}[{}]{}{}", selector(), positive(), pick({"", "", " anchored", " smoothed"}), time());
    }
    return fmt::format("{}[{}:{}]{}", vector(depth - 1, true), positive(), chance(50) ? positive() : "", time());
  }
  std::string scalar(int depth) {
    if (depth <= 0 || chance(40)) return number();
    switch (pick({0, 1, 2, 3, 4})) {
      case 0:
        return fmt::format("({})", scalar(depth - 1));
      case 1:
        return fmt::format("{}{}", pick({"-", "+"}), scalar(depth - 1));
      case 2:
        return fmt::format("scalar({})", vector(depth - 1));
      case 3:
        return fmt::format("{} {} {}", scalar(depth - 1),
                           pick({"+", "-", "*", "/", "%", "^", "atan2", "< bool", "default"}), scalar(depth - 1));
      default:
        return pick<std::string>({"time()", "pi()", "min_of(1, 2)", "step()"});
    }
  }
  std::string matching(bool set) {
    if (chance(50)) return "";
    std::string out = fmt::format("{} ({}) ", pick({"on", "ignoring"}), pick<std::string>({"", "job", "\"a.b\", le"}));
    if (!set && chance(40))
      out += fmt::format("{}{} ", pick({"group_left", "group_right"}), pick({"", " ()", " (code)"}));
    if (!set && chance(20)) {
      out += pick<std::string>({"fill (0) ", "fill_left (-1) ", "fill_right (5m) ", "fill_left (1) fill_right (2) "});
    }
    return out;
  }
  /// `tight`: something that a bracket may stand behind.
  std::string vector(int depth, bool tight = false) {
    if (depth <= 0) return selector() + (tight ? "" : time());
    switch (std::uniform_int_distribution<int>(tight ? 3 : 0, 7)(random_)) {
      case 0:
        return fmt::format("{} {} {}{}", vector(depth - 1),
                           pick({"+", "-", "*", "/", "%", "^", "atan2", "</", ">/", "==", "!= bool", "<", ">= bool"}),
                           matching(false), vector(depth - 1));
      case 1:
        return fmt::format("{} {} {}{}", vector(depth - 1), pick({"and", "or", "unless", "default", "if", "ifnot"}),
                           matching(true), vector(depth - 1));
      case 2:
        return chance(50)
                   ? fmt::format("{}{}", pick({"-", "+"}), vector(depth - 1))
                   : fmt::format("{} {} {}", scalar(depth - 1), pick({"+", "^", "> bool", "=="}), vector(depth - 1));
      case 3:
        return fmt::format("({})", vector(depth - 1));
      case 4:
        return fmt::format("{}{} ({})", pick({"sum", "avg", "count", "group"}),
                           chance(50) ? fmt::format(" {} ({})", pick({"by", "without"}), labels()) : "",
                           vector(depth - 1));
      case 5:
        return fmt::format("{}({}, {}){}", pick({"topk", "quantile", "limit_ratio"}), scalar(depth - 1),
                           vector(depth - 1), chance(30) ? fmt::format(" by ({})", labels()) : "");
      case 6:
        return fmt::format("{}({})", pick({"rate", "last_over_time", "zscore_over_time", "absent_over_time"}),
                           range(depth));
      default:
        return pick({0, 1}) == 0 ? fmt::format("label_replace({}, \"d\", \"$1\", 's', `(.*)`)", vector(depth - 1))
                                 : fmt::format("info({}, {})", vector(depth - 1),
                                               pick({"{}", "{a=\"b\"}", "{__name__=~\".*_info\"}"}));
    }
  }

  std::mt19937 random_;
};

TEST(Printer, WhatIsPrintedParsesToTheSameTree) {
  std::size_t parsed = 0;
  for (std::uint32_t seed = 0; seed < 5'000; ++seed) {
    const std::string text = Generator(seed).any();
    const auto first = parse(text);
    if (!first) continue;  // types are left to chance here and there
    ++parsed;
    for (const std::string& printed : {to_string(**first), pretty(**first)}) {
      const auto second = parse(printed);
      ASSERT_TRUE(second) << text << "\n" << printed << "\n" << second.error().str();
      ASSERT_EQ(dump(**first), dump(**second)) << text << "\n" << printed;
    }
  }
  EXPECT_GT(parsed, 3'500U);
}

TEST(Printer, BreaksLinesThatAreTooLong) {
  const auto expr = parse(R"(
    histogram_quantile(0.9, sum by (le, job) (rate(http_request_duration_seconds_bucket{job="api",code=~"5.."}[5m])))
    > on (job) group_left () (max_over_time(threshold_seconds[1h:5m]) + -average_of_something_that_has_a_long_name * 1000000))");
  ASSERT_TRUE(expr) << expr.error().str();
  EXPECT_EQ(pretty(**expr), R"(  histogram_quantile(
    0.9,
    sum by (le, job) (rate(http_request_duration_seconds_bucket{code=~"5..",job="api"}[5m]))
  )
> on (job) group_left ()
  (max_over_time(threshold_seconds[1h:5m]) + -average_of_something_that_has_a_long_name * 1000000))");
  EXPECT_EQ(pretty(**parse("sum(rate( foo [5m]))")), "sum(rate(foo[5m]))");
  EXPECT_EQ(pretty(**parse("topk(3, " + std::string(50, 'a') + " or " + std::string(50, 'b') + ")")),
            fmt::format("topk(\n  3,\n    {}\n  or\n    {}\n)", std::string(50, 'a'), std::string(50, 'b')));
}

}  // namespace
}  // namespace tocsin::promql
