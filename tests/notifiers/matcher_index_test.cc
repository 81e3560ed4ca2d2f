#include "notifiers/matcher_index.h"

#include <gmock/gmock.h>

namespace tocsin {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MatcherIndex, TellsTheWordsOfARegularExpression) {
  EXPECT_THAT(words_of_regex("a|b\\.c"), ElementsAre("a", "b.c"));
  EXPECT_THAT(words_of_regex("web-1"), ElementsAre("web-1"));
  for (const char* more : {"a.", "a|", "", "a*", "(a|b)", "\\d", "a\\", "[ab]"})
    EXPECT_THAT(words_of_regex(more), IsEmpty()) << more;
}

TEST(MatcherIndex, FindsWhatMayMatchAndLittleElse) {
  MatcherIndex index;
  index.add(1, *parse_matchers("a=x,b=y"));
  index.add(2, *parse_matchers("a=~\"x|z\""));
  index.add(3, *parse_matchers("a=~\"x.*\""));
  index.add(4, *parse_matchers("a!=x"));
  index.add(5, *parse_matchers("c=~\".+\""));
  for (MatcherIndex::Id id = 100; id < 10'100; ++id)
    index.add(id, {Matcher::equal("a", "x"), Matcher::equal("n", std::to_string(id))});
  EXPECT_THAT(index.candidates(Labels{{"a", "x"}, {"b", "y"}}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(index.candidates(Labels{{"a", "z"}, {"n", "777"}}), ElementsAre(2, 3, 4, 777));
  EXPECT_THAT(index.candidates(Labels{{"c", "1"}}), ElementsAre(4, 5));
  index.remove(4);
  index.remove(2);
  EXPECT_THAT(index.candidates(Labels{{"a", "z"}}), ElementsAre(3));
}

}  // namespace
}  // namespace tocsin
