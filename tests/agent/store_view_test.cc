#include "agent/store_view.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "rules/promql/promql.h"
#include "tests/support/run.h"
#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr TimePoint kStart{Duration(1'700'000'000'000)};

/// Ten hours of a series that counts and an hour of one that ended, of which memory has the newest hour.
class StoreViewTest : public testing::Test {
 protected:
  StoreViewTest() : store_({.retention = 1h}) {
    auto opened = MetricsDb::open(dir_.path("metrics.db"), {}, store_, TimePoint::min());
    EXPECT_TRUE(opened);
    disk_ = std::move(*opened);
    for (Duration t = 0s; t < 10h; t += 15s) {
      store_.append(*store_.ref(Labels{{kMetricName, "count"}}), kStart + t, static_cast<double>(t / 15s));
      if (t < 1h) store_.append(*store_.ref(Labels{{kMetricName, "ended"}}), kStart + t, 1);
      if (t % 5min == 0s) store_.maintain(kStart + t);
      if (t % 1h == 0s) disk_->flush(store_, 0, kStart + t);
    }
    disk_->flush(store_, 0, kStart + 10h);
    disk_->wait();
  }

  JobEnd run(QueryRunner::Job job, Duration timeout = 1min) {
    return test::run(io_, runner_.run(std::move(job), timeout));
  }

  test::TempDir dir_;
  asio::io_context io_{1};
  SystemClock clock_;
  SeriesStore store_;
  std::unique_ptr<MetricsDb> disk_;
  QueryRunner runner_{io_, clock_, QueryConfig{}};
};

TEST_F(StoreViewTest, AQueryGoesOnOnDiskWhereMemoryEnds) {
  std::size_t counted = 0, ended = 0;
  const JobEnd end = run([&](Turn& turn) {
    ASSERT_TRUE(turn.acquire());
    const StoreView view(store_, disk_.get(), turn, kStart, kStart + 10h);
    promql::QueryOptions options;
    options.checkpoint = [&turn] { return turn.checkpoint(); };
    for (const bool counts : {true, false}) {
      promql::Query query(*promql::parse(counts ? "count" : "ended"), options);
      const auto result = query.range(view.store(), kStart, kStart + 10h - 15s, 15s);
      ASSERT_TRUE(result) << result.error().message;
      const auto& matrix = std::get<promql::Matrix>(result->value);
      ASSERT_EQ(matrix.size(), 1U);
      (counts ? counted : ended) = matrix[0].samples.size();
      EXPECT_EQ(matrix[0].samples[100].v, counts ? 100 : 1);
    }
    turn.release();
  });
  EXPECT_EQ(end, JobEnd::kDone);
  EXPECT_EQ(counted, 2400U);
  EXPECT_EQ(ended, 240U + 19U) << "an hour and what the lookback adds";
  EXPECT_EQ(store_.select(*parse_matchers(R"({__name__="ended"})"), TimePoint::min(), TimePoint::max()).size(), 0U);
}

TEST_F(StoreViewTest, AQueryOfLatelyIsMemorysAlone) {
  run([&](Turn& turn) {
    ASSERT_TRUE(turn.acquire());
    const StoreView view(store_, disk_.get(), turn, kStart + 9h + 30min, kStart + 10h);
    EXPECT_EQ(&view.store(), &store_);
    turn.release();
  });
}

TEST_F(StoreViewTest, AQueryWhoseTimeIsOverWhileItReadsTheDiskEnds) {
  std::string error;
  run(
      [&](Turn& turn) {
        ASSERT_TRUE(turn.acquire());
        const StoreView view(store_, disk_.get(), turn, kStart, kStart + 10h);
        promql::Query query(*promql::parse("count"), {});
        // Without checkpoints, so that it is the disk's turn that is not given again.
        Result<promql::QueryResult> result = fail("none");
        do {
          result = query.range(view.store(), kStart, kStart + 1h, 15s);
        } while (result);
        error = result.error().message;
        EXPECT_FALSE(turn.held());
      },
      500ms);
  EXPECT_EQ(error, "query timed out in expression evaluation");
}

}  // namespace
}  // namespace tocsin
