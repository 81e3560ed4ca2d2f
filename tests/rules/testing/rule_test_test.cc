#include "rules/testing/rule_test.h"

#include <gtest/gtest.h>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

constexpr const char* kFolder = "tests/rules/testing/testdata/";

RuleTestReport run_file(const std::string& path, const RuleTestOptions& options = {}) {
  Diagnostics diagnostics;
  const RuleTestFile file = load_rule_test_file(path, diagnostics);
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.str();
  RuleTestReport report = run_rule_tests(file, options, diagnostics);
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.str();
  return report;
}

std::vector<std::string> failures(const RuleTestReport& report) {
  std::vector<std::string> out;
  for (const RuleTestOutcome& outcome : report.outcomes) {
    out.insert(out.end(), outcome.failures.begin(), outcome.failures.end());
  }
  return out;
}

/// One test over `rules` with `series: values` and the given checks, in YAML.
class RuleTest : public testing::Test {
 protected:
  RuleTestReport run(const std::string& rules, const std::string& test, const RuleTestOptions& options = {}) {
    dir_.write("rules.yml", "groups: [{name: g, rules: [" + rules + "]}]\n");
    return run_file(dir_.write("test.yml", "rule_files: [rules.yml]\n" + test), options);
  }
  std::string mistakes(const std::string& text) {
    dir_.write("rules.yml", "groups: []\n");
    Diagnostics diagnostics;
    const RuleTestFile file = load_rule_test_file(dir_.write("test.yml", text), diagnostics);
    if (diagnostics.empty()) run_rule_tests(file, {}, diagnostics);
    std::string out = diagnostics.str();
    for (std::size_t at; (at = out.find(dir_.path() + "/")) != std::string::npos;)
      out.erase(at, dir_.path().size() + 1);
    return out;
  }
  test::TempDir dir_;
};

TEST(RuleTestFiles, GiveTheVerdictsOfPromtool) {
  struct Row {
    const char* file;
    std::size_t failures;
  };
  for (const Row& row : {Row{"good.yml", 0}, {"bad.yml", 2}, {"times.yml", 0}, {"failing_rule.yml", 1}}) {
    const std::string path = std::string(kFolder) + row.file;
    const std::vector<std::string> failed = failures(run_file(path));
    EXPECT_EQ(failed.size(), row.failures) << row.file << ": " << testing::PrintToString(failed);
    if (test::run({"promtool", "--version"}).exit_code != 0) continue;
    const test::Output promtool = test::run({"promtool", "test", "rules", path});
    EXPECT_EQ(promtool.exit_code == 0, row.failures == 0) << row.file << ": " << promtool.out << promtool.err;
  }
}

TEST_F(RuleTest, SaysWhatDiffers) {
  const std::string test =
      "tests: [{input_series: [{series: 'm{a=\"1\"}', values: '1 2'}],\n"
      " promql_expr_test: [{expr: m, eval_time: 1m, exp_samples: [{labels: 'm{a=\"1\"}', value: 3}]}]}]\n";
  EXPECT_EQ(
      failures(run("", test)),
      (std::vector<std::string>{"    expr: \"m\", time: 1m,\n        exp:[\n            m{a=\"1\"} 3\n            ],\n"
                                "        got:[\n            m{a=\"1\"} 2\n            ]"}));
  RuleTestOptions diff;
  diff.diff = true;
  EXPECT_EQ(failures(run("", test, diff)),
            (std::vector<std::string>{"    expr: \"m\", time: 1m,\n        diff (-expected +got):\n"
                                      "          - m{a=\"1\"} 3\n          + m{a=\"1\"} 2"}));
}

TEST_F(RuleTest, ComparesPartlyWhenAskedTo) {
  const std::string rule =
      "{alert: A, expr: 'm > 0', labels: {severity: page}, annotations: {text: 'm is {{ $value }}'}}";
  const auto test = [](const std::string& expected) {
    return "tests: [{input_series: [{series: 'm{i=\"a\"}', values: '7'}, {series: 'm{i=\"b\"}', values: '8'}],\n"
           " alert_rule_test: [{alertname: A, partial: true, exp_alerts: [" +
           expected + "]}]}]\n";
  };
  struct Row {
    const char* expected;
    bool passes;
  };
  for (const Row& row : {Row{"{}, {}", true},
                         {"{}", false},
                         {"{exp_labels: {i: '=~a|b'}}, {exp_labels: {i: a}}", true},
                         {"{exp_labels: {i: a}}, {exp_labels: {i: a}}", false},
                         {"{exp_annotations: {text: '=~m is [0-9]'}}, {exp_labels: {severity: page}}", true},
                         {"{exp_annotations: {text: '=~m is'}}, {}", false}}) {
    EXPECT_EQ(failures(run(rule, test(row.expected))).empty(), row.passes) << row.expected;
  }
}

TEST_F(RuleTest, StartsWhenItIsToldTo) {
  for (const char* start : {"'2026-03-01T10:00:00Z'", "1772359200"}) {
    EXPECT_EQ(
        failures(run("", "tests: [{start_timestamp: " + std::string(start) +
                             ", input_series: [{series: m, values: '1 2'}],\n promql_expr_test: ["
                             "{expr: timestamp(m), eval_time: 1m, exp_samples: [{labels: '{}', value: 1772359260}]},"
                             "{expr: 'hour(vector(time()))', exp_samples: [{labels: '{}', value: 10}]}]}]\n")),
        std::vector<std::string>{});
  }
}

TEST_F(RuleTest, ToleratesTheLastBitWhenAskedTo) {
  const std::string test =
      "tests: [{promql_expr_test: [{expr: '0.1 + 0.2', exp_samples: [{labels: '{}', value: 0.3}]}]}]\n";
  EXPECT_EQ(failures(run("", test)).size(), 1U);
  EXPECT_EQ(failures(run("", "fuzzy_compare: true\n" + test)), std::vector<std::string>{});
}

TEST_F(RuleTest, SkipsWhatNeedsNativeHistograms) {
  const RuleTestReport report =
      run("", "tests: [{input_series: [{series: h, values: '{{count:1 sum:1 buckets:[1]}}x3'}]}]\n");
  ASSERT_EQ(report.outcomes.size(), 1U);
  EXPECT_TRUE(report.outcomes[0].skipped);
}

TEST_F(RuleTest, RunsOnlyTheSelected) {
  RuleTestOptions options;
  options.selected = [](std::string_view name) { return name == "b"; };
  const RuleTestReport report = run("", "tests: [{name: a}, {name: b}]\n", options);
  ASSERT_EQ(report.outcomes.size(), 1U);
  EXPECT_EQ(report.outcomes[0].name, "b");
}

TEST_F(RuleTest, TellsEveryMistakeWithItsPlace) {
  struct Row {
    const char* text;
    const char* mistake;
  };
  for (const Row& row : {
           Row{"tests: [{nmae: x}]", "test.yml:1:10: \"nmae\" is not a known key"},
           {"rule_files: [none.yml]\ntests: [{name: x}]", "none.yml: The rule file cannot be read"},
           {"tests:\n- alert_rule_test:\n  - eval_time: 1m", "test.yml:3:5: \"alertname\" is missing."},
           {"group_eval_order: [a, a]", "stands twice"},
           {"tests:\n- start_timestamp: yesterday", "test.yml:2:20: "},
           {"tests:\n- input_series:\n  - {series: 'm{', values: '1'}", "test.yml:3:5: The series m{ cannot be read"},
       }) {
    EXPECT_NE(mistakes(row.text).find(row.mistake), std::string::npos) << row.text << "\n" << mistakes(row.text);
  }
}

TEST_F(RuleTest, CoverageTellsWhatNothingExercised) {
  RuleCoverage coverage;
  RuleTestOptions options;
  options.coverage = &coverage;
  run("{alert: A, expr: 'm > 1 or n > 1'}, {alert: B, expr: 'm > 100'}, {record: r, expr: m}",
      "tests: [{input_series: [{series: m, values: '5'}],\n"
      " alert_rule_test: [{alertname: A, exp_alerts: [{}]}, {alertname: B}]}]\n",
      options);
  std::map<std::string, std::vector<std::string>> missing;
  for (const RuleCoverage::Row& row : coverage.rows()) missing[row.rule] = row.missing;
  EXPECT_EQ(missing["A"],
            (std::vector<std::string>{"no test expects it to be silent", "never true: n > 1", "never true: n"}));
  EXPECT_EQ(missing["B"], (std::vector<std::string>{"it never gave a result", "no test expects it to fire"}));
  EXPECT_EQ(missing["r"], std::vector<std::string>{});
}

}  // namespace
}  // namespace tocsin
