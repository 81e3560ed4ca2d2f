// Commands that run to their end: what they print, and their exit codes.

#include <gtest/gtest.h>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace tocsin::test {
namespace {

constexpr const char* kGoodScript = "load 1m\n  m{a=\"1\"} 0+1x10\n\neval instant at 5m sum(m)\n  {} 5\n";

constexpr const char* kMixedScript =
    "load 1m\n  m{a=\"1\"} 0+1x10\n\neval instant at 5m sum(m)\n  {} 5\n"
    "\neval instant at 5m m * 2\n  {a=\"1\"} 11\n"
    "\nload 1m\n  h {{count:1 sum:1 schema:0 buckets:[1]}}x9\n"
    "\neval instant at 5m histogram_sum(h)\n  {} 1\n";

TEST(TestCommand, CountsWhatPassedFailedAndWasSkipped) {
  const TempDir dir;
  const std::string script = dir.write("mixed.test", kMixedScript);
  const Output result = run({tocsin_binary(), "test", script});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_NE(result.out.find(script + ":7: FAILED m * 2\n"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("1 passed, 1 failed, 1 skipped\n"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("native histograms"), std::string::npos) << result.out;
}

TEST(TestCommand, SucceedsWhenAllPass) {
  const TempDir dir;
  const std::string script = dir.write("good.test", kGoodScript);
  const Output result = run({tocsin_binary(), "test", script, script});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(result.out.ends_with("\n2 passed, 0 failed, 0 skipped\n")) << result.out;
}

TEST(TestCommand, TellsTheLineItCannotReadAndTheFileThatIsNotThere) {
  const TempDir dir;
  const std::string script = dir.write("bad.test", "load 1m\n  m 1 2\n\nevaluate this\n");
  const Output result = run({tocsin_binary(), "test", script, dir.path("none.test")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find(script + ":4:1: "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find(dir.path("none.test") + ":1:1: "), std::string::npos) << result.err;
}

}  // namespace
}  // namespace tocsin::test
