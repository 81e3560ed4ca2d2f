#include "agent/remote_write.h"

#include <gtest/gtest.h>

#include "agent/ingest.h"

namespace tocsin {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{std::chrono::hours(24)};

class Receiver : public testing::Test {
 protected:
  Receiver() { store_.maintain(kStart); }

  RemoteWriteOutcome apply(const std::vector<RemoteWriteSeries>& series) {
    RemoteWriteOutcome outcome;
    for (const RemoteWriteSeries& one : series) receiver_.apply(one, outcome);
    receiver_.finish(outcome, "test", kStart);
    return outcome;
  }
  static RemoteWriteSeries series(const Labels& labels, std::vector<Sample> samples) {
    RemoteWriteSeries out;
    out.labels = labels;
    out.samples = std::move(samples);
    return out;
  }
  std::optional<Sample> newest(const Labels& labels) const {
    const SeriesRef ref = store_.find(labels);
    return ref ? store_.newest(ref, kStart) : std::nullopt;
  }

  const Labels up_{{kMetricName, "up"}, {"job", "api"}};
  const Labels down_{{kMetricName, "down"}};
  SeriesStore store_{SeriesStoreLimits{.series_max = 2}};
  Ingest ingest_{store_};
  RemoteWriteReceiver receiver_{store_, ingest_};
};

TEST_F(Receiver, KeepsSamplesUnderTheirOwnLabels) {
  const RemoteWriteOutcome outcome =
      apply({series(up_, {{kStart - 5s, 1}, {kStart, 2}}), series(down_, {{kStart, 3}})});
  EXPECT_EQ(outcome.samples, 3U);
  EXPECT_EQ(outcome.problem, "");
  EXPECT_EQ(newest(up_)->v, 2);
  EXPECT_EQ(newest(down_)->v, 3);
}

TEST_F(Receiver, KeepsTheGoodSamplesOfARequestAndNamesTheFirstBadOne) {
  apply({series(up_, {{kStart, 1}})});
  const RemoteWriteOutcome outcome =
      apply({series(up_, {{kStart - 1s, 1}, {kStart, 5}, {kStart + 1s, 6}}), series(down_, {{kStart, 3}})});
  EXPECT_EQ(outcome.samples, 2U);
  EXPECT_EQ(outcome.rejected, 2U);
  EXPECT_EQ(outcome.problem, R"(out of order sample for series up{job="api"} at 1970-01-01T23:59:59Z)");
  EXPECT_EQ(receiver_.stats().rejected_total[RemoteWriteReceiver::kOutOfOrder], 1U);
  EXPECT_EQ(receiver_.stats().rejected_total[RemoteWriteReceiver::kConflict], 1U);
  EXPECT_EQ(newest(down_)->v, 3);
}

TEST_F(Receiver, ASampleSentTwiceIsNoMistake) {
  apply({series(up_, {{kStart, 1}})});
  const RemoteWriteOutcome outcome = apply({series(up_, {{kStart, 1}})});
  EXPECT_EQ(outcome.samples, 1U);
  EXPECT_EQ(outcome.problem, "");
}

TEST_F(Receiver, RefusesTheFarFuture) {
  const RemoteWriteOutcome outcome = apply({series(up_, {{kStart + 11min, 1}})});
  EXPECT_EQ(outcome.problem,
            R"(out of bounds: timestamp is too far in the future for series up{job="api"} at 1970-01-02T00:11:00Z)");
  EXPECT_EQ(receiver_.stats().rejected_total[RemoteWriteReceiver::kTooFarFuture], 1U);
}

TEST_F(Receiver, BadLabelsRejectTheirSeriesOnly) {
  RemoteWriteSeries bad;
  bad.problem = "label \"a\" is there twice";
  bad.samples = {{kStart, 1}, {kStart + 1s, 1}};
  const RemoteWriteOutcome outcome = apply({bad, series(up_, {{kStart, 1}})});
  EXPECT_EQ(outcome.samples, 1U);
  EXPECT_EQ(outcome.rejected, 2U);
  EXPECT_EQ(outcome.problem, "label \"a\" is there twice");
  EXPECT_EQ(receiver_.stats().rejected_total[RemoteWriteReceiver::kBadLabels], 2U);
}

TEST_F(Receiver, MoreSeriesThanTheLimitAreRejectedAndTheOthersGoOn) {
  apply({series(up_, {{kStart, 1}}), series(down_, {{kStart, 1}})});
  const RemoteWriteOutcome outcome =
      apply({series(Labels{{kMetricName, "third"}}, {{kStart, 1}}), series(up_, {{kStart + 1s, 1}})});
  EXPECT_EQ(outcome.samples, 1U);
  EXPECT_EQ(receiver_.stats().rejected_total[RemoteWriteReceiver::kSeriesLimit], 1U);
  EXPECT_NE(outcome.problem.find("series_max"), std::string::npos);
}

TEST_F(Receiver, StaleMarkersEndASeries) {
  apply({series(up_, {{kStart - 5s, 1}})});
  ASSERT_TRUE(newest(up_));
  apply({series(up_, {{kStart, kStaleNaN}})});
  EXPECT_FALSE(newest(up_));
}

TEST_F(Receiver, CountsHistogramsAndExemplars) {
  RemoteWriteSeries both = series(up_, {});
  both.histograms = 2;
  both.exemplars = 3;
  EXPECT_EQ(apply({both}).problem, "");
  EXPECT_EQ(receiver_.stats().histograms_total, 2U);
  EXPECT_EQ(receiver_.stats().exemplars_total, 3U);
  EXPECT_EQ(store_.stats().series, 0U);
}

TEST(RemoteWriteContentType, SaysWhichMessageItIs) {
  using enum RemoteWriteVersion;
  const std::vector<std::pair<const char*, RemoteWriteVersion>> good{
      {"", kV1},
      {"application/x-protobuf", kV1},
      {"application/x-protobuf;proto=prometheus.WriteRequest", kV1},
      {"application/x-protobuf; charset=utf-8 ; proto=io.prometheus.write.v2.Request", kV2}};
  for (const auto& [type, version] : good) {
    const auto read = remote_write_version(type);
    ASSERT_TRUE(read) << type;
    EXPECT_EQ(*read, version) << type;
  }
  for (const char* type : {"application/json", "application/x-protobuf2", "application/x-protobuf;proto=other"}) {
    EXPECT_FALSE(remote_write_version(type)) << type;
  }
}

}  // namespace
}  // namespace tocsin
