#include "rules/rule_lint.h"

#include <gtest/gtest.h>

namespace tocsin {
namespace {

std::string lint(std::string_view toml) {
  Diagnostics mistakes, warnings;
  lint_rule_groups(parse_rule_file(toml, "a.toml", mistakes), warnings);
  EXPECT_EQ(mistakes.str(), "");
  return warnings.str();
}

std::string lint_expr(const std::string& expr) {
  return lint("[[group]]\nname = \"g\"\n[[group.rule]]\nalert = \"A\"\nexpr = '" + expr + "'\n");
}

/// Whether the selectors of an expression contradict themselves, and whether it can give anything all the same.
struct Row {
  const char* expr;
  bool contradicts;
  bool dead;
};
const Row kRows[] = {
    {R"(up == 0)", false, false},
    {R"(up{a="1"} == 0)", false, false},
    {R"(up{a="1",a=~"1|2"} == 0)", false, false},
    {R"(up{a!="1",a!="2"} == 0)", false, false},
    {R"(up{a="1",a="2"} == 0)", true, true},
    {R"(up{a="1",a!="1"} == 0)", true, true},
    {R"(up{a="1",a=~"2|3"} == 0)", true, true},
    {R"(up{a="1",a!~"1.*"} == 0)", true, true},
    {R"(sum(rate(up{a="1",a="2"}[5m])) > 1)", true, true},
    {R"(-(up{a="1",a="2"}))", true, true},
    {R"(max_over_time(up{a="1",a="2"}[5m:1m]) > 1)", true, true},
    {R"(up or up{a="1",a="2"})", true, false},
    {R"(up{a="1",a="2"} or up{a="1",a="2"})", true, true},
    {R"(up and up{a="1",a="2"})", true, true},
    {R"(up unless up{a="1",a="2"})", true, false},
    {R"(up{a="1",a="2"} unless up)", true, true},
    {R"(up / up{a="1",a="2"} > 1)", true, true},
    {R"(absent(up{a="1",a="2"}))", true, false},
    {R"(vector(scalar(up{a="1",a="2"})))", true, false},
};

TEST(RuleLint, FindsSelectorsThatContradictThemselvesAndRulesThatAreDeadByThem) {
  for (const Row& row : kRows) {
    const std::string said = lint_expr(row.expr);
    EXPECT_EQ(said.find("can match nothing") != std::string::npos, row.contradicts) << row.expr << "\n" << said;
    EXPECT_EQ(said.find("can never fire") != std::string::npos, row.dead) << row.expr << "\n" << said;
  }
}

TEST(RuleLint, NamesThePlaceAndTheMatchers) {
  EXPECT_EQ(lint_expr(R"(up{a="1",a="2"} == 0)"),
            "a.toml:5:8: up{a=\"1\",a=\"2\"} can match nothing: a=\"1\" and a=\"2\" are never true together.\n"
            "a.toml:5:8: The rule \"A\" can never fire.\n");
}

TEST(RuleLint, FindsTheSameRuleTwiceWhateverItsExpression) {
  const std::string rule = "[[group.rule]]\nalert = \"A\"\nexpr = \"up == 0\"\nlabels = { a = \"b\" }\n";
  const std::string other = "[[group.rule]]\nalert = \"A\"\nexpr = \"up == 1\"\nlabels = { a = \"c\" }\n";
  EXPECT_EQ(lint("[[group]]\nname = \"g\"\n" + rule + other), "");
  EXPECT_EQ(lint("[[group]]\nname = \"g\"\n" + rule + "[[group]]\nname = \"h\"\n" + rule),
            "a.toml:9:1: There is already a rule \"A\" with the same labels, in line 3.\n");
}

TEST(RuleLint, FindsGroupsWithoutRules) {
  EXPECT_EQ(lint("[[group]]\nname = \"g\"\n"), "a.toml:1:1: The group \"g\" has no rules.\n");
}

}  // namespace
}  // namespace tocsin
