// The rule packs that ship: every rule is tested, so that it fires when it should and keeps silent when it should, and
// tells people what they need.

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "agent/core/embedded.h"
#include "rules/testing/rule_test.h"

namespace tocsin {
namespace {

std::vector<std::string> packs() {
  return embedded_names("rules/packs/", ".toml");
}

class RulePack : public testing::TestWithParam<std::string> {
 protected:
  static std::vector<RuleConfig> rules() {
    const std::string path = "rules/packs/" + GetParam() + ".toml";
    Diagnostics diagnostics;
    std::vector<RuleConfig> out;
    for (const RuleGroupConfig& group : parse_rule_file(embedded_file(path), path, diagnostics)) {
      out.insert(out.end(), group.rules.begin(), group.rules.end());
    }
    EXPECT_TRUE(diagnostics.empty()) << diagnostics.str();
    EXPECT_FALSE(out.empty());
    return out;
  }
};

TEST_P(RulePack, PassesItsTestsAndThoseExerciseEveryRule) {
  Diagnostics diagnostics;
  RuleCoverage coverage;
  const RuleTestFile file = load_rule_test_file("tests/rules/packs/" + GetParam() + ".yml", diagnostics);
  const RuleTestReport report =
      run_rule_tests(file, {.selected = {}, .diff = true, .coverage = &coverage}, diagnostics);
  ASSERT_TRUE(diagnostics.empty()) << diagnostics.str();
  for (const RuleTestOutcome& outcome : report.outcomes) {
    EXPECT_FALSE(outcome.skipped) << outcome.name << ": " << outcome.reason;
    for (const std::string& failure : outcome.failures) ADD_FAILURE() << outcome.name << "\n" << failure;
  }
  std::size_t exercised = 0;
  for (const RuleCoverage::Row& row : coverage.rows()) {
    ++exercised;
    for (const std::string& missing : row.missing) {
      // What always fires cannot be expected to be silent.
      if (row.rule == "Watchdog" && missing == "no test expects it to be silent") continue;
      ADD_FAILURE() << row.rule << " (line " << row.at.line << "): " << missing;
    }
  }
  EXPECT_EQ(exercised, rules().size());
}

TEST_P(RulePack, TellsHowBadItIsWhatIsWrongAndWhatToDo) {
  const std::set<std::string> severities{"critical", "warning", "info", "none"};
  for (const RuleConfig& rule : rules()) {
    if (rule.alert.empty()) continue;
    const auto severity = rule.labels.find("severity");
    ASSERT_NE(severity, rule.labels.end()) << rule.alert;
    EXPECT_TRUE(severities.contains(severity->second)) << rule.alert;
    for (const char* name : {"summary", "description"}) {
      const auto text = rule.annotations.find(name);
      ASSERT_NE(text, rule.annotations.end()) << rule.alert << " has no " << name;
      EXPECT_GE(text->second.size(), 15U) << rule.alert;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Packs, RulePack, testing::ValuesIn(packs()), [](const auto& param) { return param.param; });

TEST(RulePacks, HaveTheNamesOfNodeMixin) {
  const std::string path = "rules/packs/host.toml";
  Diagnostics diagnostics;
  std::multiset<std::string> names;
  for (const RuleGroupConfig& group : parse_rule_file(embedded_file(path), path, diagnostics)) {
    for (const RuleConfig& rule : group.rules) names.insert(rule.alert);
  }
  const std::multiset<std::string> twice{"NodeFilesystemSpaceFillingUp", "NodeFilesystemAlmostOutOfSpace",
                                         "NodeFilesystemFilesFillingUp", "NodeFilesystemAlmostOutOfFiles",
                                         "NodeFileDescriptorLimit"};
  std::multiset<std::string> wanted{"NodeNetworkReceiveErrs",
                                    "NodeNetworkTransmitErrs",
                                    "NodeHighNumberConntrackEntriesUsed",
                                    "NodeTextFileCollectorScrapeError",
                                    "NodeClockSkewDetected",
                                    "NodeClockNotSynchronising",
                                    "NodeRAIDDegraded",
                                    "NodeRAIDDiskFailure",
                                    "NodeCPUHighUsage",
                                    "NodeSystemSaturation",
                                    "NodeMemoryMajorPagesFaults",
                                    "NodeMemoryHighUtilization",
                                    "NodeDiskIOSaturation",
                                    "NodeSystemdServiceFailed",
                                    "NodeSystemdServiceCrashlooping",
                                    "NodeBondingDegraded"};
  for (int i = 0; i < 2; ++i) wanted.insert(twice.begin(), twice.end());
  EXPECT_EQ(names, wanted);
}

}  // namespace
}  // namespace tocsin
