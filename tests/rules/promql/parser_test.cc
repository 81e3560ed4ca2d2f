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
      {"(1))", "1:5: parse error: unexpected right parenthesis ')'"},
      {"2.5.", "1:1: parse error: bad number or duration syntax: \"2.5.\""},
      {"100..4", "1:1: parse error: bad number or duration syntax: \"100..\""},
      {"0deadbeef", "1:1: parse error: bad number or duration syntax: \"0de\""},
      {"1_e3", "1:1: parse error: bad number or duration syntax: \"1_e\""},
      {"0b101", "1:1: parse error: bad number or duration syntax: \"0\""},
      {"1e400", "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of range"},
      {"0x", "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"0x\": invalid syntax"},
      {".5.5", "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \".5.5\": invalid syntax"},
      {"foo[1.5m]", "1:5: parse error: unknown unit \".\" in duration \"1.5m\""},
      {"foo[5y1hs]", "1:5: parse error: unknown unit \"hs\" in duration \"5y1hs\""},
      {"foo[5m1h]", "1:5: parse error: not a valid duration string: \"5m1h\""},
      {"foo[300000000000y]", "1:5: parse error: duration out of range"},
      {"foo offset 9.5e10", "1:12: parse error: duration out of range"},
      {"foo[5m1]", "1:5: parse error: bad number or duration syntax: \"5m1\""},
      {"foo[5s x 5s]", "1:8: parse error: unexpected character: 'x', expected ':'"},
      {"foo[5m::1m]", "1:8: parse error: unexpected colon ':'"},
      {"foo[:5m]", "1:5: parse error: unexpected colon before duration in duration expression"},
      {"foo[", "1:5: parse error: unexpected end of input in duration expression"},
      {"foo[5m", "1:7: parse error: unclosed left bracket"},
      {"foo[5m[", "1:7: parse error: unexpected left bracket '['"},
      {"foo[step]",
       "1:9: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or "
       "range()"},
      {"foo[5s/0d]", "1:7: parse error: division by zero"},
      {"foo offset (4d%0)", "1:15: parse error: modulo by zero"},
      {"\"\\c\"", "1:1: parse error: unknown escape sequence U+0063 'c'"},
      {"\"\\x.\"", "1:1: parse error: illegal character U+002E '.' in escape sequence"},
      {"'\\ud800'", "1:1: parse error: escape sequence is an invalid Unicode code point"},
      {"'\\777'", "1:1: parse error: escape sequence is an invalid Unicode code point"},
      {"\"\\", "1:1: parse error: escape sequence not terminated"},
      {"\"\\x4", "1:1: parse error: escape sequence not terminated"},
      {"`\\``", "1:4: parse error: unterminated raw string"},
      {"\"a\nb\"", "1:1: parse error: unterminated quoted string"},
      {"some_metric{a=\"\xff\"}", "1:15: parse error: invalid UTF-8 rune"},
      {"foo \x01", "1:5: parse error: unexpected character: '\\x01'"},
      {"foo !", "1:5: parse error: unexpected character after '!': '\uFFFD'"},
      {"1 =~ 1", "1:3: parse error: unexpected character after '=': '~'"},
      {"some}", "1:5: parse error: unexpected character: '}'"},
      {"foo{a>=\"b\"}", "1:6: parse error: unexpected character inside braces: '>'"},
      {"foo{\"a\"=}", "1:9: parse error: unexpected \"}\" in label matching, expected string"},
      {"sum without(==)(x)", "1:13: parse error: unexpected <op:==> in grouping opts, expected label"},
      {"sum without(a,,)(x)", "1:15: parse error: unexpected \",\" in grouping opts, expected label"},
      {"sum some_metric by (test)", "1:5: parse error: unexpected identifier \"some_metric\""},
      {"sum (some_metric) without (test) by (test)", "1:34: parse error: unexpected <by>"},
      {"a - on(b) ignoring(c) d", "1:11: parse error: unexpected <ignoring>"},
      {"foo + group_left(baz) bar", "1:7: parse error: unexpected <group_left>"},
      {"foo and bool 10", "1:5: parse error: bool modifier can only be used on comparison operators"},
      {"1 or on(bar) foo", "1:1: parse error: vector matching only allowed between instant vectors"},
      {"foo{a=~\"b(\"}", "1:5: parse error: error parsing regexp: missing closing ): `b(`"},
      {"foo{a=~\"b)\"}", "1:5: parse error: error parsing regexp: unexpected ): `b)`"},
      {"foo{a!~\"*b\"}", "1:5: parse error: error parsing regexp: missing argument to repetition operator: `*`"},
      {"foo{a=~\"b**\"}", "1:5: parse error: error parsing regexp: invalid nested repetition operator: `**`"},
      {"foo{a=~\"[b\"}", "1:5: parse error: error parsing regexp: missing closing ]: `[b`"},
      {"foo{a=~\"b\\\\\"}", "1:5: parse error: error parsing regexp: trailing backslash at end of expression: ``"},
      {"clamp(foo, * 2, 1)", "1:10: parse error: trailing commas not allowed in function call args"},
      {"topk(1, bool)", "1:7: parse error: trailing commas not allowed in function call args"},
      {"abs(foo, $)", "1:10: parse error: unexpected character: '$'"},
      {"a + on (b) group_left bool c", "1:23: parse error: unexpected <bool> in grouping opts, expected \"(\""},
      {"topk(foo))", "1:11: parse error: unexpected right parenthesis ')'"},
      {"topk(foo) by (a))",
       "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1"},
      {"@@", "1:1: parse error: unexpected <op:@>"},
      {"-=", "1:2: parse error: unexpected \"=\""},
      {"rate(some_metric[5m]) @ 1234",
       "1:1: parse error: @ modifier must be preceded by an instant vector selector or range vector selector or a "
       "subquery"},
      {"info(a, b{c=\"d\"})", "1:9: parse error: expected label selectors only, got vector selector instead"},
      {"info(a, {b=\"c\"} == 1)", "1:9: parse error: expected label selectors only"},
      {"label_set(a, \"b\")",
       "1:1: parse error: expected pairs of a name and a value in call to \"label_set\", got 2 argument(s)"},
      {"label_set(a, \"b\", \"c\", \"d\")",
       "1:1: parse error: expected pairs of a name and a value in call to \"label_set\", got 4 argument(s)"},
      {"1 default foo", "1:1: parse error: a scalar always has a value: it cannot be the left operand of \"default\""},
      {"foo if 1", "1:1: parse error: set operator \"if\" not allowed in binary scalar expression"},
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

TEST(Parser, StrictlyTakesWhatPrometheusTakesWithoutAnyFlag) {
  const ErrorCase cases[] = {
      {"mad_over_time(x[5m])", "1:1: parse error: function \"mad_over_time\" is not enabled"},
      {"info(x)", "1:1: parse error: function \"info\" is not enabled"},
      {"limitk(1, x)",
       "1:1: parse error: limitk() is experimental and must be enabled with "
       "--enable-feature=promql-experimental-functions"},
      {"a + fill (0) b", "1:1: parse error: binop fill modifiers are experimental and not enabled"},
      {"rate(x[5m] anchored)", "1:6: parse error: anchored modifier is experimental and not enabled"},
      {"x smoothed", "1:1: parse error: smoothed modifier is experimental and not enabled"},
      {"a default b", "1:3: parse error: operator \"default\" is an extension of PromQL and is not enabled"},
      {"1 + (a IF b)", "1:8: parse error: operator \"if\" is an extension of PromQL and is not enabled"},
      {"label_set(a, \"b\", \"c\")",
       "1:1: parse error: function \"label_set\" is an extension of PromQL and is not enabled"},
  };
  for (const ErrorCase& c : cases) {
    EXPECT_TRUE(parse(c.text)) << c.text;
    const auto refused = parse(c.text, ParseOptions::strict());
    ASSERT_FALSE(refused) << c.text;
    EXPECT_EQ(refused.error().str(), c.error) << c.text;
  }
  for (const char* text :
       {"sum(rate(x[5m]))", "default + if{ifnot=\"a\"}", "sum by (default, if) (x)", "x[5m + step()]"}) {
    EXPECT_TRUE(parse(text, ParseOptions::strict())) << text;
  }
}

}  // namespace
}  // namespace tocsin::promql
