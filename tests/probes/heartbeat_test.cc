#include "probes/heartbeat.h"

#include <gtest/gtest.h>

namespace tocsin {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const TimePoint kStart = *parse_rfc3339("2026-11-23T12:00:00Z");

TEST(HeartbeatBook, KeepsOnlyWhatIsWatched) {
  HeartbeatBook book;
  EXPECT_FALSE(book.record("backup", kStart, HeartbeatStatus::kOk));
  book.watch("backup", kStart);
  EXPECT_TRUE(book.record("backup", kStart + minutes(1), HeartbeatStatus::kOk));
  EXPECT_EQ(book.last("backup")->last_at, kStart + minutes(1));
  EXPECT_FALSE(book.last("other"));
  EXPECT_EQ(book.names(), std::vector<std::string>{"backup"});
}

TEST(HeartbeatBook, MeasuresARunFromItsStart) {
  HeartbeatBook book;
  book.watch("job", kStart);
  book.record("job", kStart, HeartbeatStatus::kStart);
  EXPECT_FALSE(book.last("job")->last_at);
  book.record("job", kStart + seconds(90), HeartbeatStatus::kFail);
  EXPECT_EQ(book.last("job")->run_seconds, 90);
  EXPECT_EQ(book.last("job")->last_status, HeartbeatStatus::kFail);
  book.record("job", kStart + seconds(95), HeartbeatStatus::kOk, 2.5);
  EXPECT_EQ(book.last("job")->run_seconds, 2.5);
}

TEST(HeartbeatBook, HandsOutEachChangeOnceAndTakesItBack) {
  HeartbeatBook book;
  book.watch("a", kStart);
  book.watch("b", kStart);
  book.record("b", kStart + seconds(5), HeartbeatStatus::kFail);
  const std::vector<HeartbeatRow> rows = book.take_changed();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].last_status, "");
  EXPECT_EQ(rows[1].last_status, "fail");
  EXPECT_TRUE(book.take_changed().empty());

  HeartbeatBook after;
  after.restore(rows);
  after.watch("a", kStart + minutes(30));
  EXPECT_EQ(after.last("a")->watched_since, kStart) << "a restart does not begin the wait anew";
  EXPECT_FALSE(after.last("a")->last_at);
  EXPECT_EQ(after.last("b")->last_at, kStart + seconds(5));
  EXPECT_TRUE(after.take_changed().empty());
  EXPECT_FALSE(after.record("b", kStart, HeartbeatStatus::kOk)) << "restored, but nobody watches it any more";
}

}  // namespace
}  // namespace tocsin
