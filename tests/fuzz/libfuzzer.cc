// What libFuzzer calls; TOCSIN_FUZZ_TARGET names the target this program is for.

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tocsin::test::TOCSIN_FUZZ_TARGET({data, size});
  return 0;
}
