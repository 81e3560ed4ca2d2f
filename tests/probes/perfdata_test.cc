#include "probes/perfdata.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tocsin {
namespace {

std::string str(const std::optional<double>& v) {
  return v ? fmt::format("{}", *v) : "-";
}

std::string str(const Perfdata& p) {
  return fmt::format("{}={}{} w{}..{} c{}..{} {}/{}", p.label, p.value, p.unit, str(p.warning.lower),
                     str(p.warning.upper), str(p.critical.lower), str(p.critical.upper), str(p.min), str(p.max));
}

struct Row {
  const char* data;
  std::vector<std::string> wanted;
};

TEST(Perfdata, ReadsWhatPluginsWrite) {
  const Row kTable[] = {
      {"/=2643MB;5948;5958;0;5968", {"/=2643MB w0..5948 c0..5958 0/5968"}},
      {"time=0.012s;;;0.000;10", {"time=0.012s w-..- c-..- 0/10"}},
      {"a=1 b=2%", {"a=1 w-..- c-..- -/-", "b=2% w-..- c-..- -/-"}},
      {"'it''s a label'=5", {"it's a label=5 w-..- c-..- -/-"}},
      {"a=1;10:;~:20", {"a=1 w10..- c-..20 -/-"}},
      {"a=1;10:20;@30:40", {"a=1 w10..20 c30..40 -/-"}},
      {"a=-1.5e3c", {"a=-1500c w-..- c-..- -/-"}},
      {"a=1,5s", {"a=1.5s w-..- c-..- -/-"}},
      {"a=U b=3", {"b=3 w-..- c-..- -/-"}},
      {"a=1 a=2", {"a=2 w-..- c-..- -/-"}},
      {"garbage b=3", {"b=3 w-..- c-..- -/-"}},
      {"'open=3", {}},
      {"", {}},
  };
  for (const Row& row : kTable) {
    std::vector<std::string> got;
    for (const Perfdata& p : parse_plugin_output(std::string("OK | ") + row.data).perfdata) got.push_back(str(p));
    EXPECT_EQ(got, row.wanted) << row.data;
  }
}

TEST(Perfdata, IsFoundBehindTheFirstLineAndBehindTheLongText) {
  const auto out = parse_plugin_output("DISK OK - free | /=1MB\n/home\n/var | /boot=2MB\n/home=3MB\n");
  EXPECT_EQ(out.text, "DISK OK - free\n/home\n/var ");
  ASSERT_EQ(out.perfdata.size(), 3U);
  EXPECT_EQ(out.perfdata[2].label, "/home");
}

TEST(Perfdata, HasALimit) {
  std::string data = "x|";
  for (int i = 0; i < 1000; ++i) data += fmt::format("l{}=1 ", i);
  EXPECT_EQ(parse_plugin_output(data).perfdata.size(), 256U);
}

}  // namespace
}  // namespace tocsin
