#include "rules/testing/promql_script.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "rules/testing/script_series.h"

namespace tocsin {
namespace {

namespace fs = std::filesystem;
using Outcome = ScriptEval::Outcome;

std::string read_file(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<fs::path> scripts_in(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".test") out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

TEST(PromqlScript, OurOwnScriptsPass) {
  for (const fs::path& path : scripts_in("tests/rules/promql/testdata")) {
    const ScriptReport report = run_promql_script(read_file(path));
    EXPECT_EQ(report.error, "") << path;
    EXPECT_GT(report.evals.size(), 0U) << path;
    for (const ScriptEval& e : report.evals) {
      EXPECT_EQ(e.outcome, Outcome::kPassed) << path << ":" << e.line << ": " << e.expr << "\n  " << e.message;
    }
  }
}

/// Prometheus' own scripts lie beside the repository where the suite is complete. Each eval that works on floats must
/// pass.
TEST(PromqlScript, PrometheusOwnScriptsPass) {
  const fs::path folder = "../shared/data/promqltest";
  if (!fs::exists(folder / "classes.tsv")) GTEST_SKIP() << "no " << folder << " here";
  std::map<std::pair<std::string, std::size_t>, std::string> classes;
  std::ifstream in(folder / "classes.tsv");
  for (std::string text; std::getline(in, text);) {
    std::istringstream row(text);
    std::string file, line, kind, name;
    std::getline(row, file, '\t');
    std::getline(row, line, '\t');
    std::getline(row, kind, '\t');
    std::getline(row, name, '\t');
    if (file != "file") classes[{file, std::stoul(line)}] = name;
  }
  // What is known to differ, as file:line. None.
  const std::set<std::string> known_gaps = {};
  std::map<std::string, std::array<std::size_t, 3>> counts;
  std::size_t seen = 0;
  for (const fs::path& path : scripts_in(folder)) {
    const ScriptReport report = run_promql_script(read_file(path));
    const std::string file = path.filename();
    EXPECT_EQ(report.error, "") << file;
    for (const ScriptEval& e : report.evals) {
      const std::string place = file + ":" + std::to_string(e.line);
      const auto at = classes.find({file, e.line});
      const std::string name = at == classes.end() ? "unclassified" : at->second;
      ++counts[file + " " + name][static_cast<std::size_t>(e.outcome)];
      ++seen;
      if (name == "NH" || name == "ST" || known_gaps.contains(place)) continue;
      EXPECT_EQ(e.outcome, Outcome::kPassed) << place << ": " << e.expr << "\n  " << e.message;
    }
  }
  EXPECT_EQ(seen, classes.size());
  for (const auto& [name, n] : counts) {
    std::printf("  %-32s %4zu passed %4zu failed %4zu skipped\n", name.c_str(), n[0], n[1], n[2]);
  }
}

TEST(ScriptSeries, ReadsEveryNotation) {
  const auto series =
      parse_script_series("m{a=\"x y\",b='}'} 1 -2.5 _ _x2 stale 1+2x3 5x2 3-1x1 NaN -Inf {{schema:1 sum:2}}x1 0x2");
  ASSERT_TRUE(series) << series.error().message;
  EXPECT_EQ(series->labels, (Labels{{"__name__", "m"}, {"a", "x y"}, {"b", "}"}}));
  std::string text;
  for (const ScriptPoint& p : series->points) {
    text += p.kind == ScriptPoint::Kind::kGap         ? "_ "
            : p.kind == ScriptPoint::Kind::kHistogram ? "h "
                                                      : fmt::format("{} ", p.v);
  }
  EXPECT_EQ(text, "1 -2.5 _ _ _ nan 1 3 5 7 5 5 5 3 2 nan -inf h h 0 0 0 ");
  EXPECT_TRUE(series->has_histograms());
  for (const char* bad :
       {"m{a=b} 1", "m 1x", "m abc", "m {{", "m 1+", "m 1x99999999999", "\"m\"{} 1", "m-n 1", "1m 1"}) {
    EXPECT_FALSE(parse_script_series(bad)) << bad;
  }
}

TEST(PromqlScript, SaysWhatDiffers) {
  const ScriptReport report = run_promql_script(R"(
load 1m
  m{a="1"} 1 2 3
  m{a="2"} 4 5 6
  h {{schema:0 count:1}}x3

eval instant at 1m m
  m{a="1"} 2
  m{a="2"} 6

eval instant at 1m sum(m)
  {} 7

eval instant at 1m m == 99

eval instant at 1m h
  h {{schema:0 count:1}}

eval instant at 1m vector(1) + on() m
  expect fail msg: something else

eval_fail instant at 1m vector(1) + on() m
  expected_fail_message something else

eval_fail instant at 1m vector(1) + on() m
  expected_fail_regexp many-to-many .+ not allowed
)");
  ASSERT_EQ(report.error, "");
  ASSERT_EQ(report.evals.size(), 7U);
  EXPECT_EQ(report.evals[0].message, "m{a=\"2\"} is 5, expected 6");
  EXPECT_EQ(report.evals[1].outcome, Outcome::kPassed);
  EXPECT_EQ(report.evals[2].outcome, Outcome::kPassed);
  EXPECT_EQ(report.evals[3].outcome, Outcome::kSkipped);
  EXPECT_NE(report.evals[4].message.find("many-to-many matching not allowed"), std::string::npos);
  EXPECT_EQ(report.evals[5].outcome, Outcome::kFailed);
  EXPECT_EQ(report.evals[6].outcome, Outcome::kPassed);
  EXPECT_EQ(report.count(Outcome::kFailed), 3U);
  EXPECT_EQ(run_promql_script("load 1m\n  m 1\nevaluate it").error, "3:1: malformed value at \"it\"");
  EXPECT_EQ(run_promql_script("frobnicate").error, "1:1: unknown command \"frobnicate\"");
}

}  // namespace
}  // namespace tocsin
