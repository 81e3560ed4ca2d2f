// Each character of a plot is a braille cell of two by four dots (Unicode U+2800: a bit for each dot). Neighbouring
// points of a series are joined by a line as long as they are not further apart than a gap.

#include "agent/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "agent/core/go_text.h"
#include "agent/core/time.h"

namespace tocsin {
namespace {

constexpr int kDotsAcross = 2;
constexpr int kDotsDown = 4;
constexpr std::size_t kLegendMax = 20;

class Canvas {
 public:
  explicit Canvas(PlotSize size)
      : size_(size), cells_(static_cast<std::size_t>(size.width) * static_cast<std::size_t>(size.height), 0) {}

  int across() const { return size_.width * kDotsAcross; }
  int down() const { return size_.height * kDotsDown; }

  void dot(int x, int y) {
    if (x < 0 || y < 0 || x >= across() || y >= down()) return;
    constexpr std::array<std::array<unsigned char, kDotsDown>, kDotsAcross> kBits{
        {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}};
    const auto column = static_cast<std::size_t>(x % kDotsAcross), row = static_cast<std::size_t>(y % kDotsDown);
    cells_[static_cast<std::size_t>(y / kDotsDown * size_.width + x / kDotsAcross)] |= kBits[column][row];
  }

  void line(int x0, int y0, int x1, int y1) {
    const int steps = std::max({std::abs(x1 - x0), std::abs(y1 - y0), 1});
    for (int i = 0; i <= steps; ++i) {
      dot(x0 + static_cast<int>(std::lround(double(x1 - x0) * i / steps)),
          y0 + static_cast<int>(std::lround(double(y1 - y0) * i / steps)));
    }
  }

  std::string row(int y) const {
    std::string out;
    for (int x = 0; x < size_.width; ++x) {
      const unsigned char bits = cells_[static_cast<std::size_t>(y * size_.width + x)];
      if (bits == 0) {
        out += ' ';
      } else {
        append_rune(out, 0x2800 + bits);
      }
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
  }

 private:
  PlotSize size_;
  std::vector<unsigned char> cells_;
};

struct Scale {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
};

Scale scale_of(const std::vector<PlotSeries>& series) {
  Scale out;
  for (const PlotSeries& one : series) {
    for (const auto& [t, v] : one.points) {
      if (!std::isfinite(v)) continue;
      out.low = std::min(out.low, v);
      out.high = std::max(out.high, v);
    }
  }
  if (out.low > out.high) return {0, 1};
  if (out.low == out.high) {
    const double margin = out.low == 0 ? 1 : std::abs(out.low) * 0.1;
    return {out.low - margin, out.high + margin};
  }
  return out;
}

/// More than so many seconds between two points is a gap: three times the usual distance.
double gap_of(const PlotSeries& series) {
  std::vector<double> distances;
  for (std::size_t i = 1; i < series.points.size(); ++i) {
    distances.push_back(series.points[i].first - series.points[i - 1].first);
  }
  if (distances.empty()) return 0;
  const auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  return *middle * 3;
}

void draw(Canvas& canvas, const PlotSeries& series, double start, double end, const Scale& scale) {
  const double gap = gap_of(series);
  bool joined = false;
  int last_x = 0, last_y = 0;
  double last_t = 0;
  for (const auto& [t, v] : series.points) {
    if (!std::isfinite(v)) {
      joined = false;
      continue;
    }
    const int x = static_cast<int>(std::lround((t - start) / (end - start) * (canvas.across() - 1)));
    const int y = static_cast<int>(std::lround((scale.high - v) / (scale.high - scale.low) * (canvas.down() - 1)));
    if (joined && t - last_t <= gap) {
      canvas.line(last_x, last_y, x, y);
    } else {
      canvas.dot(x, y);
    }
    joined = true;
    last_x = x;
    last_y = y;
    last_t = t;
  }
}

std::string clock_text(double seconds, bool with_day) {
  const std::string text = format_rfc3339(time_from_seconds(std::floor(seconds)));
  return with_day ? text.substr(5, 5) + " " + text.substr(11, 5) : text.substr(11, 8);
}

}  // namespace

std::string plot(const std::vector<PlotSeries>& series, double start, double end, PlotSize size) {
  const Scale scale = scale_of(series);
  Canvas canvas(size);
  for (const PlotSeries& one : series) draw(canvas, one, start, end, scale);

  constexpr int kAxis = 11;
  std::string out;
  for (int y = 0; y < size.height; ++y) {
    const bool labelled = y % 5 == 0 || y == size.height - 1;
    const double value = scale.high - (scale.high - scale.low) * y / std::max(size.height - 1, 1);
    out += labelled ? fmt::format("{:>{}.4g} ┤", value, kAxis) : fmt::format("{:>{}} │", "", kAxis);
    out += canvas.row(y) + "\n";
  }
  const bool with_day = end - start > 86400;
  const std::string from = clock_text(start, with_day), middle = clock_text((start + end) / 2, with_day),
                    to = clock_text(end, with_day);
  std::string line;
  for (int x = 0; x < size.width; ++x) line += "─";
  out += fmt::format("{:>{}} └{}\n", "", kAxis, line);
  const int room = std::max(size.width - static_cast<int>(from.size() + middle.size() + to.size()), 2);
  out += fmt::format("{:>{}}  {}{:{}}{}{:{}}{}\n", "", kAxis, from, "", room / 2, middle, "", room - room / 2, to);
  for (std::size_t i = 0; i < std::min(series.size(), kLegendMax); ++i) {
    const auto& points = series[i].points;
    out += fmt::format("{:>{}.6g}  {}\n", points.empty() ? 0.0 : points.back().second, kAxis, series[i].name);
  }
  if (series.size() > kLegendMax) out += fmt::format("{:>{}}  and {} more\n", "", kAxis, series.size() - kLegendMax);
  return out;
}

}  // namespace tocsin
