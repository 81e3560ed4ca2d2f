#include "rules/promql/query_cache.h"

#include <gtest/gtest.h>

namespace tocsin::promql {
namespace {

constexpr TimePoint kNow{std::chrono::hours(24 * 365)};

class QueryCacheTest : public testing::Test {
 protected:
  QueryCacheTest() { options_.cache = std::make_shared<QueryCache>(); }
  Query query(const std::string& text) const { return Query(*parse(text), options_); }
  void append(const Labels& labels, double v, TimePoint t = kNow) { store_.append(*store_.ref(labels), t, v); }
  /// What there is at `now`, as text.
  std::string ask(Query& query, TimePoint now = kNow) {
    const auto result = query.instant(store_, now);
    if (!result) return result.error().message;
    std::string out;
    for (const VectorElement& e : std::get<Vector>(result->value))
      out += fmt::format("{}={} ", e.labels.metric_str(), e.sample.v);
    return out;
  }

  SeriesStore store_;
  QueryOptions options_;
};

TEST_F(QueryCacheTest, EvaluatesAPartOnceUntilAMetricItReadsIsWritten) {
  append({{kMetricName, "a"}}, 1);
  append({{kMetricName, "b"}}, 10);
  Query first = query("sum(a) + 1"), second = query("sum(a) + 2"), other = query("sum(b) + 1"), more = query("sum(b)");
  Query any = query("sum({__name__=~\"a|b\"})"), again = query("1 + sum({__name__=~\"a|b\"})");
  options_.cache->begin();
  EXPECT_EQ(ask(first), "{}=2 ");
  EXPECT_EQ(ask(other), "{}=11 ");
  EXPECT_EQ(ask(any), "{}=11 ");
  append({{kMetricName, "a"}, {"x", "y"}}, 5);
  EXPECT_EQ(ask(second), "{}=3 ") << "nobody said that it was written";
  options_.cache->wrote("b");
  EXPECT_EQ(ask(second), "{}=3 ");
  EXPECT_EQ(ask(again), "{}=17 ") << "it may read b";
  options_.cache->wrote("a");
  EXPECT_EQ(ask(second), "{}=8 ");
  append({{kMetricName, "b"}, {"x", "y"}}, 5);
  EXPECT_EQ(ask(more), "{}=15 ") << "b was written before";
  append({{kMetricName, "a"}, {"x", "z"}}, 5);
  options_.cache->begin();
  EXPECT_EQ(ask(first), "{}=12 ");
}

TEST_F(QueryCacheTest, KeepsNoValueOfAnotherTime) {
  append({{kMetricName, "a"}}, 1);
  append({{kMetricName, "a"}}, 2, kNow + std::chrono::seconds(1));
  Query first = query("sum(a)"), second = query("sum(a) + 0");
  EXPECT_EQ(ask(first), "{}=1 ");
  EXPECT_EQ(ask(second, kNow + std::chrono::seconds(1)), "{}=2 ");
  EXPECT_EQ(ask(first), "{}=1 ");
}

TEST_F(QueryCacheTest, FollowsSeriesThatComeAndGo) {
  append({{kMetricName, "a"}, {"i", "2"}}, 2);
  Query one = query("a"), two = query("-a"), three = query("a{i=\"3\"}");
  EXPECT_EQ(ask(one), "a{i=\"2\"}=2 ");
  EXPECT_EQ(ask(three), "");
  append({{kMetricName, "a"}, {"i", "3"}}, 3);
  append({{kMetricName, "a"}, {"i", "1"}}, 1);
  append({{kMetricName, "b"}, {"i", "1"}}, 1);
  EXPECT_EQ(ask(one), "a{i=\"1\"}=1 a{i=\"2\"}=2 a{i=\"3\"}=3 ");
  EXPECT_EQ(ask(two), "{i=\"1\"}=-1 {i=\"2\"}=-2 {i=\"3\"}=-3 ");
  EXPECT_EQ(ask(three), "a{i=\"3\"}=3 ");

  const TimePoint later = kNow + std::chrono::hours(5);
  append({{kMetricName, "a"}, {"i", "2"}}, 4, later);
  for (int i = 0; i < 3; ++i) store_.maintain(later);
  ASSERT_EQ(store_.stats().series, 1U);
  EXPECT_EQ(ask(one, later), "a{i=\"2\"}=4 ");
  append({{kMetricName, "a"}, {"i", "1"}}, 7, later);
  EXPECT_EQ(ask(two, later), "{i=\"1\"}=-7 {i=\"2\"}=-4 ");
}

TEST_F(QueryCacheTest, MatchesAnewWhenTooMuchHappened) {
  Query one = query("count(a)");
  append({{kMetricName, "a"}, {"i", "x"}}, 2);
  EXPECT_EQ(ask(one), "{}=1 ");
  for (int i = 0; i < 3000; ++i) {
    append({{kMetricName, "a"}, {"i", std::to_string(i)}}, 2);
    if (i == 100) {
      EXPECT_EQ(ask(one), "{}=102 ");
    }
  }
  EXPECT_EQ(ask(one), "{}=3001 ");
}

}  // namespace
}  // namespace tocsin::promql
