#include "probes/expect.h"

#include <gtest/gtest.h>

namespace tocsin {
namespace {

TEST(Expect, ExpandsAsGoDoes) {
  const Pattern pattern = *Pattern::make("^(\\w+) (?P<host>[^ ]+)( never)?");
  const std::string line = "220 mail.example.org ready";
  const auto match = Match::find(pattern, line);
  ASSERT_TRUE(match);
  const std::pair<const char*, const char*> kTable[] = {{"EHLO $2", "EHLO mail.example.org"},
                                                        {"$1x", ""},
                                                        {"${1}x", "220x"},
                                                        {"$host.", "mail.example.org."},
                                                        {"${host}", "mail.example.org"},
                                                        {"$$1", "$1"},
                                                        {"$", "$"},
                                                        {"$ 1", "$ 1"},
                                                        {"${1", "${1"},
                                                        {"$9", ""},
                                                        {"${nosuch}", ""},
                                                        {"[$3]", "[]"},
                                                        {"$0", "220 mail.example.org"},
                                                        {"$01", ""},
                                                        {"plain", "plain"},
                                                        {"", ""}};
  for (const auto& [text, wanted] : kTable) EXPECT_EQ(match->expand(text), wanted) << text;
}

TEST(Expect, FindsNothingWhereNothingIs) {
  const Pattern pattern = *Pattern::make("^x");
  EXPECT_FALSE(Match::find(pattern, "ax"));
}

}  // namespace
}  // namespace tocsin
