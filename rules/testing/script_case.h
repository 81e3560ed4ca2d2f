#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/result.h"
#include "agent/core/time.h"
#include "rules/promql/promql.h"
#include "rules/testing/script_series.h"

/// One `eval` of a script: how it is read, and how a result is held against it.
namespace tocsin {

/// A text to be found among the warnings, infos or errors.
struct ScriptPattern {
  bool regex = false;
  std::string text;  // empty: anything
  bool matches(const std::string& message) const;
  std::string str() const;
};

/// An eval as it stands in the script.
struct ScriptCase {
  std::size_t line = 0;
  std::string expr;
  bool is_range = false;
  TimePoint start, end;
  Duration step{0};
  std::vector<ScriptSeries> rows;
  std::optional<double> scalar;
  std::optional<std::string> text;
  bool ordered = false;
  std::optional<ScriptPattern> fails;
  std::vector<ScriptPattern> warnings, infos;
  bool no_warnings = false, no_infos = false;
  bool range_vector = false;  // an instant query whose value is a range vector
  TimePoint rows_start;
  Duration rows_step{0};
};

/// Reads `eval instant at 5m up` or `eval range from 0 to 1h step 1m up`.
Result<ScriptCase> read_script_case(std::string_view head);
/// Reads a line below it: `expect …`, `expected_fail_message …`, a number, or a series.
Result<void> read_expectation(std::string_view line, ScriptCase& out);

// What differs, or "".
std::string check_error(const ScriptCase& wanted, const std::string& error);
std::string check_notes(const ScriptCase& wanted, const promql::QueryResult& result);
std::string check_value(const ScriptCase& wanted, const promql::QueryResult& result);
std::string check_vector(const ScriptCase& wanted, const promql::Vector& vector);
/// Of a scalar that came as the one series of a range query.
std::string check_scalar(const ScriptCase& wanted, double value);

/// Without the white space around it.
std::string_view trimmed(std::string_view text);

}  // namespace tocsin
