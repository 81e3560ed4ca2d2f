#include "agent/core/labels.h"

#include <gtest/gtest.h>

#include "agent/core/alert.h"

namespace tocsin {
namespace {

TEST(Labels, SortsKeepsTheLastOfANameAndDropsEmptyValues) {
  const Labels labels{{"b", "1"}, {"a", "x"}, {"b", "2"}, {"c", ""}, {"a", "y"}};
  EXPECT_EQ(labels.str(), R"({a="y", b="2"})");
  EXPECT_EQ(labels.size(), 2U);
  EXPECT_EQ(labels.get("b"), "2");
  EXPECT_EQ(labels.get("c"), "");
  EXPECT_FALSE(labels.has("c"));
  EXPECT_EQ((Labels{{"a", "x"}, {"a", ""}}), Labels()) << "the last one counts, and it is empty";
}

TEST(Labels, FingerprintsAsPrometheusDoes) {
  EXPECT_EQ(Labels().hash(), 14695981039346656037ULL);
  EXPECT_EQ((Labels{{"name", "garland, briggs"}, {"fear", "love is not enough"}}).hash(), 5799056148416392346ULL);
  Alert alert;
  EXPECT_EQ(alert.fingerprint(), "cbf29ce484222325");
}

TEST(Labels, CompareNameByNameAndValueByValue) {
  const Labels sorted[] = {{}, {{"a", "1"}}, {{"a", "1"}, {"b", "1"}}, {{"a", "2"}}, {{"b", "0"}}};
  for (std::size_t i = 0; i < std::size(sorted); ++i) {
    for (std::size_t j = 0; j < std::size(sorted); ++j) {
      EXPECT_EQ(sorted[i] < sorted[j], i < j) << i << " " << j;
      EXPECT_EQ(sorted[i] == sorted[j], i == j) << i << " " << j;
    }
  }
}

TEST(Labels, PrintAsTheExpositionFormatAndPromqlDo) {
  EXPECT_EQ((Labels{{"__name__", "up"}}).metric_str(), "up");
  EXPECT_EQ((Labels{{"__name__", "up"}, {"a", "x\"\\\n"}}).metric_str(), R"(up{a="x\"\\\n"})");
  EXPECT_EQ((Labels{{"__name__", "my.metric"}, {"a.b", "1"}}).metric_str(), R"({"my.metric","a.b"="1"})");
  EXPECT_EQ(Labels().metric_str(), "{}");
  EXPECT_EQ(Labels().str(), "{}");
}

TEST(Labels, AreChangedByABuilder) {
  const Labels base{{"a", "1"}, {"b", "2"}};
  LabelsBuilder builder(base);
  builder.set("c", "3").del("a").set("b", "4").set("d", "");
  EXPECT_EQ(builder.get("b"), "4");
  EXPECT_EQ(builder.labels(), (Labels{{"b", "4"}, {"c", "3"}}));
  EXPECT_EQ(base.get("a"), "1");
}

TEST(Labels, ShareOneBlockWhenInterned) {
  LabelInterner interner;
  const Labels a = interner.intern(Labels{{"a", "1"}});
  const Labels b = interner.intern(Labels{{"a", "1"}});
  EXPECT_TRUE(a.same_block(b));
  EXPECT_FALSE(a.same_block(Labels{{"a", "1"}}));
  EXPECT_EQ(a, (Labels{{"a", "1"}}));
  EXPECT_EQ(interner.size(), 1U);
  interner.erase(a);
  EXPECT_EQ(interner.size(), 0U);
  EXPECT_EQ(b.get("a"), "1");
}

TEST(Labels, KnowValidNamesAndUtf8) {
  EXPECT_TRUE(is_valid_legacy_metric_name("a:b_1"));
  EXPECT_FALSE(is_valid_legacy_label_name("a:b"));
  EXPECT_FALSE(is_valid_legacy_label_name("1a"));
  EXPECT_FALSE(is_valid_legacy_label_name(""));
  EXPECT_TRUE(is_valid_utf8("é€🙂"));
  for (const char* bad : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "a\x80"}) {
    EXPECT_FALSE(is_valid_utf8(bad));
  }
}

}  // namespace
}  // namespace tocsin
