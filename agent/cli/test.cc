// `tocsin test`: runs the tests that users write: unit tests of rules in promtool's YAML, and PromQL scripts in
// Prometheus' promqltest format. Says of each what passed, what failed and why, and what was left out and why.

#include <fmt/format.h>
#include <re2/re2.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "agent/cli/command.h"
#include "agent/cli/junit.h"
#include "rules/testing/promql_script.h"
#include "rules/testing/rule_test.h"

namespace tocsin::cli {
namespace {

using Outcome = ScriptEval::Outcome;

struct Options {
  std::vector<std::string> files;
  std::vector<std::string> run;
  std::string junit;
  bool diff = false;
  bool coverage = false;
};

/// What one file gave.
struct FileResult {
  std::size_t passed = 0;
  std::size_t failed = 0;
  std::size_t skipped = 0;
  std::string mistakes;  // the file cannot be read
  JunitSuite junit;

  std::string tally() const { return fmt::format("{} passed, {} failed, {} skipped", passed, failed, skipped); }
  void fail(std::string name, std::string why) {
    ++failed;
    junit.cases.push_back({std::move(name), JunitCase::Outcome::kFailed, std::move(why)});
  }
  void skip(std::string name, std::string why) {
    ++skipped;
    junit.cases.push_back({std::move(name), JunitCase::Outcome::kSkipped, std::move(why)});
  }
  void pass(std::string name) {
    ++passed;
    junit.cases.push_back({std::move(name), JunitCase::Outcome::kPassed, ""});
  }
};

/// A script: each failure in full, each reason for skipping once with its lines.
FileResult run_script(const std::string& file) {
  FileResult out;
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) {
    out.mistakes = fmt::format("{}:1:1: The file cannot be read.\n", file);
    return out;
  }
  const ScriptReport report = run_promql_script(text);
  std::map<std::string, std::vector<std::size_t>> skipped;
  for (const ScriptEval& eval : report.evals) {
    std::string name = fmt::format("{}: {}", eval.line, eval.expr);
    switch (eval.outcome) {
      case Outcome::kPassed:
        out.pass(std::move(name));
        break;
      case Outcome::kFailed:
        fmt::print("{}:{}: FAILED {}\n  {}\n", file, eval.line, eval.expr, eval.message);
        out.fail(std::move(name), eval.message);
        break;
      case Outcome::kSkipped:
        skipped[eval.message].push_back(eval.line);
        out.skip(std::move(name), eval.message);
        break;
    }
  }
  for (const auto& [reason, lines] : skipped) {
    fmt::print("{}: skipped {}: {} (lines {})\n", file, lines.size(), reason, fmt::join(lines, ", "));
  }
  fmt::print("{}: {}\n", file, out.tally());
  if (!report.error.empty()) out.mistakes = fmt::format("{}:{}\n", file, report.error);
  return out;
}

/// Unit tests of rules, printed as promtool prints them.
FileResult run_rules(const std::string& file, const RuleTestOptions& options) {
  FileResult out;
  fmt::print("Unit Testing:  {}\n", file);
  Diagnostics diagnostics;
  const RuleTestFile tests = load_rule_test_file(file, diagnostics);
  RuleTestReport report;
  if (diagnostics.empty()) report = run_rule_tests(tests, options, diagnostics);
  if (!diagnostics.empty()) {
    fmt::print("  FAILED\n\n");
    out.mistakes = diagnostics.str();
    return out;
  }
  if (report.failed() > 0) fmt::print("  FAILED:\n");
  for (std::size_t i = 0; i < report.outcomes.size(); ++i) {
    const RuleTestOutcome& outcome = report.outcomes[i];
    std::string name = outcome.name.empty() ? fmt::format("test {}", i + 1) : outcome.name;
    if (outcome.skipped) {
      fmt::print("  SKIPPED {} ({}:{}): {}\n", name, file, outcome.at.line, outcome.reason);
      out.skip(std::move(name), outcome.reason);
    } else if (outcome.failures.empty()) {
      out.pass(std::move(name));
    } else {
      fmt::print("    {} ({}:{})\n", name, file, outcome.at.line);
      for (const std::string& failure : outcome.failures) fmt::print("{}\n\n", failure);
      out.fail(std::move(name), fmt::format("{}", fmt::join(outcome.failures, "\n")));
    }
  }
  if (report.failed() == 0) fmt::print("  SUCCESS ({})\n", out.tally());
  fmt::print("\n");
  return out;
}

void print_coverage(const RuleCoverage& coverage) {
  std::size_t covered = 0, all = 0;
  for (const RuleCoverage::Row& row : coverage.rows()) {
    ++all;
    if (row.missing.empty()) ++covered;
    for (const std::string& missing : row.missing) {
      fmt::print("{}:{}:{}: {}: {}\n", row.file, row.at.line, row.at.column, row.rule, missing);
    }
  }
  fmt::print("Coverage: {} of {} rules are exercised completely\n", covered, all);
}

int test(const Options& options) {
  std::vector<std::unique_ptr<RE2>> patterns;
  for (const std::string& pattern : options.run) {
    patterns.push_back(std::make_unique<RE2>(pattern, RE2::Quiet));
    if (patterns.back()->ok()) continue;
    fmt::print(stderr, "--run: {}: {}\n", pattern, patterns.back()->error());
    return kWrongInput;
  }
  RuleCoverage coverage;
  RuleTestOptions rule_options;
  rule_options.diff = options.diff;
  rule_options.coverage = options.coverage ? &coverage : nullptr;
  if (!patterns.empty()) {
    rule_options.selected = [&](std::string_view name) {
      return std::ranges::any_of(patterns, [&](const auto& p) { return RE2::PartialMatch(name, *p); });
    };
  }
  FileResult all;
  std::vector<JunitSuite> suites;
  for (const std::string& file : options.files) {
    const bool rules = file.ends_with(".yml") || file.ends_with(".yaml");
    FileResult result = rules ? run_rules(file, rule_options) : run_script(file);
    all.passed += result.passed;
    all.failed += result.failed;
    all.skipped += result.skipped;
    all.mistakes += result.mistakes;
    result.junit.name = file;
    result.junit.error = result.mistakes;
    suites.push_back(std::move(result.junit));
  }
  if (options.files.size() > 1) fmt::print("{}\n", all.tally());
  if (options.coverage) print_coverage(coverage);
  fmt::print(stderr, "{}", all.mistakes);
  if (!options.junit.empty()) {
    std::ofstream out(options.junit, std::ios::binary);
    out << junit_xml(suites);
    if (!out.flush()) {
      fmt::print(stderr, "{}:1:1: The report cannot be written.\n", options.junit);
      return kWrongInput;
    }
  }
  if (!all.mistakes.empty()) return kWrongInput;
  return all.failed == 0 ? kGood : kBad;
}

}  // namespace

void add_test(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("test", "Run tests: unit tests of rules (promtool's YAML), PromQL test scripts");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->files, "Rule tests (.yml, .yaml) or PromQL test scripts")->required();
  command->add_option("--run", options->run, "Only rule tests whose name matches; may be given several times")
      ->type_name("REGEX")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--junit", options->junit, "Write a JUnit XML report")->type_name("FILE");
  command->add_flag("--diff", options->diff, "Show what differs line by line");
  command->add_flag("--coverage", options->coverage, "Tell what of the rules no test has exercised");
  command->callback([options, &exit] { exit = test(*options); });
}

}  // namespace tocsin::cli
