// `tocsin test`: runs test scripts as users of Prometheus write them, and says of each what passed, what failed and
// why, and what was left out and why.

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "agent/cli/command.h"
#include "rules/testing/promql_script.h"

namespace tocsin::cli {
namespace {

using Outcome = ScriptEval::Outcome;

struct Tally {
  std::size_t passed = 0;
  std::size_t failed = 0;
  std::size_t skipped = 0;
  std::string str() const { return fmt::format("{} passed, {} failed, {} skipped", passed, failed, skipped); }
};

Result<std::string> read_script(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) return fail("{}:1:1: the file cannot be read", file);
  return text;
}

/// Prints what a reader wants to know: each failure in full, each reason for skipping once with its count.
Result<Tally> run_script(const std::string& file) {
  const Result<std::string> text = read_script(file);
  if (!text) return tl::make_unexpected(text.error());
  const ScriptReport report = run_promql_script(*text);
  Tally tally{report.count(Outcome::kPassed), report.count(Outcome::kFailed), report.count(Outcome::kSkipped)};
  std::map<std::string, std::vector<std::size_t>> skipped;
  for (const ScriptEval& eval : report.evals) {
    if (eval.outcome == Outcome::kFailed)
      fmt::print("{}:{}: FAILED {}\n  {}\n", file, eval.line, eval.expr, eval.message);
    if (eval.outcome == Outcome::kSkipped) skipped[eval.message].push_back(eval.line);
  }
  for (const auto& [reason, lines] : skipped) {
    fmt::print("{}: skipped {}: {} (lines {})\n", file, lines.size(), reason, fmt::join(lines, ", "));
  }
  fmt::print("{}: {}\n", file, tally.str());
  if (!report.error.empty()) return fail("{}:{}", file, report.error);
  return tally;
}

int test(const std::vector<std::string>& files) {
  Tally all;
  std::string mistakes;
  for (const std::string& file : files) {
    const Result<Tally> tally = run_script(file);
    if (!tally) {
      mistakes += tally.error().message + "\n";
      continue;
    }
    all.passed += tally->passed;
    all.failed += tally->failed;
    all.skipped += tally->skipped;
  }
  if (files.size() > 1) fmt::print("{}\n", all.str());
  if (!mistakes.empty()) {
    fmt::print(stderr, "{}", mistakes);
    return kWrongInput;
  }
  return all.failed == 0 ? kGood : kBad;
}

}  // namespace

void add_test(CLI::App& app, int& exit) {
  auto* command = app.add_subcommand("test", "Run test scripts: PromQL scripts in Prometheus' promqltest format");
  auto files = std::make_shared<std::vector<std::string>>();
  command->add_option("FILE", *files, "PromQL test script")->required();
  command->callback([files, &exit] { exit = test(*files); });
}

}  // namespace tocsin::cli
