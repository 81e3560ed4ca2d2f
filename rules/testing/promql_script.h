#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin {

/// What became of one `eval` of a script.
struct ScriptEval {
  enum class Outcome { kPassed, kFailed, kSkipped };
  std::size_t line = 0;
  std::string expr;
  Outcome outcome = Outcome::kPassed;
  std::string message;  // why it failed or was skipped
};

struct ScriptReport {
  std::vector<ScriptEval> evals;
  /// A line that cannot be read, as `line:column: sentence`; the script ends there.
  std::string error;
  std::size_t count(ScriptEval::Outcome outcome) const;
};

/// Runs a script in the format of Prometheus' promqltest: `load`, `clear`, `eval instant`, `eval range` and their
/// expectations. As there, each instant query is repeated with `@` its own time, evaluated at other times, and as a
/// range query around it.
///
/// Samples that are native histograms are left out; an eval that selects such series, or expects such samples, is
/// skipped when it does not pass without them. Delayed name removal is on, as in Prometheus' own runner.
ScriptReport run_promql_script(std::string_view script);

}  // namespace tocsin
