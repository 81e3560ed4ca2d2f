#include "probes/exposition.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

namespace tocsin {
namespace {

/// What a web server of middling size exposes: `families` of ten series, half of them buckets.
std::string exposition(int families) {
  std::string out;
  for (int i = 0; i < families; ++i) {
    out += fmt::format("# HELP http_requests_{0}_total How often.\n# TYPE http_requests_{0}_total counter\n", i);
    for (int j = 0; j < 5; ++j) {
      out += fmt::format("http_requests_{}_total{{method=\"GET\",code=\"20{}\",handler=\"/api/v1/query\"}} {}\n", i, j,
                         i * j);
    }
    out += fmt::format("# HELP http_seconds_{0} How long.\n# TYPE http_seconds_{0} histogram\n", i);
    for (const char* le : {"0.1", "0.5", "1", "5", "+Inf"}) {
      out += fmt::format("http_seconds_{}_bucket{{handler=\"/api/v1/query\",le=\"{}\"}} 1.5e+06\n", i, le);
    }
  }
  return out;
}

/// Every series for the first time.
void ParseAndBuildLabels(benchmark::State& state) {
  const std::string text = exposition(100);
  for (auto _ : state) benchmark::DoNotOptimize(parse_exposition(text, ExpositionFormat::kText));
  state.SetItemsProcessed(state.iterations() * 1000);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(ParseAndBuildLabels);

/// What is left when the labels are known.
void ParseOnly(benchmark::State& state) {
  const std::string text = exposition(100);
  for (auto _ : state) {
    ExpositionParser parser(text, ExpositionFormat::kText);
    double sum = 0;
    for (auto entry = parser.next(); entry && *entry != ExpositionParser::Entry::kEnd; entry = parser.next()) {
      sum += parser.value();
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * 1000);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(ParseOnly);

}  // namespace
}  // namespace tocsin
