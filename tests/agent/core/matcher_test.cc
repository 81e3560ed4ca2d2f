#include "agent/core/matcher.h"

#include <gtest/gtest.h>

namespace tocsin {
namespace {

std::string shown(std::string_view text) {
  const Result<Matchers> matchers = parse_matchers(text);
  if (!matchers) return "error";
  std::string out;
  for (const Matcher& m : *matchers) out += (out.empty() ? "" : " ") + m.str();
  return out;
}

struct Row {
  const char* text;
  const char* want;
};

TEST(ParseMatchers, AcceptsWhatBothGrammarsAccept) {
  const Row rows[] = {
      {"", ""},
      {"{}", ""},
      {"a=b", R"(a="b")"},
      {"{a=b}", R"(a="b")"},
      {R"({a="b"})", R"(a="b")"},
      {R"( { a = "b" , c != "d" , } )", R"(a="b" c!="d")"},
      {"a=b,c!=d", R"(a="b" c!="d")"},
      {R"(code=~"5..")", R"(code=~"5..")"},
      {"{a=~b.*,c!~d.*}", R"(a=~"b.*" c!~"d.*")"},
      {R"({a="b,c", d="e"})", R"(a="b,c" d="e")"},
      {R"({a=""})", R"(a="")"},
      {R"(q != "\"" , c !~ "x,y" , )", R"(q!="\"" c!~"x,y")"},
      {R"({q="He said: \"no, that's it…\""})", R"(q="He said: \"no, that's it…\"")"},
  };
  for (const Row& row : rows) EXPECT_EQ(shown(row.text), row.want) << row.text;
}

TEST(ParseMatchers, TakesAnyUtf8WhereTheClassicGrammarRefuses) {
  const Row rows[] = {
      {R"({name-with-dashes = "b"})", R"("name-with-dashes"="b")"},
      {"00=b", R"("00"="b")"},
      {"Σ=c", R"("Σ"="c")"},
      {R"("\xf0\x9f\x99\x82"=dΘ)", R"("🙂"="dΘ")"},
      {R"({"a b"="c"})", R"("a b"="c")"},
      {R"("a\u00e9"="c")", R"("aé"="c")"},
  };
  for (const Row& row : rows) EXPECT_EQ(shown(row.text), row.want) << row.text;
}

TEST(ParseMatchers, FallsBackToTheClassicGrammar) {
  const Row rows[] = {
      {"{foo='}", R"(foo="'")"},
      {"{foo=`}", R"(foo="`")"},
      {R"({foo=\n})", R"(foo="\n")"},
      {R"({foo=bar\n})", R"(foo="bar\n")"},
      {R"({foo=\t})", R"(foo="\\t")"},
      {R"({foo=bar\})", R"(foo="bar\\")"},
      {R"({foo=bar\\})", R"(foo="bar\\")"},
      {R"({foo=\"})", R"(foo="\"")"},
      {"tricky=~~~", R"(tricky=~"~~")"},
      {R"(trickier==\\=\=\")", R"(trickier="=\\=\\=\"")"},
      {"{foo=bar}}", R"(foo="bar}")"},
      {"{foo=bar}},}", R"(foo="bar}}")"},
      {"{foo=,bar=}}", R"(foo="" bar="}")"},
      {"job=", R"(job="")"},
      {"{foo=", R"(foo="")"},
      {"{foo=}b", R"(foo="}b")"},
      {"{foo=bar", R"(foo="bar")"},
      // Both accept it and differ: nobody's old configuration changes its meaning.
      {R"(a="\x41")", R"(a="\\x41")"},
  };
  for (const Row& row : rows) EXPECT_EQ(shown(row.text), row.want) << row.text;
}

TEST(ParseMatchers, RefusesWhatNeitherGrammarAccepts) {
  for (const char* text : {"{,}",
                           ",",
                           "=",
                           "a",

                           R"(job="value)",
                           R"(job=value")",
                           R"(trickier==\\=\=\"")",
                           R"(x = foo"bar)",
                           R"({foo=~"invalid[regexp"})",
                           R"("{foo=\"bar"})",
                           R"("foo=\"bar")",
                           R"("foo=\"bar\"")",
                           R"("foo=\"bar\")",
                           R"("{foo=\"bar\"}")",
                           R"("foo="bar"")",
                           "{{foo=",
                           "a!b",
                           "a~b",
                           "\xff=b",
                           R"("\xff"="b")"}) {
    EXPECT_EQ(shown(text), "error") << text;
  }
}

TEST(ParseMatchers, NamesTheTextAndItsPlace) {
  EXPECT_EQ(parse_matchers("{a=\"b\" c=\"d\"}").error().message,
            "\"c\" at column 8 stands where a comma or } was expected");
  EXPECT_EQ(parse_matchers("a").error().message,
            "the text ends where an operator such as =, !=, =~ or !~ was expected");
  EXPECT_EQ(parse_matchers("{,}").error().message, "\",\" at column 2 stands where a label name was expected");
}

TEST(Matcher, AnchorsRegularExpressionsAtBothEnds) {
  const Matcher m = *Matcher::make("a", MatchOp::kRegex, "b|c.");
  EXPECT_TRUE(m.matches("b"));
  EXPECT_TRUE(m.matches("c\n"));
  EXPECT_FALSE(m.matches("bc"));
  EXPECT_FALSE(m.matches("xb"));
  EXPECT_FALSE(Matcher::make("a", MatchOp::kRegex, "(")) << "does not compile";
}

TEST(Matcher, TreatsAMissingLabelAsEmpty) {
  const Labels labels{{"a", "b"}};
  EXPECT_TRUE(Matcher::make("x", MatchOp::kEqual, "")->matches(labels));
  EXPECT_TRUE(Matcher::make("x", MatchOp::kNotEqual, "y")->matches(labels));
  EXPECT_TRUE(Matcher::make("x", MatchOp::kRegex, ".*")->matches(labels));
  EXPECT_FALSE(Matcher::make("x", MatchOp::kRegex, ".+")->matches(labels));
  EXPECT_TRUE(matches({}, labels));
  EXPECT_FALSE(matches({Matcher::equal("a", "b"), Matcher::equal("a", "c")}, labels));
}

}  // namespace
}  // namespace tocsin
