#include "agent/plot.h"

#include <gtest/gtest.h>

namespace tocsin {
namespace {

TEST(Plot, DrawsALineWithAxesAndLegend) {
  const PlotSeries up{"up{a=\"b\"}", {{0, 0}, {30, 5}, {60, 10}}};
  EXPECT_EQ(plot({up}, 0, 60, {10, 4}),
            "         10 ┤        ⡠⠊\n"
            "            │     ⢀⠔⠉\n"
            "            │  ⢀⡠⠒⠁\n"
            "          0 ┤⡠⠔⠁\n"
            "            └──────────\n"
            "             00:00:00 00:00:30 00:01:00\n"
            "         10  up{a=\"b\"}\n");
}

TEST(Plot, LeavesGapsOpenAndCopesWithConstants) {
  const PlotSeries gap{"gap", {{0, 3}, {1, 3}, {2, 3}, {50, 3}, {51, 3}}};
  const std::string text = plot({gap}, 0, 60, {10, 4});
  EXPECT_NE(text.find("        3.3 ┤"), std::string::npos) << text;
  EXPECT_EQ(text.find("⠤⠤⠤"), std::string::npos) << text;
}

TEST(Plot, SaysHowManySeriesTheLegendLeavesOut) {
  const std::vector<PlotSeries> many(25, PlotSeries{"x", {{0, 1}}});
  EXPECT_NE(plot(many, 0, 60, {10, 4}).find("and 5 more"), std::string::npos);
}

}  // namespace
}  // namespace tocsin
