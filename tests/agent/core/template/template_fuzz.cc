// A template from a user's file is refused with its line or runs within its limits, whatever it says.

#include "agent/core/template/template.h"
#include "tests/fuzz/fuzz.h"

namespace tocsin::tmpl {
namespace {

Value some_data() {
  return Map{{"labels", kv({{"alertname", "Down"}, {"instance", "a:1"}})},
             {"value", 1.5},
             {"list", List{1, "two", 3.0, Map{{"a", true}}}},
             {"text", "x<y>&"}};
}

}  // namespace
}  // namespace tocsin::tmpl

void tocsin::test::fuzz_template(Bytes bytes) {
  using namespace tmpl;
  if (bytes.empty()) return;
  static const auto prometheus = std::make_shared<const Functions>(prometheus_functions());
  static const auto alertmanager = std::make_shared<const Functions>(alertmanager_functions());
  const auto parsed = Template::parse("t", as_text(bytes.subspan(1)), (bytes[0] & 1) == 0 ? prometheus : alertmanager);
  if (!parsed) return require(!parsed.error().message.empty());
  constexpr Limits kLimits{.output_bytes_max = 1U << 14, .steps_max = 2'000, .depth_max = 20};
  const auto out = parsed->execute(some_data(), kLimits);
  if (out) require(out->size() <= kLimits.output_bytes_max);
}
