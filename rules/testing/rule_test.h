#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "rules/testing/rule_coverage.h"
#include "rules/testing/rule_test_file.h"

namespace tocsin {

/// What became of one test of a file.
struct RuleTestOutcome {
  std::string name;  // as written; may be empty
  Position at;
  bool skipped = false;
  std::string reason;  // of skipping
  /// One text each, of several lines, indented by four.
  std::vector<std::string> failures;
};

struct RuleTestReport {
  std::vector<RuleTestOutcome> outcomes;
  std::size_t failed() const;
};

struct RuleTestOptions {
  /// Which tests run; none: all.
  std::function<bool(std::string_view name)> selected;
  /// Show what differs line by line instead of both sides.
  bool diff = false;
  /// Gets what the tests exercised.
  RuleCoverage* coverage = nullptr;
};

/// Runs the tests of a file in virtual time: all groups at each evaluation_interval from the start to the last
/// eval_time, whatever intervals they say, on samples up to that time. Verdicts are promtool's. Mistakes in rule files
/// and series go to `diagnostics`, and nothing runs then.
RuleTestReport run_rule_tests(const RuleTestFile& file, const RuleTestOptions& options, Diagnostics& diagnostics);

}  // namespace tocsin
