#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/core/config/fields.h"
#include "agent/core/labels.h"
#include "agent/core/time.h"

namespace tocsin {

/// A file of unit tests for rules, as `promtool test rules` reads it, and a few keys that promtool does not have.
/// Source: prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules.

/// A series and its values: `up{job="api"}`, `1+0x5 _ stale 0x10`.
struct InputSeriesConfig {
  std::string series;
  std::string values;
  Position at;
  void fields(Fields& f);
};

struct ExpectedAlertConfig {
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  void fields(Fields& f);
};

/// Which alerts of one name fire at a time.
struct AlertTestConfig {
  Duration eval_time{0};
  std::string alertname;
  std::vector<ExpectedAlertConfig> alerts;
  /// Only what is written is compared: an alert may have more labels and annotations, and `=~` begins a pattern.
  bool partial = false;
  Position at;
  void fields(Fields& f);
};

struct ExpectedSampleConfig {
  std::string labels;
  double value = 0;
  std::string histogram;
  Position at;
  void fields(Fields& f);
};

/// What an expression gives at a time.
struct ExprTestConfig {
  std::string expr;
  Duration eval_time{0};
  std::vector<ExpectedSampleConfig> samples;
  Position at;
  void fields(Fields& f);
};

struct RuleTestConfig {
  std::string name;
  std::optional<Duration> interval;  // of the series' values and of groups that do not say theirs; default: the file's
  TimePoint start;                   // start_timestamp: when the first value stands
  std::vector<InputSeriesConfig> series;
  std::map<std::string, std::string> external_labels;
  std::string external_url;
  std::vector<AlertTestConfig> alert_tests;
  std::vector<ExprTestConfig> expr_tests;
  Position at;
  void fields(Fields& f);
};

struct RuleTestFile {
  std::string file;
  std::vector<std::string> rule_files;  // as written: relative to the file, globs
  Duration evaluation_interval = std::chrono::minutes(1);
  std::vector<std::string> group_eval_order;
  bool fuzzy_compare = false;  // values may differ by the last bit
  std::vector<RuleTestConfig> tests;
  void fields(Fields& f);
};

/// Reads and checks the tests; the rule files they name are read when they run.
RuleTestFile load_rule_test_file(const std::string& path, Diagnostics& diagnostics);

}  // namespace tocsin
