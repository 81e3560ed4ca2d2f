// Replays the corpus of every fuzz target, and each input cut short and with a byte changed here and there: what the
// fuzzer once found stays found, under whatever sanitizers the tests are built with.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/fuzz.h"

namespace tocsin::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::uint8_t> read_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct FuzzTarget {
  const char* name;
  void (*run)(Bytes);
};
constexpr FuzzTarget kTargets[] = {
    {"chunk", fuzz_chunk},       {"exposition", fuzz_exposition},
    {"promql", fuzz_promql},     {"remote_write", fuzz_remote_write},
    {"template", fuzz_template},
};

class Fuzz : public testing::TestWithParam<FuzzTarget> {};

TEST_P(Fuzz, ReplaysItsCorpus) {
  const fs::path folder = fs::path("tests/fuzz") / GetParam().name;
  ASSERT_TRUE(fs::exists(folder)) << folder << ": every target has a corpus";
  std::size_t inputs = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path());
    std::vector<std::uint8_t> bytes = read_bytes(entry.path());
    GetParam().run(bytes);
    const std::size_t stride = std::max<std::size_t>(1, bytes.size() / 32);
    for (std::size_t i = 0; i < bytes.size(); i += stride) {
      GetParam().run(std::span(bytes).first(i));
      std::vector<std::uint8_t> changed = bytes;
      changed[i] = static_cast<std::uint8_t>(changed[i] ^ (1U << (i % 8)));
      GetParam().run(changed);
    }
    ++inputs;
  }
  EXPECT_GT(inputs, 0U);
}

INSTANTIATE_TEST_SUITE_P(Targets, Fuzz, testing::ValuesIn(kTargets),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace tocsin::test
