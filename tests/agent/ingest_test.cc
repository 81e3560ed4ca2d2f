#include "agent/ingest.h"

#include <gtest/gtest.h>

namespace tocsin {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{std::chrono::hours(24)};

class IngestTest : public testing::Test {
 protected:
  IngestTest() {
    target_ = std::make_shared<PlannedTarget>();
    target_->type = &type_;
    target_->timeout = 5s;
    target_->labels = Labels{{"instance", "here"}, {"job", "web"}};
    target_->identity = "web";
    ingest_.set_targets({target_}, kStart);
  }

  void run(TimePoint at, std::vector<ProbeSample> samples, std::string cause = "") {
    ProbeRun run;
    run.target = target_;
    run.at = at;
    run.duration_seconds = 0.25;
    run.result.success = cause.empty();
    run.result.cause = cause;
    run.result.samples = std::move(samples);
    run.result.metrics = metrics_;
    run.result.honor_labels = honor_labels_;
    ingest_.apply(run);
  }
  std::optional<Sample> newest(const Labels& labels, TimePoint at) {
    const SeriesRef ref = store_.find(labels);
    return ref ? store_.newest(ref, at) : std::nullopt;
  }
  std::string exposed() const {
    std::string out;
    ingest_.expose(out);
    return out;
  }

  bool honor_labels_ = false;
  const ProbeType type_{"fake", "", ProbeFrame::kProbe, false, nullptr};
  std::shared_ptr<PlannedTarget> target_;
  std::shared_ptr<const std::vector<MetricInfo>> metrics_ =
      std::make_shared<const std::vector<MetricInfo>>(std::vector<MetricInfo>{{"m", "gauge", "A\nhelp \\ text."}});
  SeriesStore store_;
  Ingest ingest_{store_};
};

TEST_F(IngestTest, AddsTheTargetsLabelsAndTheFramesMetrics) {
  run(kStart, {{Labels{{kMetricName, "m"}, {"a", "b"}}, 3, {}}});
  const auto value = [&](const Labels& labels) { return newest(labels, kStart).value_or(Sample{{}, -1}).v; };
  EXPECT_EQ(value(Labels{{kMetricName, "m"}, {"a", "b"}, {"instance", "here"}, {"job", "web"}}), 3);
  EXPECT_EQ(value(Labels{{kMetricName, "probe_success"}, {"instance", "here"}, {"job", "web"}}), 1);
  EXPECT_EQ(value(Labels{{kMetricName, "probe_duration_seconds"}, {"instance", "here"}, {"job", "web"}}), 0.25);
  EXPECT_EQ(value(Labels{{kMetricName, "probe_timeout_seconds"}, {"instance", "here"}, {"job", "web"}}), 5);
}

TEST_F(IngestTest, KeepsALabelThatTheTargetHasTooAsExported) {
  run(kStart, {{Labels{{kMetricName, "m"}, {"job", "theirs"}, {"exported_job", "x"}}, 3, {}}});
  EXPECT_TRUE(store_.find(Labels{{kMetricName, "m"},
                                 {"exported_exported_job", "theirs"},
                                 {"exported_job", "x"},
                                 {"instance", "here"},
                                 {"job", "web"}}));
}

TEST_F(IngestTest, ALabelOfASampleWinsWhereTheProbeHonorsIt) {
  honor_labels_ = true;
  run(kStart, {{Labels{{kMetricName, "m"}, {"job", "theirs"}}, 3, {}}});
  EXPECT_TRUE(store_.find(Labels{{kMetricName, "m"}, {"instance", "here"}, {"job", "theirs"}}));
}

TEST_F(IngestTest, MarksWhatIsGoneAsStaleAndTheCauseOfAFailure) {
  const Labels m{{kMetricName, "m"}, {"instance", "here"}, {"job", "web"}};
  const Labels cause{{kMetricName, "probe_failure_cause"}, {"cause", "dns"}, {"instance", "here"}, {"job", "web"}};
  run(kStart, {{Labels{{kMetricName, "m"}}, 3, {}}});
  EXPECT_TRUE(newest(m, kStart + 1s));
  run(kStart + 10s, {}, "dns");
  EXPECT_FALSE(newest(m, kStart + 11s)) << "a stale marker ends it at once";
  EXPECT_EQ(newest(cause, kStart + 11s).value().v, 1);
  run(kStart + 20s, {{Labels{{kMetricName, "m"}}, 4, {}}});
  EXPECT_EQ(newest(m, kStart + 21s).value().v, 4);
  EXPECT_FALSE(newest(cause, kStart + 21s));
}

TEST_F(IngestTest, ATargetThatIsGoneEnds) {
  const Labels m{{kMetricName, "m"}, {"instance", "here"}, {"job", "web"}};
  run(kStart, {{Labels{{kMetricName, "m"}}, 3, {}}});
  ingest_.set_targets({}, kStart + 1s);
  EXPECT_FALSE(newest(m, kStart + 2s));
  run(kStart + 3s, {{Labels{{kMetricName, "m"}}, 3, {}}});
  EXPECT_FALSE(newest(m, kStart + 4s)) << "a run that was under way is not taken any more";
  EXPECT_EQ(exposed(), "");
}

TEST_F(IngestTest, ExposesFamiliesWithHelpAndType) {
  run(kStart, {{Labels{{kMetricName, "m"}, {"a", "q\"\\\n"}}, 0.5, {}}});
  const std::string text = exposed();
  EXPECT_NE(text.find("# HELP m A\\nhelp \\\\ text.\n# TYPE m gauge\n"
                      "m{a=\"q\\\"\\\\\\n\",instance=\"here\",job=\"web\"} 0.5\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("# TYPE probe_success gauge\nprobe_success{instance=\"here\",job=\"web\"} 1\n"),
            std::string::npos);
}

TEST_F(IngestTest, RemembersTheNewestFailure) {
  run(kStart, {}, "connect");
  run(kStart + 10s, {});
  const TargetStatus& status = *ingest_.status().at(0);
  EXPECT_TRUE(status.success);
  EXPECT_EQ(status.last_failure, kStart);
  EXPECT_EQ(status.last_failure_cause, "connect");
  EXPECT_EQ(status.runs_total, 2U);
  EXPECT_EQ(status.failures_total, 1U);
  EXPECT_EQ(status.history.size(), 2U);
}

TEST_F(IngestTest, CountsALimitWhenEveryRunHitsItAndSaysItOnce) {
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) run(kStart + i * 15s, {}, "sample_limit");
  run(kStart + 45s, {{Labels{{kMetricName, "m"}}, 1, {}}});
  run(kStart + 60s, {}, "label_limit");
  run(kStart + 75s, {}, "connect");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(ingest_.limits_hit().at("sample_limit"), 3U);
  EXPECT_EQ(ingest_.limits_hit().at("label_limit"), 1U);
  EXPECT_FALSE(ingest_.limits_hit().contains("connect"));
  const std::string line = "nothing of the target is kept, for it is over a limit (sample_limit)";
  const std::size_t first = log.find(line);
  ASSERT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find(line, first + 1), std::string::npos) << log;
}

TEST_F(IngestTest, SaysOnceAMinuteThatSeriesAreRefused) {
  SeriesStore small(SeriesStoreLimits{.series_max = 4});
  Ingest ingest(small);
  ingest.set_targets({target_}, kStart);
  testing::internal::CaptureStderr();
  for (int i = 0; i < 5; ++i) {
    ProbeRun run;
    run.target = target_;
    run.at = kStart + i * 15s;
    run.result.success = true;
    for (const char* name : {"a", "b", "c"}) run.result.add(name, 1);
    ingest.apply(run);
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(ingest.status()[0]->refused_samples_total, 10U);
  std::size_t lines = 0;
  for (std::size_t at = 0; (at = log.find("2 series were not kept: there are 4 series already", at)) != log.npos; ++at)
    ++lines;
  EXPECT_EQ(lines, 2U) << log;
}

}  // namespace
}  // namespace tocsin
