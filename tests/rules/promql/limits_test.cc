// What keeps a query from taking the machine: limits and checkpoints.

#include <gtest/gtest.h>

#include "rules/promql/promql.h"

namespace tocsin::promql {
namespace {

using namespace std::chrono_literals;

TimePoint at(Duration since) {
  return TimePoint(1'700'000'000s + since);
}

class QueryLimits : public testing::Test {
 protected:
  QueryLimits() {
    for (int i = 0; i < 20; ++i) {
      const SeriesRef ref = *store_.ref(Labels{{kMetricName, "m"}, {"le", "0.5"}, {"i", std::to_string(i)}});
      for (int s = 0; s < 100; ++s) store_.append(ref, at(s * 10s), s);
    }
  }
  Result<QueryResult> instant(const std::string& text, QueryOptions options) {
    Query query(*parse(text), std::move(options));
    return query.instant(store_, at(990s));
  }
  Result<QueryResult> range(const std::string& text, QueryOptions options) {
    Query query(*parse(text), std::move(options));
    return query.range(store_, at(0s), at(990s), 10s);
  }
  static std::string error(const Result<QueryResult>& result) { return result ? "" : result.error().message; }

  SeriesStore store_;
};

constexpr const char* kTooMany = "query processing would load too many samples into memory in query execution";

TEST_F(QueryLimits, SamplesHeldAtOnceAreCounted) {
  struct Row {
    const char* text;
    std::uint64_t instant;  // how many values it takes at the least
    std::uint64_t range;
  };
  const Row rows[] = {
      {"m", 20, 2100},  // a result, and the samples of one series while they are read
      {"m + m", 60, 6000},
      {"sum(m)", 21, 2100},
      {"sum_over_time(m{i=\"1\"}[500s])", 51, 200},
      {"sum_over_time(vector(1)[1h:1s])", 7201, 9280},  // the inner result, the window and the outer result
  };
  for (const Row& row : rows) {
    QueryOptions options;
    options.samples_max = row.instant;
    EXPECT_EQ(error(instant(row.text, options)), "") << row.text;
    options.samples_max = row.instant - 1;
    EXPECT_EQ(error(instant(row.text, options)), kTooMany) << row.text;
    options.samples_max = row.range;
    EXPECT_EQ(error(range(row.text, options)), "") << row.text;
    options.samples_max = row.range - 1;
    EXPECT_EQ(error(range(row.text, options)), kTooMany) << row.text;
  }
}

TEST_F(QueryLimits, ARangeVectorThatIsTheResultCountsToo) {
  QueryOptions options;
  options.samples_max = 1000;
  EXPECT_EQ(error(instant("m[500s]", options)), "");
  options.samples_max = 999;
  EXPECT_EQ(error(instant("m[500s]", options)), kTooMany);
}

TEST_F(QueryLimits, SubqueriesOfAbsurdLengthAreRefusedBeforeTheyAreTried) {
  for (const char* text : {"sum_over_time(vector(1)[200y:1ms])", "count_over_time(m[200y:1ms])", "m[200y:1ms]"}) {
    EXPECT_EQ(error(instant(text, {})), kTooMany) << text;
  }
}

TEST_F(QueryLimits, ASelectorThatMatchesTooManySeriesIsRefused) {
  QueryOptions options;
  options.checkpoint = [] { return Result<void>(); };
  options.series_max = 19;
  EXPECT_EQ(error(instant("sum(m)", options)), "the query selects 20 series, more than 19: narrow its matchers");
  options.series_max = 20;
  EXPECT_EQ(error(instant("sum(m)", options)), "");
}

TEST_F(QueryLimits, LabelValuesDoNotGrowWithoutEnd) {
  std::string text = "m";
  for (int i = 0; i < 40; ++i) text = "label_replace(" + text + ", \"i\", \"$1$1\", \"i\", \"(.*)\")";
  EXPECT_EQ(error(instant(text, {})), "a label value of more than 1048576 bytes");
  std::string joined = "m";
  for (int i = 0; i < 40; ++i) joined = "label_join(" + joined + ", \"i\", \"\", \"i\", \"i\")";
  EXPECT_EQ(error(instant(joined, {})), "a label value of more than 1048576 bytes");
}

TEST_F(QueryLimits, TheCheckpointIsReachedAgainAndAgainAndCanEndTheQuery) {
  for (const char* text : {"m", "rate(m[500s])", "quantile_over_time(0.5, m[500s])", "sum by (i) (m)", "topk(3, m)",
                           "m + m", "m and m", "m or m", "count_values(\"v\", m)", "histogram_quantile(0.5, m)",
                           "label_replace(m, \"a\", \"b\", \"i\", \".*\")", "-m", "m > 5", "absent(m)",
                           "max_over_time(m[500s:10s])", "abs(m)", "quantile(0.5, m)"}) {
    int reached = 0, until = 1'000'000;
    QueryOptions options;
    options.checkpoint = [&]() -> Result<void> {
      if (++reached >= until) return fail("enough of it");
      return {};
    };
    Query query(*parse(text), options);
    const auto full = query.range(store_, at(0s), at(990s), 1s);
    ASSERT_TRUE(full) << text << ": " << full.error().message;
    const int all = reached;
    EXPECT_GT(all, 3) << text;  // 20 series at 1000 steps
    reached = 0;
    until = all / 2;
    EXPECT_EQ(error(query.range(store_, at(0s), at(990s), 1s)), "enough of it") << text;
    // The query can be used again.
    until = 1'000'000;
    const auto again = query.range(store_, at(0s), at(990s), 1s);
    ASSERT_TRUE(again) << text;
    EXPECT_EQ(std::get<Matrix>(again->value).size(), std::get<Matrix>(full->value).size()) << text;
  }
}

TEST_F(QueryLimits, ManySeriesAreSelectedInTheSameOrderWithCheckpoints) {
  for (int i = 0; i < 1500; ++i) {
    const SeriesRef ref = *store_.ref(Labels{{kMetricName, "many"}, {"i", std::to_string(i * 7919 % 1500)}});
    store_.append(ref, at(990s), i);
  }
  QueryOptions options;
  int reached = 0;
  options.checkpoint = [&]() -> Result<void> {
    ++reached;
    return {};
  };
  const auto with = instant("many", options), without = instant("many", {});
  ASSERT_TRUE(with && without);
  EXPECT_GT(reached, 5);
  const Vector &a = std::get<Vector>(with->value), &b = std::get<Vector>(without->value);
  ASSERT_EQ(a.size(), 1500U);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].labels, b[i].labels);
}

}  // namespace
}  // namespace tocsin::promql
