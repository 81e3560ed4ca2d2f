#include "rules/rule_query.h"

#include <gtest/gtest.h>

#include "rules/rule_group.h"

namespace tocsin {
namespace {

using namespace std::chrono_literals;

TimePoint at(Duration d) {
  return TimePoint{} + std::chrono::hours(24 * 20'000) + d;
}

/// What was dropped from memory: one sample a minute, counting the minutes, of series that a test names.
class FakeHistory final : public History {
 public:
  std::vector<Labels> known;
  int reads = 0;

  std::vector<Labels> select(const Matchers& matchers, TimePoint, TimePoint) override {
    std::vector<Labels> out;
    for (const Labels& labels : known) {
      if (std::ranges::all_of(matchers, [&](const Matcher& m) { return m.matches(labels.get(m.name())); })) {
        out.push_back(labels);
      }
    }
    return out;
  }
  void samples(const Labels&, TimePoint from, TimePoint to, std::vector<Sample>& out) override {
    ++reads;
    for (int i = 0; i < 24 * 60; ++i) {
      if (at(i * 1min) >= from && at(i * 1min) <= to) out.push_back({at(i * 1min), static_cast<double>(i)});
    }
  }
};

class RuleQueryTest : public testing::Test {
 protected:
  RuleQueryTest() : store_({.retention = 2h}) {
    const SeriesRef ref = *store_.ref(Labels{{"__name__", "m"}});
    for (int i = 0; i < 24 * 60; ++i) {
      store_.maintain(at(i * 1min));
      store_.append(ref, at(i * 1min), i);
    }
    context_.history = history_;
  }

  double value(const std::string& expr, Duration when) {
    promql::Query query(*promql::parse(expr), query_options(context_));
    const Result<RuleResult> result = rule_result(query, store_, at(when), context_);
    EXPECT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->vector.size(), 1U) << expr;
    return result->vector.empty() ? -1 : result->vector[0].sample.v;
  }

  std::shared_ptr<FakeHistory> history_ = std::make_shared<FakeHistory>();
  RuleContext context_;
  SeriesStore store_;
};

TEST_F(RuleQueryTest, ARuleThatLooksFurtherThanMemorySeesWhatIsOnDisk) {
  EXPECT_EQ(value("count_over_time(m[12h])", 24h - 1min), 12 * 60);
  EXPECT_GT(history_->reads, 0);
  context_.history = nullptr;
  EXPECT_LT(value("count_over_time(m[12h])", 24h - 1min), 4 * 60);
}

TEST_F(RuleQueryTest, ARuleOfLatelyLeavesTheDiskAlone) {
  EXPECT_EQ(value("count_over_time(m[1h])", 24h - 1min), 60);
  EXPECT_EQ(value("m", 24h - 1min), 24 * 60 - 1);
  EXPECT_EQ(history_->reads, 0);
}

TEST_F(RuleQueryTest, OneQueryEvaluatedAgainAndAgainNeverTakesAnOldViewForANewOne) {
  promql::Query query(*promql::parse("count by (a) (count_over_time({a!=\"\"}[12h]))"), query_options(context_));
  for (int round = 0; round < 3; ++round) {
    history_->known = {Labels{{"__name__", "gone"}, {"a", std::to_string(round)}}};
    const Result<RuleResult> result = rule_result(query, store_, at(24h - 1min), context_);
    ASSERT_TRUE(result) << result.error().message;
    ASSERT_EQ(result->vector.size(), 1U);
    EXPECT_EQ(result->vector[0].labels.get("a"), std::to_string(round));
  }
}

}  // namespace
}  // namespace tocsin
