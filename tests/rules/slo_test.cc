#include "rules/slo.h"

#include <gtest/gtest.h>

#include "rules/testing/rule_test.h"

namespace tocsin {
namespace {

std::vector<RuleGroupConfig> groups_of(std::string_view text, Diagnostics& diagnostics) {
  return parse_rule_file(text, "slo.toml", diagnostics);
}

std::string mistakes(std::string_view text) {
  Diagnostics diagnostics;
  EXPECT_TRUE(groups_of(text, diagnostics).empty());
  return diagnostics.str();
}

constexpr std::string_view kShop = R"(
[[slo]]
name = "up"
service = "shop"
objective = 99.95
good = 'probe_success{job="shop"}'
)";

TEST(Slo, RecordsTheSeriesOfSloth) {
  Diagnostics diagnostics;
  const auto groups = groups_of(kShop, diagnostics);
  ASSERT_EQ(groups.size(), 1U) << diagnostics.str();
  EXPECT_EQ(groups[0].name, "slo-shop-up");
  EXPECT_EQ(groups[0].file, "slo.toml");
  std::vector<std::string> names;
  for (const RuleConfig& rule : groups[0].rules) {
    names.push_back(rule.name());
    EXPECT_EQ(rule.labels.at("sloth_id"), "shop-up");
    EXPECT_EQ(rule.labels.at("sloth_service"), "shop");
    EXPECT_EQ(rule.labels.at("sloth_slo"), "up");
    const std::size_t rate = rule.record.find("ratio_rate");
    if (rate == std::string::npos) continue;
    EXPECT_EQ(rule.labels.at("sloth_window"), rule.record.substr(rate + 10));
  }
  const std::vector<std::string> wanted{"slo:sli_error:ratio_rate5m",
                                        "slo:sli_error:ratio_rate30m",
                                        "slo:sli_error:ratio_rate1h",
                                        "slo:sli_error:ratio_rate2h",
                                        "slo:sli_error:ratio_rate6h",
                                        "slo:sli_error:ratio_rate1d",
                                        "slo:sli_error:ratio_rate3d",
                                        "slo:sli_error:ratio_rate30d",
                                        "slo:sli_error:count1h",
                                        "slo:sli_error:count6h",
                                        "slo:sli_error:count1d",
                                        "slo:sli_error:count3d",
                                        "slo:objective:ratio",
                                        "slo:error_budget:ratio",
                                        "slo:time_period:days",
                                        "slo:current_burn_rate:ratio",
                                        "slo:period_burn_rate:ratio",
                                        "slo:period_error_budget_remaining:ratio",
                                        "sloth_slo_info",
                                        "ErrorBudgetBurn",
                                        "ErrorBudgetBurn"};
  EXPECT_EQ(names, wanted);
  EXPECT_EQ(groups[0].rules[13].expr, "vector(0.0005)");
}

TEST(Slo, PassesItsTestsAndThoseExerciseEveryRule) {
  Diagnostics diagnostics;
  RuleCoverage coverage;
  const RuleTestFile file = load_rule_test_file("tests/rules/slo/slo.yml", diagnostics);
  const RuleTestReport report =
      run_rule_tests(file, {.selected = {}, .diff = true, .coverage = &coverage}, diagnostics);
  ASSERT_TRUE(diagnostics.empty()) << diagnostics.str();
  for (const RuleTestOutcome& outcome : report.outcomes) {
    EXPECT_FALSE(outcome.skipped) << outcome.reason;
    for (const std::string& failure : outcome.failures) ADD_FAILURE() << outcome.name << "\n" << failure;
  }
  EXPECT_EQ(coverage.rows().size(), 42U);
  for (const RuleCoverage::Row& row : coverage.rows()) {
    for (const std::string& missing : row.missing) ADD_FAILURE() << row.rule << ": " << missing;
  }
}

TEST(Slo, IsPrintedAsRulesThatReadBackTheSame) {
  struct Document {
    std::vector<RuleGroupConfig> groups;
    void fields(Fields& f) { f("group", groups, ""); }
  };
  Diagnostics diagnostics;
  Document document{groups_of(kShop, diagnostics)};
  const std::string text = to_toml(write_config(document));
  const auto again = groups_of(text, diagnostics);
  ASSERT_TRUE(diagnostics.empty()) << diagnostics.str() << text;
  ASSERT_EQ(again.size(), 1U);
  ASSERT_EQ(again[0].rules.size(), document.groups[0].rules.size());
  for (std::size_t i = 0; i < again[0].rules.size(); ++i) {
    EXPECT_EQ(again[0].rules[i].expr, document.groups[0].rules[i].expr);
    EXPECT_EQ(again[0].rules[i].labels, document.groups[0].rules[i].labels);
    EXPECT_EQ(again[0].rules[i].annotations, document.groups[0].rules[i].annotations);
  }
}

TEST(Slo, CountsTheFailuresOfARateAndOfAnIncrease) {
  const auto count1h = [](std::string_view function) {
    Diagnostics diagnostics;
    const std::string text = fmt::format(
        "[[slo]]\nname = \"a\"\nobjective = 99\nerrors = 'sum({0}(e[{{{{ .window }}}}]))'\ntotal = "
        "'sum({0}(t[{{{{window}}}}]))'\n",
        function);
    const auto groups = groups_of(text, diagnostics);
    EXPECT_EQ(groups.size(), 1U) << diagnostics.str();
    return groups.empty() ? "" : groups[0].rules[8].expr;
  };
  EXPECT_EQ(count1h("rate"), "(sum(rate(e[1h]))) * 3600");
  EXPECT_EQ(count1h("increase"), "(sum(increase(e[1h])))");
}

TEST(Slo, TellsMistakesWhereTheyStand) {
  struct Row {
    const char* keys;
    const char* mistake;
  };
  for (const Row& row : {
           Row{"objective = 100\ngood = 'up'", "slo.toml:3:13: \"objective\" must be above 0 and below 100.\n"},
           {"good = 'up'", "slo.toml:1:1: \"objective\" is missing.\n"},
           {"objective = 99", "slo.toml:1:1: An SLO needs \"errors\" and \"total\", or \"good\".\n"},
           {"objective = 99\ngood = 'up'\ntotal = 'rate(t[{{window}}])'",
            "slo.toml:4:8: Only one of \"good\" and \"errors\" with \"total\" may be given.\n"},
           {"objective = 99\ngood = 'sum(up)'",
            "slo.toml:4:8: \"good\" must be a series with labels, as probe_success{job=\"shop\"}.\n"},
           {"objective = 99\nerrors = 'rate(e[5m])'\ntotal = 'rate(t[{{window}}])'",
            "slo.toml:4:10: \"errors\" needs {{window}} where its range stands: rate(errors_total[{{window}}]).\n"},
           {"objective = 99\nerrors = 'e[{{window}}]'\ntotal = 'rate(t[{{window}}])'",
            "slo.toml:4:10: The expression of \"errors\" must give a vector.\n"},
           {"objective = 99\ngood = 'up'\nlabels = { a-b = 'x' }",
            "slo.toml:5:10: \"a-b\" is not the name of a label or an annotation.\n"},
       }) {
    EXPECT_EQ(mistakes(std::string("[[slo]]\nname = \"a\"\n") + row.keys + "\n"), row.mistake);
  }
  EXPECT_NE(mistakes("[[slo]]\nname = \"a\"\nobjective = 99\ngood = 'up'\nannotations.summary = '{{ '\n")
                .find("The text of \"summary\" does not parse"),
            std::string::npos);
  EXPECT_NE(mistakes("[[slo]]\nname = \"a\"\nobjective = 99\ngood = 'up{'\n").find("slo.toml:4:8: The expression of"),
            std::string::npos);
  EXPECT_NE(mistakes("[[slo]]\nname = \"a\"\nobjektive = 99\n").find("objective"), std::string::npos);
}

TEST(Slo, IsUniqueInItsFileAndNoKeyOfPrometheusFiles) {
  Diagnostics twice;
  EXPECT_EQ(groups_of(std::string(kShop) + std::string(kShop), twice).size(), 1U);
  EXPECT_EQ(twice.str(), "slo.toml:8:1: There is already a group \"slo-shop-up\" in this file.\n");
  Diagnostics yaml;
  parse_rule_file("groups: []\nslo: [{name: a, objective: 99, good: up}]\n", "slo.yml", yaml);
  EXPECT_FALSE(yaml.empty());
}

}  // namespace
}  // namespace tocsin
