#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tocsin {

struct PlotSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;  // seconds since the epoch, value; ascending
};

/// Characters of the plot itself; axes and legend come on top.
struct PlotSize {
  int width = 72;
  int height = 16;
};

/// The series as lines of text: braille dots, a y axis with values, an x axis with times (UTC) and a legend with the
/// last value of each. What is not finite is left out; series that share a dot hide one another. Ends with a newline.
std::string plot(const std::vector<PlotSeries>& series, double start, double end, PlotSize size);

}  // namespace tocsin
