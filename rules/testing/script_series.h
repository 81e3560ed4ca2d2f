#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/result.h"

namespace tocsin {

/// One place in the list of values behind a series.
struct ScriptPoint {
  enum class Kind { kFloat, kGap, kHistogram };
  Kind kind = Kind::kFloat;
  double v = 0;
};

struct ScriptSeries {
  Labels labels;
  std::vector<ScriptPoint> points;
  bool has_histograms() const;
};

/// Reads `name{label="value"} 1 2+3x4 _ stale`: Prometheus' notation of series in tests. Errors: malformed, more than
/// 10 million points.
Result<ScriptSeries> parse_script_series(std::string_view text);
/// A number and nothing else: `1`, `-1e3`, `NaN`, `+Inf`.
std::optional<double> parse_script_number(std::string_view text);
/// The series of a line `series@st …`, which gives start timestamps; nothing for other lines.
std::optional<Labels> start_timestamp_labels(std::string_view text);

}  // namespace tocsin
