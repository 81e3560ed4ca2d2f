#pragma once

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

/// A fuzz target takes any bytes and ends the program when something that must hold does not. It is one file,
/// `<what>_fuzz.cc` beside the tests of what it feeds, one row here and one in tests/CMakeLists.txt. It is built twice:
/// into fuzz_test, which replays the corpus (tests/fuzz/<what>/) on every test run, and with clang's libFuzzer, which
/// makes up more (`./dev fuzz`).
namespace tocsin::test {

using Bytes = std::span<const std::uint8_t>;

void fuzz_chunk(Bytes bytes);
void fuzz_exposition(Bytes bytes);
void fuzz_promql(Bytes bytes);
void fuzz_remote_write(Bytes bytes);
void fuzz_template(Bytes bytes);

/// What must hold for every input.
inline void require(bool holds) {
  if (!holds) std::abort();
}

inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace tocsin::test
