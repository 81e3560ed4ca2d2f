#include "probes/exposition.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tocsin {
namespace {

std::string number(double v) {
  return std::isnan(v) ? "NaN" : fmt::format("{}", v);
}

/// One line per sample: `name{labels} value [@milliseconds]`; or the error.
std::string read(std::string_view text, ExpositionFormat format, ExpositionLimits limits = {}) {
  const auto exposition = parse_exposition(text, format, limits);
  if (!exposition) return exposition.error().message;
  std::string out;
  for (const ProbeSample& s : exposition->samples) {
    out += s.labels.metric_str() + " " + number(s.value);
    if (s.at) out += fmt::format(" @{}", s.at->time_since_epoch().count());
    out += '\n';
  }
  return out;
}
std::string text(std::string_view exposition) {
  return read(exposition, ExpositionFormat::kText);
}
std::string open_metrics(std::string_view exposition) {
  return read(exposition, ExpositionFormat::kOpenMetrics);
}

struct Case {
  std::string_view given;
  std::string_view wanted;
};

TEST(Exposition, ReadsTheTextFormat) {
  using namespace std::literals;
  const Case cases[] = {
      {"", ""},
      {"\n \n\t\n", ""},
      {"up 1", "up 1\n"},
      {"  up\t 1 \n", "up 1\n"},
      {"a:b_9 +1.5e3\n", "a:b_9 1500\n"},
      {"a{} 1\n", "a 1\n"},
      {"a {b=\"c\"} 1 1700000000123\n", "a{b=\"c\"} 1 @1700000000123\n"},
      {"a { b = \"c\" , d= \"e\" ,} 2\n", "a{b=\"c\",d=\"e\"} 2\n"},
      {"a{b=\"c\" d=\"e\"}3\n", "a{b=\"c\",d=\"e\"} 3\n"},
      {"a{z=\"1\",b=\"2\"} 1\n", "a{b=\"2\",z=\"1\"} 1\n"},
      {"a{empty=\"\"} 1\n", "a 1\n"},
      {R"(a{b="quote \" slash \\ newline \n other \t"} 1)",
       "a{b=\"quote \\\" slash \\\\ newline \\n other \\\\t\"} 1\n"},
      {"a{b=\"two\nlines\"} 1\n", "a{b=\"two\\nlines\"} 1\n"},
      {"a{b=\"\xC3\xBC\"} 1\n", "a{b=\"\xC3\xBC\"} 1\n"},
      {"{\"my.metric\"} 1\n", "{\"my.metric\"} 1\n"},
      {"{\"my.metric\", \"l.l\"=\"v\", k=\"w\"} 1\n", "{\"my.metric\",k=\"w\",\"l.l\"=\"v\"} 1\n"},
      {"{k=\"w\",\"my_metric\"} 1\n", "my_metric{k=\"w\"} 1\n"},
      {"a +Inf\nb -Inf\nc NaN\nd inf\ne nan\n", "a inf\nb -inf\nc NaN\nd inf\ne NaN\n"},
      {"a 0.1\nb .5\nc 1.\nd 1e-400\ne -0\n", "a 0.1\nb 0.5\nc 1\nd 0\ne -0\n"},
      {"a 12345678901234567890\n", "a 1.2345678901234567e+19\n"},
      {"# a comment\n#\n#x\n#HELP a\n# HELPFUL a b\n# EOF\na 1\n", "a 1\n"},
      {"# HELP a\n# HELP a \n#\tTYPE a gauge\na 1\n", "a 1\n"},
      {"a{b=\"c\"} 1\na{b=\"c\"} 2\n", "a{b=\"c\"} 1\na{b=\"c\"} 2\n"},
  };
  for (const auto& [given, wanted] : cases) EXPECT_EQ(text(given), wanted) << given;
}

TEST(Exposition, NamesTheLineOfAMistakeInTheTextFormat) {
  const Case cases[] = {
      {"a", "line 1: expected a value, got the end in \"a\""},
      {"up 1\na\nb 1\n", "line 2: expected a value, got \"\\n\" in \"a\""},
      {"a{b='c'} 1\n", "line 1: expected a label value in double quotes, got \"'\" in \"a{b='c'} 1\""},
      {"a{b=\n", "line 1: expected a label value in double quotes, got \"\\n\" in \"a{b=\""},
      {"a{b=\"\xff\"} 1\n", "line 1: a label value is not valid UTF-8: \"\xff\""},
      {"a{b=\"c", "line 1: a label value has no closing quote"},
      {"a{b=\"c\\", "line 1: a label value has no closing quote"},
      {"a{=\"\"} 0\n", "line 1: expected a label name, got \"=\" in \"a{=\\\"\\\"} 0\""},
      {"a{b=\"c\",,} 0\n", "line 1: expected a label name, got \",\" in \"a{b=\\\"c\\\",,} 0\""},
      {"a{b=\"c\"\n", "line 1: expected a label name, got \"\\n\" in \"a{b=\\\"c\\\"\""},
      {"a{\"b\"} 1\n", "line 1: expected = behind the label name, got \"}\" in \"a{\\\"b\\\"} 1\""},
      {"{b=\"c\"} 1\n", "line 1: the series has no metric name: \"{b=\\\"c\\\"}\""},
      {"{\"\"} 1\n", "line 1: the series has no metric name: \"{\\\"\\\"}\""},
      {"{\"a\",\"\"=\"x\"} 1\n", "line 1: a label has no name in \"{\\\"a\\\",\\\"\\\"=\\\"x\\\"}\""},
      {"{\"a\",\"b\"} 1\n", "line 1: expected = behind the label name, got \"}\" in \"{\\\"a\\\",\\\"b\\\"} 1\""},
      {"a{b=\"1\",b=\"1\"} 1\n", "line 1: label \"b\" is there twice in \"a{b=\\\"1\\\",b=\\\"1\\\"}\""},
      {"a{__name__=\"b\"} 1\n", "line 1: label \"__name__\" is there twice in \"a{__name__=\\\"b\\\"}\""},
      {"a true\n", "line 1: \"true\" is not a number"},
      {"a 1_2\n", "line 1: \"1_2\" is not a number"},
      {"a 0x1p-3\n", "line 1: \"0x1p-3\" is not a number"},
      {"a 1e400\n", "line 1: \"1e400\" is not a number"},
      {"a -nan\n", "line 1: \"-nan\" is not a number"},
      {"a +-1\n", "line 1: \"+-1\" is not a number"},
      {"a nan(1)\n", "line 1: \"nan(1)\" is not a number"},
      {"a 1\r\n", "line 1: \"1\\r\" is not a number"},
      {"a 0 1_2\n", "line 1: expected the end of the line behind the timestamp, got \"_\" in \"a 0 1_2\""},
      {"a 0 -1\n", "line 1: expected a timestamp or the end of the line, got \"-\" in \"a 0 -1\""},
      {"a 0 99999999999999999999\n", "line 1: the timestamp is out of range"},
      {"a 1 1 1\n", "line 1: expected the end of the line behind the timestamp, got \"1\" in \"a 1 1 1\""},
      {"9a 1\n", "line 1: expected a metric name, got \"9\" in \"9a 1\""},
      {"a-b 1\n", "line 1: \"-b\" is not a number"},
      {"# TYPE a wrong\n", "line 1: invalid metric type \"wrong\""},
      {"# TYPE a  gauge\n", "line 1: invalid metric type \" gauge\""},
      {"# TYPE a unknown\n", "line 1: invalid metric type \"unknown\""},
      {"# TYPE a\n", "line 1: invalid metric type \"\""},
      {"# TYPE #\n", "line 1: expected a metric name, got \"#\" in \"# TYPE #\""},
      {"# HELP a \xff\n", "line 1: the help text is not valid UTF-8"},
      {"ok{a=\"two\nlines\"} 1\n# x\nbad\n", "line 4: expected a value, got \"\\n\" in \"bad\""},
  };
  for (const auto& [given, wanted] : cases) EXPECT_EQ(text(given), wanted) << given;
}

TEST(Exposition, ReadsOpenMetrics) {
  const Case cases[] = {
      {"# EOF", ""},
      {"# EOF\n", ""},
      {"a_total 17.0 1520879607.789 # {id=\"x\"} 5\n# EOF\n", "a_total 17 @1520879607789\n"},
      {"a_bucket{le=\"+Inf\"} 1 # {} 4 123.123\n# EOF\n", "a_bucket{le=\"+Inf\"} 1\n"},
      {"a 1 # {\"id.thing\"=\"x\",b=\"c\"} 4\n# EOF\n", "a 1\n"},
      {"a 1 -1.5\n# EOF\n", "a 1 @-1500\n"},
      {"{\"a.b\",c=\"d\"} 1\n# EOF\n", "{\"a.b\",c=\"d\"} 1\n"},
      {"a{b=\"c\",} NaN\n# EOF\n", "a{b=\"c\"} NaN\n"},
      {"# TYPE a unknown\n# HELP a \n# UNIT a_b b\n# UNIT c \na 1\n# EOF\n", "a 1\n"},
      {"a_created 1520872607.123\n# EOF\n", "a_created 1520872607.123\n"},
  };
  for (const auto& [given, wanted] : cases) EXPECT_EQ(open_metrics(given), wanted) << given;
}

TEST(Exposition, IsStrictWithOpenMetrics) {
  const Case cases[] = {
      {"", "line 1: the text does not end with # EOF"},
      {"a 1\n", "line 2: the text does not end with # EOF"},
      {"a 1", "line 1: the text does not end with # EOF"},
      {"# TYPE a gauge", "line 1: the text does not end with # EOF"},
      {"# EOF\na 1\n", "line 1: unexpected data after # EOF"},
      {"# EOF\n\n", "line 1: unexpected data after # EOF"},
      {"\n# EOF\n", "line 1: expected a metric name, got \"\\n\" in \"\""},
      {"# comment\n# EOF\n", "line 1: expected HELP, TYPE, UNIT or EOF, got \"#\" in \"# comment\""},
      {"# HELP a\n# EOF\n", "line 1: expected a space and text, got \"\\n\" in \"# HELP a\""},
      {"# TYPE a untyped\n# EOF\n", "line 1: invalid metric type \"untyped\""},
      {"# UNIT a_seconds ms\n# EOF\n", "line 1: unit \"ms\" is not a suffix of metric \"a_seconds\""},
      {"# UNIT seconds seconds\n# EOF\n", "line 1: unit \"seconds\" is not a suffix of metric \"seconds\""},
      {" a 1\n# EOF\n", "line 1: expected a metric name, got \" \" in \" a 1\""},
      {"a  1\n# EOF\n", "line 1: \"\" is not a number"},
      {"a\t1\n# EOF\n", "line 1: expected a space and a value, got \"\\t\" in \"a\\t1\""},
      {"a 1 \n# EOF\n", "line 1: \"\" is not a number"},
      {"a {b=\"c\"} 1\n# EOF\n", "line 1: \"{b=\\\"c\\\"}\" is not a number"},
      {"a{b=\"c\", d=\"e\"} 1\n# EOF\n",
       "line 1: expected a label name, got \" \" in \"a{b=\\\"c\\\", d=\\\"e\\\"} 1\""},
      {"a{b=\"c\"d=\"e\"} 1\n# EOF\n", "line 1: expected , or }, got \"d\" in \"a{b=\\\"c\\\"d=\\\"e\\\"} 1\""},
      {"a{b=\"c\nd\"} 1\n# EOF\n",
       "line 1: expected a label value that ends on its line, got \"\\n\" in \"a{b=\\\"c\""},
      {"a 1 NaN\n# EOF\n", "line 1: invalid timestamp \"NaN\""},
      {"a 1 # {\"b\"} 1\n# EOF\n", "line 1: expected = behind the label name, got \"}\" in \"a 1 # {\\\"b\\\"} 1\""},
      {"a 1 # {b=\"c\"}\n# EOF\n",
       "line 1: expected a space and the exemplar's value, got \"\\n\" in \"a 1 # {b=\\\"c\\\"}\""},
      {"a 1 # {b=\"c\"} 1 2 3\n# EOF\n",
       "line 1: expected a timestamp, an exemplar or the end of the line, got \" \" in \"a 1 # {b=\\\"c\\\"} 1 2 3\""},
  };
  for (const auto& [given, wanted] : cases) EXPECT_EQ(open_metrics(given), wanted) << given;
}

TEST(Exposition, WritesBoundsAsFloats) {
  EXPECT_EQ(text("# TYPE h histogram\n"
                 "h_bucket{le=\"1\"} 1\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"1e6\"} 1\nh_bucket{le=\"inf\"} 1\n"
                 "h_bucket{le=\"100000\"} 1\nh_bucket{le=\"x\"} 1\nh{quantile=\"1\"} 1\n"
                 "# TYPE s summary\ns{quantile=\"1\"} 1\ns{quantile=\"0.99\"} 1\ns{le=\"1\"} 1\n"
                 "# TYPE g gauge\ng{le=\"1\"} 1\n"),
            "h_bucket{le=\"1.0\"} 1\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"1e+06\"} 1\nh_bucket{le=\"+Inf\"} 1\n"
            "h_bucket{le=\"100000.0\"} 1\nh_bucket{le=\"x\"} 1\nh{quantile=\"1\"} 1\n"
            "s{quantile=\"1.0\"} 1\ns{quantile=\"0.99\"} 1\ns{le=\"1\"} 1\n"
            "g{le=\"1\"} 1\n");
}

TEST(Exposition, DescribesItsFamilies) {
  const auto exposition = parse_exposition(
      "# HELP a A \\\\ \\n \\\" \\x help.\n# TYPE a counter\na 1\n# TYPE b gauge\n# HELP \"c.d\" Quoted.\n# HELP b "
      "Late.\n",
      ExpositionFormat::kText);
  ASSERT_TRUE(exposition) << exposition.error().message;
  ASSERT_EQ(exposition->metrics.size(), 3U);
  EXPECT_EQ(exposition->metrics[0].name, "a");
  EXPECT_EQ(exposition->metrics[0].type, "counter");
  EXPECT_EQ(exposition->metrics[0].help, "A \\ \n \\\" \\x help.");
  EXPECT_EQ(exposition->metrics[1].name, "b");
  EXPECT_EQ(exposition->metrics[1].help, "Late.");
  EXPECT_EQ(exposition->metrics[2].name, "c.d");
  EXPECT_EQ(exposition->metrics[2].type, "untyped");
}

TEST(Exposition, LimitsLabels) {
  const std::string_view given = "ok 1\na{name=\"value\",b=\"c\"} 1\n";
  const std::string_view fine = "ok 1\na{b=\"c\",name=\"value\"} 1\n";
  EXPECT_EQ(read(given, ExpositionFormat::kText, {.labels = 3, .label_name_bytes = 8, .label_value_bytes = 5}), fine);
  EXPECT_EQ(read(given, ExpositionFormat::kText, {.labels = 2}),
            "line 2: 3 labels, 2 are allowed, in \"a{name=\\\"value\\\",b=\\\"c\\\"}\"");
  EXPECT_EQ(read("a{long_name=\"v\"} 1\n", ExpositionFormat::kText, {.label_name_bytes = 8}),
            "line 1: label name long_name… is longer than 8 bytes");
  EXPECT_EQ(read(given, ExpositionFormat::kText, {.label_value_bytes = 4}),
            "line 2: the value of label \"name\" is longer than 4 bytes");
}

TEST(Exposition, KeepsNulBytesInsideQuotes) {
  using namespace std::literals;
  EXPECT_EQ(text("a{b=\"x\0y\"} 1\n"sv), "a{b=\"x\\x00y\"} 1\n");
  EXPECT_EQ(text("a\0{b=\"x\"} 1\n"sv), "line 1: \"\\x00\" is not a number");
}

}  // namespace
}  // namespace tocsin
