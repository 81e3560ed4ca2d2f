#include "agent/net/remote_write.h"

#include <gtest/gtest.h>

#include <limits>

#include "agent/net/compression.h"
#include "tests/support/remote_write.h"

namespace tocsin {
namespace {

using test::encode_write_v1;
using test::encode_write_v2;
using test::WriteSeries;
using Version = RemoteWriteVersion;

TimePoint at(std::int64_t ms) {
  return TimePoint(Duration(ms));
}

WriteSeries up(std::vector<Sample> samples) {
  return {.labels = {{"__name__", "up"}, {"job", "api"}}, .samples = std::move(samples)};
}

std::string encode(Version version, const std::vector<WriteSeries>& series) {
  return version == Version::kV1 ? encode_write_v1(series) : encode_write_v2(series);
}

/// The problem of the only series.
std::string problem(Version version, LabelList labels, RemoteWriteLimits limits = {}) {
  const auto request =
      decode_remote_write(encode(version, {{.labels = std::move(labels), .samples = {{at(1), 1}}}}), version, limits);
  if (!request) return "message: " + request.error().message;
  return request->series.at(0).problem;
}

class BothVersions : public testing::TestWithParam<Version> {};
INSTANTIATE_TEST_SUITE_P(RemoteWrite, BothVersions, testing::Values(Version::kV1, Version::kV2));

TEST_P(BothVersions, SamplesComeOutAsTheyWentIn) {
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<WriteSeries> sent{
      up({{at(1000), 1}, {at(2000), kStaleNaN}, {at(0), 0}, {at(-5), -inf}, {at(1'700'000'000'123), 0.1}}),
      {.labels = {{"__name__", "b"}}, .samples = {{at(7), kNaN}}}};
  const auto request = decode_remote_write(encode(GetParam(), sent), GetParam());
  ASSERT_TRUE(request) << request.error().message;
  ASSERT_EQ(request->series.size(), 2U);
  EXPECT_EQ(request->series[0].labels.metric_str(), R"(up{job="api"})");
  EXPECT_EQ(request->series[1].labels.metric_str(), "b");
  for (std::size_t i = 0; i < sent.size(); ++i) {
    ASSERT_EQ(request->series[i].samples.size(), sent[i].samples.size());
    for (std::size_t k = 0; k < sent[i].samples.size(); ++k) {
      EXPECT_EQ(request->series[i].samples[k].t, sent[i].samples[k].t);
      EXPECT_EQ(std::bit_cast<std::uint64_t>(request->series[i].samples[k].v),
                std::bit_cast<std::uint64_t>(sent[i].samples[k].v));
    }
  }
}

TEST_P(BothVersions, AnEmptyMessageHasNoSeries) {
  const auto request = decode_remote_write("", GetParam());
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->series.empty());
}

TEST_P(BothVersions, HistogramsAndExemplarsAreCountedAndNotRead) {
  WriteSeries series = up({{at(1), 1}});
  series.histograms = 2;
  series.exemplars = 3;
  const auto request = decode_remote_write(encode(GetParam(), {series}), GetParam());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->series[0].histograms, 2U);
  EXPECT_EQ(request->series[0].exemplars, 3U);
  EXPECT_EQ(request->series[0].samples.size(), 1U);
}

TEST_P(BothVersions, LabelsMayComeInAnyOrderAndEmptyOnesAreNotThere) {
  const LabelList labels{{"z", "1"}, {"__name__", "up"}, {"a b.c", "2\n"}, {"gone", ""}};
  const auto request = decode_remote_write(encode(GetParam(), {{.labels = labels}}), GetParam());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->series[0].problem, "");
  EXPECT_EQ(request->series[0].labels, (Labels{{"__name__", "up"}, {"a b.c", "2\n"}, {"z", "1"}}));
}

TEST_P(BothVersions, BadLabelsAreNamed) {
  const Version v = GetParam();
  EXPECT_EQ(problem(v, {{"__name__", "up"}, {"a", "1"}, {"a", "2"}}),
            R"(label "a" is there twice in {__name__="up", a="1", a="2"})");
  EXPECT_EQ(problem(v, {{"job", "api"}}), R"(the series has no metric name: {job="api"})");
  EXPECT_EQ(problem(v, {}), "the series has no metric name: {}");
  EXPECT_EQ(problem(v, {{"__name__", "up"}, {"", "x"}}), R"(a label has no name in {="x", __name__="up"})");
  EXPECT_EQ(problem(v, {{"__name__", "up\xff"}}),
            "the value of label \"__name__\" is not valid UTF-8, in {__name__=\"up\xff\"}");
  EXPECT_NE(problem(v, {{"__name__", "up"}, {"\xc3", "x"}}).find("is not valid UTF-8"), std::string::npos);
}

TEST_P(BothVersions, LimitsOfLabelsRefuseTheSeriesOnly) {
  const Version v = GetParam();
  const RemoteWriteLimits limits{.labels = 2, .label_name_bytes = 8, .label_value_bytes = 3};
  EXPECT_EQ(problem(v, {{"__name__", "up"}, {"a", "1"}}, limits), "");
  EXPECT_EQ(problem(v, {{"__name__", "up"}, {"a", "1"}, {"b", "2"}}, limits),
            R"(3 labels, 2 are allowed, in {__name__="up", a="1"})");
  EXPECT_EQ(problem(v, {{"__name__", "up"}, {"a12345678", "1"}}, limits),
            R"(label name "a12345678"… is longer than 8 bytes)");
  EXPECT_EQ(problem(v, {{"__name__", "four"}}, limits),
            R"(the value of label "__name__" is longer than 3 bytes, in {__name__="four"})");
}

TEST_P(BothVersions, TooManySamplesRefuseTheMessage) {
  const auto request = decode_remote_write(encode(GetParam(), {up({{at(1), 1}}), up({{at(2), 1}, {at(3), 1}})}),
                                           GetParam(), {.samples = 2});
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().message, "the message has more than 2 samples");
}

TEST_P(BothVersions, NoPrefixAndNoFlippedByteIsMoreThanAnError) {
  WriteSeries series = up({{at(1'700'000'000'000), 0.25}, {at(1'700'000'015'000), 5}});
  series.histograms = series.exemplars = 1;
  series.help = "Whether.";
  const std::string message = encode(GetParam(), {series, series});
  std::size_t refused = 0;
  for (std::size_t i = 0; i < message.size(); ++i) {
    refused += decode_remote_write(std::string_view(message).substr(0, i), GetParam()) ? 0 : 1;
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = message;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      refused += decode_remote_write(flipped, GetParam()) ? 0 : 1;
    }
  }
  EXPECT_GT(refused, message.size());
}

TEST(RemoteWrite, BytesOfSomethingElseAreRefused) {
  for (const Version version : {Version::kV1, Version::kV2}) {
    const auto request = decode_remote_write("# HELP up Whether.\nup 1\n", version);
    ASSERT_FALSE(request);
    EXPECT_TRUE(request.error().message.starts_with("the bytes are no remote write message: "));
  }
}

TEST(RemoteWrite, V1BringsMetadataBesideTheSeries) {
  const auto request = decode_remote_write(
      encode_write_v1({up({})}, {{1, "http_requests", "How many."}, {3, "rtt", ""}, {99, "odd", ""}, {2, "", "none"}}),
      Version::kV1);
  ASSERT_TRUE(request);
  ASSERT_EQ(request->metadata.size(), 3U);
  EXPECT_EQ(request->metadata[0].family, "http_requests");
  EXPECT_EQ(request->metadata[0].type, "counter");
  EXPECT_EQ(request->metadata[0].help, "How many.");
  EXPECT_EQ(request->metadata[1].type, "histogram");
  EXPECT_EQ(request->metadata[2].type, "unknown");
}

TEST(RemoteWrite, V2BringsMetadataWithTheSeries) {
  WriteSeries series = up({});
  series.type = 2;
  series.help = "Whether.";
  const auto request = decode_remote_write(encode_write_v2({series, up({})}), Version::kV2);
  ASSERT_TRUE(request);
  ASSERT_TRUE(request->series[0].metadata);
  EXPECT_EQ(request->series[0].metadata->family, "up");
  EXPECT_EQ(request->series[0].metadata->type, "gauge");
  EXPECT_EQ(request->series[0].metadata->help, "Whether.");
  EXPECT_FALSE(request->series[1].metadata);
}

TEST(RemoteWrite, TheTableOfSymbolsMayStandBehindTheSeries) {
  const auto request = decode_remote_write(encode_write_v2({up({{at(1), 1}})}, true), Version::kV2);
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->series[0].labels.metric_str(), R"(up{job="api"})");
}

TEST(RemoteWrite, ASymbolThatIsNotThereRefusesTheMessage) {
  const std::string series("\x2a\x04\x0a\x02\x01\x09", 6);  // labels_refs: [1, 9]
  const auto request = decode_remote_write("\x22\x01x\x22\x01y" + series, Version::kV2);
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().message, "symbol 9 is not in the table of 2");
  const std::string odd("\x2a\x03\x0a\x01\x01", 5);  // labels_refs: [1]
  EXPECT_EQ(decode_remote_write("\x22\x01x\x22\x01y" + odd, Version::kV2).error().message,
            "a series has a label name without a value");
  EXPECT_EQ(decode_remote_write("\x22\x01x\x22\x01y", Version::kV2, {.symbols = 1}).error().message,
            "the message has more than 1 symbols");
}

TEST(Snappy, ComesBackAsItWas) {
  const std::string text(100'000, 'x');
  const std::string packed = test::snappy_compress(text);
  EXPECT_LT(packed.size(), 10'000U);
  EXPECT_EQ(snappy_decompress(packed, 100'000).bytes, text);
}

TEST(Snappy, IsRefusedBeforeItGetsTooLarge) {
  const Decompressed out = snappy_decompress(test::snappy_compress(std::string(100'000, 'x')), 99'999);
  EXPECT_TRUE(out.too_large);
  EXPECT_EQ(out.error, "the body has 100000 bytes when decompressed, 99999 are allowed");
}

TEST(Snappy, GarbageIsAnError) {
  EXPECT_EQ(snappy_decompress("", 100).error, "the body is no good snappy: it does not begin with a length");
  EXPECT_EQ(snappy_decompress("\x05hello", 100).error, "the body is no good snappy");
  std::string cut = test::snappy_compress("hello, hello, hello");
  cut.pop_back();
  EXPECT_FALSE(snappy_decompress(cut, 100).ok());
}

}  // namespace
}  // namespace tocsin
