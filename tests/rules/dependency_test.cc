#include "rules/dependency.h"

#include <gtest/gtest.h>

#include "rules/rule_file.h"

namespace tocsin {
namespace {

TEST(Dependency, IsAnAlertWithMatchersAndCommonLabels) {
  const auto plain = parse_dependency("It is down");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->alert, "It is down");
  EXPECT_TRUE(plain->matchers.empty() && plain->on.empty());

  const auto full = parse_dependency(R"~( NetworkDown{site=~"a|b on (c)"} on (site, rack) )~");
  ASSERT_TRUE(full) << full.error().message;
  EXPECT_EQ(full->alert, "NetworkDown");
  ASSERT_EQ(full->matchers.size(), 1U);
  EXPECT_EQ(full->matchers[0].value(), "a|b on (c)");
  EXPECT_EQ(full->on, (std::vector<std::string>{"site", "rack"}));
}

TEST(Dependency, OfTheBoardFindsWhatFires) {
  AlertBoard board;
  board.want("N");
  EXPECT_TRUE(board.wanted("N"));
  EXPECT_FALSE(board.wanted("M"));
  const Labels firing{{"alertname", "N"}, {"site", "a"}};
  board.publish("N", "rule", {firing});
  const Labels here{{"site", "a"}}, there{{"site", "b"}};
  EXPECT_EQ(board.find(*parse_dependency("N"), there), firing);
  EXPECT_EQ(board.find(*parse_dependency("N on (site)"), here), firing);
  EXPECT_EQ(board.find(*parse_dependency("N on (site)"), there), std::nullopt);
  EXPECT_EQ(board.find(*parse_dependency("N{site=\"b\"}"), here), std::nullopt);
  EXPECT_EQ(board.find(*parse_dependency("M"), here), std::nullopt);
  board.publish("N", "rule", {});
  EXPECT_EQ(board.find(*parse_dependency("N"), here), std::nullopt);
}

TEST(Dependency, InACircleIsAMistakeOfEachInIt) {
  const auto rule = [](const std::string& name, const std::string& other) {
    return "[[group.rule]]\nalert = \"" + name + "\"\nexpr = \"up == 0\"\ndepends_on = ['" + other + "']\n";
  };
  Diagnostics reading, circles;
  check_dependencies(parse_rule_file("[[group]]\nname = \"g\"\n" + rule("A", "B{x=\"1\"}") + rule("B", "C") +
                                         rule("C", "A") + rule("D", "A") + rule("E", "E on (x)"),
                                     "a.toml", reading),
                     circles);
  ASSERT_TRUE(reading.empty()) << reading.str();
  EXPECT_EQ(circles.size(), 4U) << circles.str();
  EXPECT_EQ(circles.str().find("\"D\""), std::string::npos);
}

}  // namespace
}  // namespace tocsin
