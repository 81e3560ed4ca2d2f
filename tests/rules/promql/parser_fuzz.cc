// Any text is either refused, or makes a tree that prints as text which makes the same text again;
// and evaluating it over a few series ends.

#include "agent/store/series_store.h"
#include "rules/promql/promql.h"
#include "tests/fuzz/fuzz.h"

namespace tocsin {
namespace {

const SeriesStore& some_series() {
  static const SeriesStore* const store = [] {
    auto* made = new SeriesStore();
    for (const char* instance : {"a", "b"}) {
      const auto ref = made->ref(Labels{{"__name__", "m_total"}, {"instance", instance}, {"le", "1"}});
      for (int i = 0; i < 20; ++i) made->append(*ref, TimePoint{std::chrono::seconds(15 * i)}, i * i);
    }
    return made;
  }();
  return *store;
}

}  // namespace
}  // namespace tocsin

void tocsin::test::fuzz_promql(Bytes bytes) {
  using namespace promql;
  const auto expr = parse(as_text(bytes));
  if (!expr) return require(!expr.error().message.empty());
  const std::string printed = to_string(**expr);
  const auto again = parse(printed);
  require(again.has_value());
  require(to_string(**again) == printed);
  QueryOptions options;
  options.samples_max = 10'000;
  Query query(*expr, options);
  static_cast<void>(query.instant(some_series(), TimePoint{std::chrono::seconds(200)}));
}
