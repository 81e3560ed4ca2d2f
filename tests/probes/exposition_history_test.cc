#include "probes/exposition_history.h"

#include <gtest/gtest.h>

namespace tocsin {
namespace {

std::string error_of(std::string_view text) {
  const auto history = read_exposition_history("f", text);
  return history ? "" : history.error().message;
}

TEST(ExpositionHistory, ReadsOpenMetricsInSeconds) {
  const auto history = read_exposition_history("f",
                                               "# TYPE a counter\n"
                                               "a_total{x=\"1\"} 1 1700000000\n"
                                               "a_total{x=\"1\"} 2 1700000015.5 # {trace=\"t\"} 1\n"
                                               "a_created{x=\"1\"} 1600000000\n"
                                               "# TYPE h histogram\n"
                                               "h {count:2,sum:3,schema:0} 1700000000\n"
                                               "# EOF\n");
  ASSERT_TRUE(history) << history.error().message;
  ASSERT_EQ(history->series.size(), 1U);
  const auto& [labels, samples] = *history->series.begin();
  EXPECT_EQ(labels.metric_str(), "a_total{x=\"1\"}");
  ASSERT_EQ(samples.size(), 2U);
  EXPECT_EQ(samples[1].t.time_since_epoch().count(), 1'700'000'015'500);
  EXPECT_EQ(samples[1].v, 2);
  EXPECT_EQ(history->samples, 2U);
  EXPECT_EQ(history->created, 1U);
  EXPECT_EQ(history->histograms, 1U);
}

TEST(ExpositionHistory, ReadsTheTextFormatInMilliseconds) {
  const auto history = read_exposition_history("f", "b 5 1700000000500\na 1 1700000001000\n\n# a comment\n");
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->series.size(), 2U);
  EXPECT_EQ(history->series.begin()->second[0].t.time_since_epoch().count(), 1'700'000'001'000);
}

TEST(ExpositionHistory, PutsSamplesInOrderAndKeepsTheFirstOfEachTime) {
  const auto history =
      read_exposition_history("f", "a 3 1700000003000\nb 0 1700000000000\na 1 1700000001000\na 9 1700000003000\n");
  ASSERT_TRUE(history) << history.error().message;
  const auto& samples = history->series.at(Labels{{kMetricName, "a"}});
  ASSERT_EQ(samples.size(), 2U);
  EXPECT_EQ(samples[0].v, 1);
  EXPECT_EQ(samples[1].v, 3);
  EXPECT_EQ(history->duplicates, 1U);
  EXPECT_EQ(history->samples, 3U);
}

TEST(ExpositionHistory, TellsTheLineOfAMistake) {
  EXPECT_EQ(error_of("a 1 1700000000000\nb 1\n"), "f:2: the sample has no timestamp");
  EXPECT_EQ(error_of("a 1 1700000000000\n\nb x 1700000000000\n"), "f:3: \"x\" is not a number");
  EXPECT_EQ(error_of("a{b=\"1\",b=\"2\"} 1 1700000000000\n"),
            "f:1: label \"b\" is there twice in \"a{b=\\\"1\\\",b=\\\"2\\\"}\"");
  EXPECT_TRUE(error_of("a 1 1700000000\n").starts_with("f:1: the timestamp is in seconds"));
  EXPECT_EQ(error_of("a 1 1700000000\n\n# EOF\n"), "f:2: expected a metric name, got \"\\n\" in \"\"");
}

}  // namespace
}  // namespace tocsin
