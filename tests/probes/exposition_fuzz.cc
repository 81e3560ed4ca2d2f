// What a target answers is read to its end or refused with the line, in both formats and with limits.

#include "probes/exposition.h"
#include "tests/fuzz/fuzz.h"

void tocsin::test::fuzz_exposition(Bytes bytes) {
  if (bytes.empty()) return;
  const auto format = (bytes[0] & 1) == 0 ? ExpositionFormat::kText : ExpositionFormat::kOpenMetrics;
  const ExpositionLimits limits = (bytes[0] & 2) == 0
                                      ? ExpositionLimits{}
                                      : ExpositionLimits{.labels = 3, .label_name_bytes = 5, .label_value_bytes = 5};
  const auto read = parse_exposition(as_text(bytes.subspan(1)), format, limits);
  if (!read) require(!read.error().message.empty());
}
