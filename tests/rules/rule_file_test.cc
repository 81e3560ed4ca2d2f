#include "rules/rule_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

using testing::HasSubstr;

struct Read {
  std::vector<RuleGroupConfig> groups;
  std::string mistakes;
};

Read read(std::string_view text, std::string_view file) {
  Diagnostics diagnostics;
  Read out;
  out.groups = parse_rule_file(text, file, diagnostics);
  out.mistakes = diagnostics.str();
  return out;
}

/// A file, and whether promtool takes it. `newer`: Prometheus 3 does and promtool 2.42 does not.
struct Verdict {
  const char* what;
  bool good;
  const char* yaml;
  bool newer = false;
};

std::string group_of(std::string_view rule) {
  std::string out = "groups:\n- name: g\n  rules:\n  - ";
  for (const char c : rule) {
    out += c;
    if (c == '\n') out += "    ";
  }
  return out + "\n";
}

const Verdict kDocuments[] = {
    {"an empty file", true, ""},
    {"a comment", true, "# nothing\n"},
    {"no groups", true, "groups:\n"},
    {"an empty list", true, "groups: []\n"},
    {"a group without rules", true, "groups:\n- name: a\n"},
    {"empty rules", true, "groups:\n- name: a\n  rules:\n"},
    {"a number as name", true, "groups:\n- name: 5\n"},
    {"two groups", true, "groups:\n- name: a\n- name: b\n"},
    {"the same group twice", false, "groups:\n- name: a\n- name: a\n"},
    {"no name", false, "groups:\n- rules: []\n"},
    {"an empty name", false, "groups:\n- name: ''\n"},
    {"an unknown key at the top", false, "groups: []\nrules: []\n"},
    {"an unknown key in a group", false, "groups:\n- name: a\n  partial_response_strategy: warn\n"},
    {"groups as a map", false, "groups: {name: a}\n"},
    {"rules as a map", false, "groups:\n- name: a\n  rules: {alert: A, expr: x}\n"},
    {"groups as text", false, "groups: hello\n"},
    {"a list at the top", false, "- name: a\n"},
    {"an interval", true, "groups:\n- name: a\n  interval: 1m30s\n"},
    {"an interval of nothing", true, "groups:\n- name: a\n  interval:\n"},
    {"an interval of 0", true, "groups:\n- name: a\n  interval: 0\n"},
    {"an interval that is a number", false, "groups:\n- name: a\n  interval: 15\n"},
    {"an interval that is none", false, "groups:\n- name: a\n  interval: 1m 30s\n"},
    {"an empty interval", false, "groups:\n- name: a\n  interval: ''\n"},
    {"a limit", true, "groups:\n- name: a\n  limit: 10\n"},
    {"a limit in quotes", false, "groups:\n- name: a\n  limit: '10'\n"},
    {"a limit below 0", true, "groups:\n- name: a\n  limit: -1\n"},
    {"a word as limit", false, "groups:\n- name: a\n  limit: many\n"},
    {"a query_offset", true, "groups:\n- name: a\n  query_offset: 1m\n", true},
    {"labels of a group", true, "groups:\n- name: a\n  labels: {team: db}\n", true},
    {"bad labels of a group", false, "groups:\n- name: a\n  labels: {te-am: db}\n"},
    {"a second document", true, "groups:\n- name: a\n---\ngroups: nonsense\n"},
    {"an alias", true,
     "groups:\n- name: a\n  rules:\n  - alert: A\n    expr: x\n    labels: &l {severity: page}\n"
     "  - alert: B\n    expr: x\n    labels: *l\n"},
    {"a merge key", true,
     "groups:\n- name: a\n  rules:\n  - &r\n    alert: A\n    expr: x\n    labels: {a: b}\n"
     "  - <<: *r\n    alert: B\n"},
    {"a list of merges", true,
     "groups:\n- name: a\n  rules:\n  - &r {alert: A, expr: x}\n  - &s {alert: B, expr: y, for: 1m}\n"
     "  - <<: [*s, *r]\n    alert: C\n"},
    {"a merge of what is no map", false, "groups:\n- name: a\n  <<: text\n"},
    {"a quoted merge key", false, "groups:\n- name: a\n  \"<<\": {interval: 1m}\n"},
    {"a merge that brings an unknown key", false, "groups:\n- name: a\n  <<: {nonsense: 1m}\n"},
    {"a key twice", false, "groups:\n- name: a\n  name: b\n"},
    {"broken YAML", false, "groups:\n- name: [a\n"},
    {"tabs for indentation", false, "groups:\n\t- name: a\n"},
};

const Verdict kRules[] = {
    {"an alert", true, "alert: A\nexpr: up == 0"},
    {"a record", true, "record: job:up:sum\nexpr: sum by (job) (up)"},
    {"all that an alert has", true,
     "alert: A\nexpr: up == 0\nfor: 5m\nkeep_firing_for: 1h\nlabels: {severity: page}\nannotations: {summary: down}"},
    {"neither alert nor record", false, "expr: up"},
    {"both alert and record", false, "alert: A\nrecord: a\nexpr: up"},
    {"no expr", false, "alert: A"},
    {"an empty expr", false, "alert: A\nexpr: ''"},
    {"an expr that does not parse", false, "alert: A\nexpr: up =="},
    {"a number as expr", true, "alert: A\nexpr: 1"},
    {"a range vector as expr", true, "alert: A\nexpr: up[5m]"},
    {"an expr of the wrong type", false, "alert: A\nexpr: rate(up)"},
    {"an unknown function", false, "alert: A\nexpr: foo(up)"},
    {"a folded expr", true, "alert: A\nexpr: >\n  up ==\n  0"},
    {"an unknown key", false, "alert: A\nexpr: up\nseverity: page"},
    {"for in a record", false, "record: a\nexpr: up\nfor: 1m"},
    {"for of 0 in a record", true, "record: a\nexpr: up\nfor: 0s"},
    {"keep_firing_for in a record", false, "record: a\nexpr: up\nkeep_firing_for: 1m"},
    {"annotations in a record", false, "record: a\nexpr: up\nannotations: {a: b}"},
    {"empty annotations in a record", true, "record: a\nexpr: up\nannotations: {}"},
    {"annotations without a value", true, "alert: A\nexpr: up\nannotations:"},
    {"a record that is no metric name", false, "record: a-b\nexpr: up"},
    {"a record with braces", false, "record: 'a{b=\"c\"}'\nexpr: up"},
    {"an alert of two words", true, "alert: It is down\nexpr: up == 0"},
    {"for without a unit", false, "alert: A\nexpr: up\nfor: 5"},
    {"for of 0", true, "alert: A\nexpr: up\nfor: 0"},
    {"for below 0", false, "alert: A\nexpr: up\nfor: -1m"},
    {"for of weeks and days", true, "alert: A\nexpr: up\nfor: 1w2d"},
    {"for with units in the wrong order", false, "alert: A\nexpr: up\nfor: 1s1m"},
    {"labels that YAML takes for something else", true,
     "alert: A\nexpr: up\nlabels: {a: 1, b: true, c: 1.50, d: null}"},
    {"a list as label", false, "alert: A\nexpr: up\nlabels: {a: [b]}"},
    {"labels as text", false, "alert: A\nexpr: up\nlabels: a=b"},
    {"a label with a dash", false, "alert: A\nexpr: up\nlabels: {a-b: c}"},
    {"__name__ as label", false, "alert: A\nexpr: up\nlabels: {__name__: c}"},
    {"an annotation with a dash", false, "alert: A\nexpr: up\nannotations: {a-b: c}"},
    {"templates", true,
     "alert: A\nexpr: up\nlabels: {a: '{{ $labels.job }}'}\nannotations: {b: '{{ with query \"up\" }}{{ . | first | "
     "value "
     "| humanize }}{{ end }} {{ $value }} {{ $externalURL }} {{ $externalLabels.x }}'}"},
    {"a template that does not end", false, "alert: A\nexpr: up\nannotations: {a: '{{ $value'}"},
    {"an unknown template function", false, "alert: A\nexpr: up\nannotations: {a: '{{ foo $value }}'}"},
    {"an unknown template variable", false, "alert: A\nexpr: up\nlabels: {a: '{{ $foo }}'}"},
    {"a template in a record", true, "record: a\nexpr: up\nlabels: {a: '{{ $foo'}"},
};

std::vector<Verdict> all_verdicts(std::vector<std::string>& texts) {
  texts.reserve(std::size(kRules));
  std::vector<Verdict> out(std::begin(kDocuments), std::end(kDocuments));
  for (const Verdict& rule : kRules) {
    texts.push_back(group_of(rule.yaml));
    out.push_back({rule.what, rule.good, texts.back().c_str(), rule.newer});
  }
  return out;
}

TEST(RuleFile, AcceptsWhatPrometheusAcceptsAndNothingElse) {
  std::vector<std::string> texts;
  for (const Verdict& verdict : all_verdicts(texts)) {
    const Read result = read(verdict.yaml, "rules.yml");
    EXPECT_EQ(result.mistakes.empty(), verdict.good) << verdict.what << "\n" << verdict.yaml << "\n" << result.mistakes;
  }
}

// The table above against the tool itself, where it is installed (Debian's `prometheus` has it).
TEST(RuleFile, VerdictsArePromtools) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) GTEST_SKIP() << "promtool is not installed";
  const test::TempDir dir;
  std::vector<std::string> texts;
  const std::vector<Verdict> verdicts = all_verdicts(texts);
  for (std::size_t i = 0; i < verdicts.size(); ++i) dir.write(fmt::format("{:03}.yml", i), verdicts[i].yaml);
  const std::string command = fmt::format("cd {} && promtool check rules *.yml 2>&1", dir.path());
  std::string said;
  FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  for (char buffer[4096]; const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe);) said.append(buffer, n);
  ::pclose(pipe);
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const std::size_t at = said.find(fmt::format("Checking {:03}.yml", i));
    ASSERT_NE(at, std::string::npos) << said;
    const std::string_view answer = std::string_view(said).substr(at, said.find("Checking ", at + 1) - at);
    const bool accepted = answer.find("SUCCESS") != std::string::npos;
    EXPECT_EQ(accepted, verdicts[i].good && !verdicts[i].newer) << verdicts[i].what << "\n" << answer;
  }
}

TEST(RuleFile, TomlSaysTheSameAsYaml) {
  const Read yaml = read(R"(groups:
- name: web
  interval: 30s
  limit: 5
  query_offset: 10s
  labels: {team: web}
  rules:
  - record: job:errors:rate5m
    expr: sum by (job) (rate(errors[5m]))
  - alert: Errors
    expr: job:errors:rate5m > 1
    for: 5m
    keep_firing_for: 10m
    labels: {severity: page}
    annotations: {summary: "{{ $value }} errors"}
)",
                         "a.yml");
  const Read toml = read(R"~([[group]]
name = "web"
interval = "30s"
limit = 5
query_offset = "10s"
labels = { team = "web" }

[[group.rule]]
record = "job:errors:rate5m"
expr = "sum by (job) (rate(errors[5m]))"

[[group.rule]]
alert = "Errors"
expr = "job:errors:rate5m > 1"
for = "5m"
keep_firing_for = "10m"
labels = { severity = "page" }
annotations.summary = "{{ $value }} errors"
)~",
                         "a.toml");
  for (const Read& result : {yaml, toml}) {
    ASSERT_EQ(result.mistakes, "");
    ASSERT_EQ(result.groups.size(), 1U);
    const RuleGroupConfig& group = result.groups[0];
    EXPECT_EQ(group.name, "web");
    EXPECT_EQ(group.interval, std::chrono::seconds(30));
    EXPECT_EQ(group.limit, 5U);
    EXPECT_EQ(group.query_offset, std::chrono::seconds(10));
    EXPECT_EQ(group.labels.at("team"), "web");
    ASSERT_EQ(group.rules.size(), 2U);
    EXPECT_EQ(group.rules[0].record, "job:errors:rate5m");
    EXPECT_EQ(group.rules[1].name(), "Errors");
    EXPECT_EQ(group.rules[1].expr, "job:errors:rate5m > 1");
    EXPECT_EQ(group.rules[1].for_, std::chrono::minutes(5));
    EXPECT_EQ(group.rules[1].keep_firing_for, std::chrono::minutes(10));
    EXPECT_EQ(group.rules[1].annotations.at("summary"), "{{ $value }} errors");
  }
}

TEST(RuleFile, UnquotedYamlScalarsKeepTheirCharacters) {
  const Read result = read(group_of("alert: A\nexpr: up\nlabels: {a: 1, b: True, c: 1.50, d: 0x10, e: ~}"), "a.yml");
  ASSERT_EQ(result.mistakes, "");
  const std::map<std::string, std::string> expected{{"a", "1"}, {"b", "True"}, {"c", "1.50"}, {"d", "0x10"}, {"e", ""}};
  EXPECT_EQ(result.groups[0].rules[0].labels, expected);
}

TEST(RuleFile, TellsAllMistakesAtOnceWithTheirPlaces) {
  const Read result = read(R"(groups:
- name: a
  intervall: 1m
  rules:
  - alert: A
    expr: up ==
    for: soon
  - record: b-c
    expr: sum(up
    labels:
      d-e: f
- name: a
  rules:
  - expr: up
)",
                           "bad.yml");
  EXPECT_TRUE(result.groups.empty());
  EXPECT_THAT(result.mistakes,
              HasSubstr("bad.yml:3:3: \"intervall\" is not a known key here; did you mean \"interval\"?"));
  EXPECT_THAT(result.mistakes, HasSubstr("bad.yml:6:16: The expression of \"A\" does not parse"));
  EXPECT_THAT(result.mistakes, HasSubstr("bad.yml:7:10: not a valid duration string: \"soon\""));
  EXPECT_THAT(result.mistakes, HasSubstr("bad.yml:8:13: \"b-c\" is not a metric name."));
  EXPECT_THAT(result.mistakes, HasSubstr("bad.yml:9:17: The expression of \"b-c\" does not parse"));
  EXPECT_THAT(result.mistakes, HasSubstr("bad.yml:11:12: \"d-e\" is not a label name."));
  EXPECT_THAT(result.mistakes, HasSubstr("bad.yml:12:9: There is already a group \"a\" in this file."));
  EXPECT_THAT(result.mistakes, HasSubstr("bad.yml:14:5: A rule needs \"record\" or \"alert\"."));
}

TEST(RuleFile, ReportsTenMistakesOfAFileWithTen) {
  const Read result = read(R"(groups:
- name: ''
  interval: often
  rules:
  - alert: A
    expr: foo(
    for: soon
    severity: page
  - record: a b
    expr: x
    annotations: {a: b}
- name: b
  limit: many
  labels: {a-b: c}
  rules:
  - alert: B
)",
                           "ten.yml");
  EXPECT_EQ(std::count(result.mistakes.begin(), result.mistakes.end(), '\n'), 10) << result.mistakes;
}

TEST(RuleFile, AMergedRuleHasItsOwnKeysAndTheBasesOthers) {
  const Read result = read(
      "groups:\n- name: a\n  rules:\n  - &r {alert: A, expr: x, for: 1m, labels: {a: b}}\n"
      "  - <<: [{for: 2m, alert: C}, *r]\n    alert: B\n",
      "a.yml");
  ASSERT_EQ(result.mistakes, "");
  const RuleConfig& rule = result.groups[0].rules[1];
  EXPECT_EQ(rule.alert, "B");
  EXPECT_EQ(rule.expr, "x");
  EXPECT_EQ(rule.for_, std::chrono::minutes(2));
  EXPECT_EQ(rule.labels.at("a"), "b");
}

std::string toml_rule(std::string_view more) {
  return "[[group]]\nname = \"g\"\n[[group.rule]]\nalert = \"A\"\nexpr = \"up == 0\"\n" + std::string(more) + "\n";
}

TEST(RuleFile, TocsinsOwnKeysReachNotifications) {
  const Read result = read(toml_rule("owner = \"team-web\"\ncontrol = \"A.8.16\"\nrunbook = \"https://wiki/{{ "
                                     "$labels.job }}\"\nfor = \"3 of 5\"\non_missing = \"hold\"\nhold_for = \"1h\"\n"
                                     "depends_on = \"NetworkDown{site=\\\"a\\\"} on (site)\""),
                           "a.toml");
  ASSERT_EQ(result.mistakes, "");
  const RuleConfig& rule = result.groups[0].rules[0];
  EXPECT_EQ(rule.labels.at("owner"), "team-web");
  EXPECT_EQ(rule.labels.at("control"), "A.8.16");
  EXPECT_EQ(rule.annotations.at("runbook_url"), "https://wiki/{{ $labels.job }}");
  EXPECT_EQ(rule.for_evaluations.hits, 3U);
  EXPECT_EQ(rule.for_evaluations.of, 5U);
  EXPECT_EQ(rule.hold_for, std::chrono::hours(1));
}

struct Extra {
  const char* toml;
  const char* mistake;
};
const Extra kExtraMistakes[] = {
    {"for = \"6 of 5\"", "must be as \"3 of 5\""},
    {"for = \"0 of 5\"", "must be as \"3 of 5\""},
    {"for = \"3 of 65\"", "must be as \"3 of 5\""},
    {"for = \"3 of\"", "not a valid duration"},
    {"hold_for = \"1h\"", "needs on_missing"},
    {"on_missing = \"keep\"", "resolve"},
    {"owner = \"a\"\nlabels = { owner = \"b\" }", "given by the rule's labels too"},
    {"runbook = \"a\"\nannotations = { runbook_url = \"b\" }", "given by the rule's annotations too"},
    {"depends_on = [\"\"]", "does not name an alert"},
    {"depends_on = [\"B{a\"]", "a.toml:6:"},
    {"depends_on = [\"B on (si-te)\"]", "is not a label name"},
};

TEST(RuleFile, TocsinsOwnKeysAreChecked) {
  for (const Extra& row : kExtraMistakes) {
    EXPECT_THAT(read(toml_rule(row.toml), "a.toml").mistakes, HasSubstr(row.mistake)) << row.toml;
  }
  EXPECT_THAT(
      read("[[group]]\nname = \"g\"\n[[group.rule]]\nalert = \"A\"\nexpr = \"up\"\non_missing = \"hold\"\n", "a.toml")
          .mistakes,
      HasSubstr("a.toml:6:14: Whether data is missing can only be told"));
}

TEST(RuleFile, YamlHasNoneOfThem) {
  for (const char* key :
       {"on_missing: hold", "hold_for: 1h", "runbook: x", "owner: x", "control: x", "depends_on: [B]", "for: 3 of 5"}) {
    EXPECT_THAT(read(group_of(std::string("alert: A\nexpr: up == 0\n") + key), "a.yml").mistakes, HasSubstr("TOML"))
        << key;
  }
}

TEST(RuleFile, GroupsWithoutMistakesAreThereBesideOthers) {
  const Read result = read("groups:\n- name: a\n  rules:\n  - alert: A\n- name: b\n  rules: []\n", "a.yml");
  ASSERT_EQ(result.groups.size(), 1U);
  EXPECT_EQ(result.groups[0].name, "b");
}

struct Place {
  const char* what;
  const char* text;
  const char* file;
  const char* place;
};
const Place kPlaces[] = {
    {"plain", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up == foo(1)\n", "a.yml", "a.yml:5:17:"},
    {"quoted", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: \"up == foo(1)\"\n", "a.yml", "a.yml:5:18:"},
    {"block", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |\n      up ==\n        foo(1)\n", "a.yml",
     "a.yml:7:9:"},
    {"folded", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: >-\n      up ==\n      foo(1)\n", "a.yml",
     "a.yml:7:7:"},
    {"plain over lines", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up ==\n      foo(1)\n", "a.yml",
     "a.yml:6:7:"},
    {"with an escape", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: \"up{a=\\\"b\\\"} == foo(1)\"\n", "a.yml",
     "a.yml:5:11:"},
    {"TOML", "[[group]]\nname = \"g\"\n[[group.rule]]\nalert = \"A\"\nexpr = 'up == foo(1)'\n", "a.toml",
     "a.toml:5:15:"},
    {"TOML over lines", "[[group]]\nname = \"g\"\n[[group.rule]]\nalert = \"A\"\nexpr = '''\n  up ==\n   foo(1)\n'''\n",
     "a.toml", "a.toml:7:4:"},
};

TEST(RuleFile, MistakesInsideAnExpressionAreToldAtTheirOwnPlace) {
  for (const Place& row : kPlaces) {
    EXPECT_THAT(read(row.text, row.file).mistakes, HasSubstr(row.place)) << row.what;
  }
}

class RuleFiles : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& group) {
    dir_.write(name, "groups:\n- name: " + group + "\n");
  }
  std::vector<std::string> load(const std::vector<std::string>& paths) {
    std::vector<std::string> names;
    for (const RuleGroupConfig& group : load_rule_files(paths, dir_.path(), diagnostics_)) names.push_back(group.name);
    return names;
  }
  test::TempDir dir_;
  Diagnostics diagnostics_;
};

TEST_F(RuleFiles, PatternsNameFilesInOrderAndEachFileOnce) {
  write("b.yml", "b");
  write("a.yml", "a");
  write("more/c.yml", "c");
  EXPECT_THAT(load({"*.yml", "a.yml", "more/*.yml", "none*.yml"}), testing::ElementsAre("a", "b", "c"));
  EXPECT_EQ(diagnostics_.str(), "");
}

TEST_F(RuleFiles, AFileThatIsNotThereIsAMistake) {
  EXPECT_TRUE(load({"missing.yml"}).empty());
  EXPECT_THAT(diagnostics_.str(), HasSubstr("missing.yml"));
  EXPECT_THAT(diagnostics_.str(), HasSubstr("No such file"));
}

TEST_F(RuleFiles, ABrokenFileDoesNotHideTheOthers) {
  write("a.yml", "a");
  dir_.write("b.yml", "groups: [");
  EXPECT_THAT(load({"*.yml"}), testing::ElementsAre("a"));
  EXPECT_EQ(diagnostics_.size(), 1U);
}

TEST_F(RuleFiles, AFileWithAMistakeGivesNoGroupAtAll) {
  dir_.write("a.yml", "groups:\n- name: good\n- name: bad\n  rules:\n  - alert: A\n");
  EXPECT_TRUE(load({"a.yml"}).empty());
  ASSERT_EQ(diagnostics_.size(), 1U);
  EXPECT_EQ(*diagnostics_.list()[0].at.file, dir_.path("a.yml"));
}

}  // namespace
}  // namespace tocsin
