#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/labels.h"
#include "agent/core/result.h"
#include "agent/core/sample.h"

namespace tocsin {

/// What an exposition with timestamps tells of the past.
struct ExpositionHistory {
  std::map<Labels, std::vector<Sample>> series;  // each in strictly ascending time
  std::size_t samples = 0;
  // What was left out:
  std::size_t duplicates = 0;  // samples at a time that their series already had; the first one counts
  std::size_t created = 0;     // OpenMetrics' <family>_created, the start of a counter
  std::size_t histograms = 0;  // samples of native histograms
};

/// Reads all of a file's text: OpenMetrics when it ends with `# EOF`, else the Prometheus text format. Series may be
/// mixed, and their samples in any order. Errors, as `file:line: sentence`: what the formats do not allow, a sample
/// without a timestamp, timestamps that can only be seconds in a text that counts milliseconds.
Result<ExpositionHistory> read_exposition_history(const std::string& file, std::string_view text);

}  // namespace tocsin
