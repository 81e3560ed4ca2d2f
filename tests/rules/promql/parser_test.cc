#include <gtest/gtest.h>

#include "rules/promql/ast.h"

namespace tocsin::promql {
namespace {

std::string reprinted(std::string_view text) {
  const auto expr = parse(text);
  return expr ? to_string(**expr) : expr.error().str();
}

struct PrintCase {
  std::string_view text;
  std::string_view printed = text;
};

TEST(Parser, PrintsWhatItReadInOneForm) {
  const PrintCase cases[] = {
      {"1"},
      {"0x1F", "31"},
      {"017", "15"},
      {"1_000", "1000"},
      {"1e3", "1000"},
      {".5", "0.5"},
      {"Inf", "+Inf"},
      {"-inf", "-Inf"},
      {"5m"},
      {"-5m"},
      {"90s", "1m30s"},
      {"NaN"},
      {"\"a\\n\\\"b\""},
      {"'x'", "\"x\""},
      {"`a\\b`", "\"a\\\\b\""},
      {"foo"},
      {"foo:bar:baz"},
      {"foo{a=\"b\",c!=\"d\",e=~\"f.*\",g!~\"h\"}"},
      {"foo{}", "foo"},
      {"{\"foo\"}", "{__name__=\"foo\"}"},
      {"{\"foo.bar\",\"l x\"=\"y\"}", "{\"l x\"=\"y\",__name__=\"foo.bar\"}"},
      {"foo offset 5m"},
      {"foo offset -7m"},
      {"foo offset 50", "foo offset 50s"},
      {"foo @ 100", "foo @ 100.000"},
      {"foo @ start()"},
      {"foo offset 5m @ 10", "foo @ 10.000 offset 5m"},
      {"foo[5m] offset 1w"},
      {"foo[600]", "foo[10m]"},
      {"foo @ -1.5", "foo @ -1.500"},
      {"rate(foo[5m])"},
      {"rate(foo[5m:1m] @ end())"},
      {"max_over_time(rate(foo[1m])[10m:])"},
      {"foo[5m*2]", "foo[5m * 2]"},
      {"foo[step()+1]", "foo[step() + 1]"},
      {"foo offset (5m*2)", "foo offset (5m * 2)"},
      {"foo[max_of(step(),1m)]", "foo[max_of(step(), 1m)]"},
      {"foo offset -min_of(step(),1s)", "foo offset -min_of(step(), 1s)"},
      {"foo offset 100 + 2", "foo offset 1m40s + 2"},
      {"foo[5m] anchored"},
      {"foo smoothed"},
      {"sum by (a,b) (foo)", "sum by (a, b) (foo)"},
      {"sum(foo) without (a)", "sum without (a) (foo)"},
      {"sum(foo) by ()", "sum(foo)"},
      {"SUM(foo)", "sum(foo)"},
      {"topk(5,foo)", "topk(5, foo)"},
      {"count_values(\"v\",foo)", "count_values(\"v\", foo)"},
      {"sum by (\"foo.bar\", on) (x)"},
      {"a + b * c"},
      {"(a+b)*c", "(a + b) * c"},
      {"a ^ b ^ c"},
      {"-a ^ 2"},
      {"-(a)"},
      {"+a"},
      {"1 - -1"},
      {"a atan2 b"},
      {"a == bool 1"},
      {"a and on (x) b"},
      {"a / on () b"},
      {"a / ignoring (x) group_left (y) b"},
      {"a * on (x) group_right () b", "a * on (x) group_right () b"},
      {"a * on (x) group_right b", "a * on (x) group_right () b"},
      {"a + fill (0) b"},
      {"a + on (x) fill_left (1) fill_right (-2) b"},
      {"fill + fill"},
      {"start + end"},
      {"min_of(1,2)", "min_of(1, 2)"},
      {"offset offset 5m"},
      {"sum"},
      {"by{a=\"b\"}"},
      {"foo # comment\n + bar", "foo + bar"},
      {"hour()"},
      {"time() - 5m"},
  };
  for (const PrintCase& c : cases) {
    EXPECT_EQ(reprinted(c.text), c.printed) << c.text;
    EXPECT_EQ(reprinted(c.printed), c.printed) << c.text;
  }
}

TEST(Parser, BindsOperatorsAsPrometheusDoes) {
  const auto root = [](std::string_view text) { return *parse(text); };
  const auto sum = root("a + b * c");
  EXPECT_EQ(sum->as<Binary>()->op, BinaryOp::kAdd);
  EXPECT_EQ(root("a * b + c")->as<Binary>()->op, BinaryOp::kAdd);
  EXPECT_EQ(root("-a * b")->as<Binary>()->op, BinaryOp::kMul);
  EXPECT_TRUE(root("-a ^ b")->as<Unary>());
  EXPECT_TRUE(root("a ^ b ^ c")->as<Binary>()->rhs->as<Binary>());
  EXPECT_TRUE(root("a - b - c")->as<Binary>()->lhs->as<Binary>());
  EXPECT_EQ(root("a or b and c")->as<Binary>()->op, BinaryOp::kOr);
  EXPECT_EQ(root("a == b + c")->as<Binary>()->op, BinaryOp::kEqual);
}

struct ErrorCase {
  std::string_view text;
  std::string_view error;
};

TEST(Parser, SaysWhatIsWrongAndWhere) {
  const ErrorCase cases[] = {
      {"", "unknown position: parse error: no expression found in input"},
      {"# just a comment", "1:1: parse error: no expression found in input"},
      {"1+", "1:3: parse error: unexpected end of input"},
      {"foo bar", "1:5: parse error: unexpected identifier \"bar\""},
      {"foo\n  + * bar", "2:5: parse error: unexpected <op:*>"},
      {"(foo", "1:5: parse error: unclosed left parenthesis"},
      {"foo)", "1:5: parse error: unexpected right parenthesis ')'"},
      {"foo{", "1:5: parse error: unexpected end of input inside braces"},
      {"foo{a}", "1:6: parse error: unexpected \"}\" in label matching, expected label matching operator"},
      {"foo{a=b}", "1:7: parse error: unexpected identifier \"b\" in label matching, expected string"},
      {"foo{a=\"b\" c=\"d\"}",
       "1:11: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\""},
      {"foo{,}", "1:5: parse error: unexpected \",\" in label matching, expected identifier or \"}\""},
      {"{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"{a=\"\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"foo{__name__=\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
      {"foo[]",
       "1:5: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or "
       "range()"},
      {"foo[0m]", "1:5: parse error: duration must be greater than 0"},
      {"foo[-1]", "1:5: parse error: duration must be greater than 0"},
      {"foo[\"5m\"]", "1:5: parse error: unexpected character in duration expression: '\"'"},
      {"foo[5m1m]", "1:5: parse error: not a valid duration string: \"5m1m\""},
      {"some_metric[5m] OFFSET 1mm", "1:24: parse error: bad number or duration syntax: \"1mm\""},
      {"some_metric[5m] OFFSET",
       "1:23: parse error: unexpected end of input in offset, expected number, duration, step(), or range()"},
      {"some_metric OFFSET 1m[5m]", "1:22: parse error: no offset modifiers allowed before range"},
      {"some_metric @ 5 [5m]", "1:17: parse error: no @ modifiers allowed before range"},
      {"(foo + bar)[5m]", "1:12: parse error: ranges only allowed for vector selectors"},
      {"(foo) offset 5m",
       "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a "
       "subquery"},
      {"foo offset 1m offset 2m", "1:1: parse error: offset may not be set multiple times"},
      {"foo @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"},
      {"foo @ inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"},
      {"foo @ bar", "1:7: parse error: unexpected identifier \"bar\" in @, expected timestamp"},
      {"nope(foo)", "1:1: parse error: unknown function with name \"nope\""},
      {"rate(foo)", "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"},
      {"rate(foo[5m], 1)", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 2"},
      {"round()", "1:1: parse error: expected at least 1 argument(s) in call to \"round\", got 0"},
      {"round(a,1,2)", "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"},
      {"abs(foo,)", "1:8: parse error: trailing commas not allowed in function call args"},
      {"sum()", "1:1: parse error: no arguments for aggregate expression provided"},
      {"topk(foo)", "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1"},
      {"sum(foo +)", "1:10: parse error: unexpected \")\" in aggregation"},
      {"sum by foo (bar)", "1:8: parse error: unexpected identifier \"foo\" in grouping opts, expected \"(\""},
      {"sum by (1) (bar)", "1:9: parse error: unexpected number \"1\" in grouping opts, expected label"},
      {"sum(1)", "1:5: parse error: expected type instant vector in aggregation expression, got scalar"},
      {"topk(foo, bar)", "1:6: parse error: expected type scalar in aggregation parameter, got instant vector"},
      {"1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
      {"1 + bool 1", "1:3: parse error: bool modifier can only be used on comparison operators"},
      {"1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
      {"foo and on(a) group_left(b) bar", "1:1: parse error: no grouping allowed for \"and\" operation"},
      {"foo * on(a) group_left(a) bar", "1:5: parse error: label \"a\" must not occur in ON and GROUP clause at once"},
      {"foo + on(a) 1", "1:1: parse error: vector matching only allowed between instant vectors"},
      {"foo[5m] + 1", "1:1: parse error: binary expression must contain only scalar and instant vector types"},
      {"-\"x\"",
       "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got "
       "\"string\""},
      {"rate(foo[5m])[5m:1m][5m:1m]",
       "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"},
      {"foo ! bar", "1:5: parse error: unexpected character after '!': ' '"},
      {"\"foo", "1:1: parse error: unterminated quoted string"},
      {"foo $ bar", "1:5: parse error: unexpected character: '$'"},
      {"foo[5m] anchored smoothed", "1:1: parse error: anchored and smoothed modifiers cannot be used together"},
  };
  for (const ErrorCase& c : cases) EXPECT_EQ(reprinted(c.text), c.error) << c.text;
}

TEST(Parser, RefusesWhatIsTooDeepOrTooLong) {
  const auto nested = [](std::size_t n) { return std::string(n, '(') + "1" + std::string(n, ')'); };
  EXPECT_TRUE(parse(nested(400)));
  EXPECT_FALSE(parse(nested(100'000)));
  std::string row = "a";
  for (int i = 0; i < 300; ++i) row += " + a";
  EXPECT_TRUE(parse(row));
  for (int i = 0; i < 30'000; ++i) row += " + a";
  EXPECT_FALSE(parse(row));
  EXPECT_FALSE(parse(std::string(100'000, '-') + "1"));
  EXPECT_FALSE(parse("foo[" + std::string(100'000, '(')));
  EXPECT_FALSE(parse(std::string(1 << 20, 'a')));
}

TEST(Parser, RefusesWhatIsExperimentalWhereThatIsSwitchedOff) {
  for (const char* text : {"mad_over_time(x[5m])", "limitk(1, x)", "sum(sort_by_label(x, \"a\"))"}) {
    EXPECT_TRUE(parse(text)) << text;
    const auto refused = parse(text, ParseOptions::strict());
    ASSERT_FALSE(refused) << text;
    EXPECT_NE(refused.error().message.find("enabled"), std::string::npos) << refused.error().message;
  }
  EXPECT_TRUE(parse("sum(rate(x[5m]))", ParseOptions::strict()));
}

}  // namespace
}  // namespace tocsin::promql
