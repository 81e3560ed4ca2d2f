// Instant queries as a rule asks them, and the two lists by which PromQL engines are compared: of Prometheus
// (promql/bench_test.go) and of Thanos (promql-engine, engine/bench_test.go), over data of the same sizes and names.
// A query is prepared once and asked again and again. `./dev compare engine` asks the same of Prometheus.

#include <benchmark/benchmark.h>

#include <stdexcept>

#include "rules/promql/promql.h"
#include "tests/rules/promql/query_lists.h"

namespace tocsin::promql {
namespace {

void run(benchmark::State& state, const SeriesStore& store, const std::string& text, std::int64_t end,
         std::int64_t steps, std::int64_t step) {
  auto expr = parse(text);
  if (!expr) throw std::runtime_error(text + ": " + expr.error().str());
  Query query(*expr);
  const TimePoint last{Duration(end)}, first{Duration(end - (steps - 1) * step)};
  for (auto _ : state) {
    auto result = steps == 1 ? query.instant(store, last) : query.range(store, first, last, Duration(step));
    if (!result) throw std::runtime_error(text + ": " + result.error().message);
    benchmark::DoNotOptimize(result);
  }
}

/// Filled when the first benchmark of a list runs, since most runs want a few of one list.
struct List {
  explicit List(bench::QueryList from) : list(std::move(from)) {}
  bench::QueryList list;
  std::unique_ptr<SeriesStore> store;
  const SeriesStore& filled() {
    if (!store) {
      store = std::make_unique<SeriesStore>(
          SeriesStoreLimits{.retention = std::chrono::hours(24 * 365), .bytes_max = std::size_t{4} << 30});
      list.fill(*store);
    }
    return *store;
  }
};

void add(bench::QueryList from) {
  const auto list = std::make_shared<List>(std::move(from));
  for (const bench::ListedQuery& q : list->list.queries) {
    benchmark::RegisterBenchmark((list->list.name + "/" + std::to_string(q.steps) + "/" + q.text).c_str(),
                                 [list, q](benchmark::State& state) {
                                   run(state, list->filled(), q.text, list->list.end, q.steps, list->list.step);
                                 })
        ->Unit(benchmark::kMicrosecond);
  }
}

const bool kAdded = [] {
  add(bench::list_rules());
  add(bench::list_a());
  add(bench::list_b());
  return true;
}();

}  // namespace
}  // namespace tocsin::promql
