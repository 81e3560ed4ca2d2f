// Runs every script of tests/timeline/scripts/.

#include "tests/timeline/timeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tocsin::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> scripts() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator("tests/timeline/scripts"))
    names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

class TimelineScript : public testing::TestWithParam<std::string> {};

TEST_P(TimelineScript, HappensAsWritten) {
  std::ostringstream script;
  script << std::ifstream("tests/timeline/scripts/" + GetParam() + ".txt").rdbuf();
  ASSERT_FALSE(script.str().empty());
  const TimelineOutcome outcome = run_timeline(script.str());
  for (const std::string& failure : outcome.failures) ADD_FAILURE() << failure;
  if (HasFailure()) std::cerr << "told:\n" << outcome.told;
}

INSTANTIATE_TEST_SUITE_P(Scripts, TimelineScript, testing::ValuesIn(scripts()),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace tocsin::test
