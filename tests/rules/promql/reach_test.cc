#include "rules/promql/reach.h"

#include <gtest/gtest.h>

namespace tocsin::promql {
namespace {

TEST(SelectorReach, TellsHowFarEachSelectorLooks) {
  struct Row {
    const char* expr;
    const char* reach;
  };
  for (const Row& row : {
           Row{"m", "m -5m +0s"},
           {"m{a=\"b\"} offset 1h", "m{a=\"b\"} -1h5m +0s"},
           {"m offset -1h", "m --55m +1h"},
           {"rate(m[10m])", "m -10m +0s"},
           {"rate(m[10m] offset 5m) / n", "m -15m +0s; n -5m +0s"},
           {"m + m offset 1d", "m -1d5m +0s"},
           {"max_over_time(rate(m[1m])[2h:] offset 1h)", "m -3h1m +0s"},
           {"m @ 60", "m -5m +0s @1970-01-01T00:01:00Z"},
           {"sum_over_time((m @ 60)[1h:] offset 1d)", "m -5m +0s @1970-01-01T00:01:00Z"},
           {"m @ end()", "m -5m +0s"},
           {"rate(m[1m] smoothed)", "m -6m +5m"},
           {"rate(m[1m * 2])", "m -1d +0s"},
           {"vector(1)", ""},
       }) {
    const auto expr = parse(row.expr);
    ASSERT_TRUE(expr) << row.expr;
    std::string out;
    for (const SelectorReach& r : selector_reach(**expr)) {
      out += fmt::format("{}{} -{} +{}{}", out.empty() ? "" : "; ", r.text, format_duration(r.before),
                         format_duration(r.after), r.at ? " @" + format_rfc3339(*r.at) : "");
    }
    EXPECT_EQ(out, row.reach) << row.expr;
  }
}

}  // namespace
}  // namespace tocsin::promql
