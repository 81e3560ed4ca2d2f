#include "agent/core/embedded.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace tocsin {
namespace {

TEST(Embedded, IsTheFileByteForByte) {
  std::ostringstream text;
  text << std::ifstream("agent/default.toml").rdbuf();
  ASSERT_FALSE(text.str().empty());
  EXPECT_EQ(embedded_file("agent/default.toml"), text.str());
  EXPECT_EQ(embedded_file("agent/none.toml"), "");
}

TEST(Embedded, ListsWhatStandsBetweenPrefixAndSuffix) {
  const auto names = embedded_names("agent/", ".toml");
  EXPECT_TRUE(std::find(names.begin(), names.end(), "default") != names.end());
}

}  // namespace
}  // namespace tocsin
