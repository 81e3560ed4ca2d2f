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
/// `series@st …`: start timestamps, which we do not keep.
bool is_start_timestamp_line(std::string_view text);

}  // namespace tocsin
