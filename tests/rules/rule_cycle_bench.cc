// What a cycle of rules costs: the evaluation of all groups once, as every 15 seconds. A hundred rules over a few thousand
// series, as a node has them; a thousand over 100,000, as a site has them.

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cstdlib>

#include "rules/rule_group.h"

namespace tocsin {
namespace {

constexpr TimePoint kStart{std::chrono::sys_days{std::chrono::year{2026} / 1 / 5}};
constexpr Duration kInterval = std::chrono::seconds(15);

/// 50 targets with 60 series each, as probes and a host make them.
class Targets {
 public:
  explicit Targets(SeriesStore& store) : store_(store) {
    for (int target = 0; target < 50; ++target) {
      const std::string instance = fmt::format("target-{}:443", target);
      for (int metric = 0; metric < 60; ++metric) {
        const std::string name = fmt::format("metric_{}", metric);
        refs_.push_back(*store.ref({{kMetricName, name}, {"job", "web"}, {"instance", instance}}));
      }
    }
  }
  void append(TimePoint t, std::int64_t round) {
    for (std::size_t i = 0; i < refs_.size(); ++i) {
      store_.append(refs_[i], t, static_cast<double>(round) + static_cast<double>(i % 60));
    }
  }

 private:
  SeriesStore& store_;
  std::vector<SeriesRef> refs_;
};

/// 100 rules of the kinds that people write. `firing`: how many of the alerting ones find something.
std::vector<RuleGroupConfig> rules(int firing) {
  std::string toml;
  for (int i = 0; i < 100; ++i) {
    if (i % 10 == 0) toml += fmt::format("[[group]]\nname = \"g{}\"\n", i / 10);
    const char* threshold = i % 4 == 0 && i / 4 < firing ? "> -1" : "> 1e15";
    switch (i % 4) {
      case 0:
        toml += fmt::format("[[group.rule]]\nalert = \"A{0}\"\nexpr = 'metric_{1} {2}'\n", i, i % 60, threshold);
        break;
      case 1:
        toml += fmt::format("[[group.rule]]\nalert = \"A{0}\"\nexpr = 'rate(metric_{1}[5m]) > 1e15'\n", i, i % 60);
        break;
      case 2:
        toml +=
            fmt::format("[[group.rule]]\nrecord = \"job:m{0}:sum\"\nexpr = 'sum by (job) (metric_{1})'\n", i, i % 60);
        continue;
      default:
        toml += fmt::format("[[group.rule]]\nalert = \"A{0}\"\nexpr = 'metric_{1} / metric_{2} > 1e15'\n", i, i % 60,
                            (i + 7) % 60);
    }
    toml += "for = \"1m\"\nlabels = { severity = \"page\" }\n";
    toml += "annotations = { summary = \"{{ $labels.instance }} is at {{ humanize $value }}\" }\n";
  }
  Diagnostics diagnostics;
  auto groups = parse_rule_file(toml, "bench.toml", diagnostics);
  if (!diagnostics.empty()) std::abort();
  return groups;
}

void BM_RuleCycle(benchmark::State& state) {
  SeriesStore store;
  Targets targets(store);
  auto context = std::make_shared<RuleContext>();
  std::vector<RuleGroup> groups;
  for (RuleGroupConfig& config : rules(static_cast<int>(state.range(0))))
    groups.emplace_back(std::move(config), context);
  TimePoint now = kStart;
  std::int64_t round = 0;
  for (; round < 40; ++round, now += kInterval) targets.append(now, round);
  std::uint64_t alerts = 0;
  for (auto _ : state) {
    state.PauseTiming();
    targets.append(now, round++);
    state.ResumeTiming();
    for (RuleGroup& group : groups) alerts += group.evaluate(now, store).alerts.size();
    now += kInterval;
  }
  benchmark::DoNotOptimize(alerts);
  state.counters["series"] = static_cast<double>(store.stats().series);
  state.counters["rules/s"] = benchmark::Counter(100, benchmark::Counter::kIsIterationInvariantRate);
}
// Nothing fires; 5 rules fire for all 50 targets; all 25 simple rules do.
BENCHMARK(BM_RuleCycle)->Arg(0)->Arg(5)->Arg(25)->Unit(benchmark::kMicrosecond);

/// 400 hosts with 250 metrics each.
class Site {
 public:
  explicit Site(SeriesStore& store) : store_(store) {
    for (int host = 0; host < 400; ++host) {
      for (int metric = 0; metric < 250; ++metric) add(host, metric);
    }
  }
  void add(int host, int metric) {
    refs_.push_back(*store_.ref({{kMetricName, fmt::format("node_metric_{}_total", metric)},
                                 {"job", "node"},
                                 {"cluster", "eu-west-1"},
                                 {"device", fmt::format("dev{}", host % 7)},
                                 {"instance", fmt::format("host-{}.example.com:9100", host)}}));
  }
  void append(TimePoint t, std::int64_t round) {
    for (std::size_t i = 0; i < refs_.size(); ++i) {
      const auto noise = static_cast<std::int64_t>(i * 7919) + round * 31;
      store_.append(refs_[i], t, static_cast<double>(i % 3 == 0 ? 5 : round * 40 + noise % 16));
    }
  }

 private:
  SeriesStore& store_;
  std::vector<SeriesRef> refs_;
};

/// A thousand alerting rules in fifty groups, of which none fires: one metric on all hosts each, four rules a metric.
std::vector<RuleGroupConfig> site_rules() {
  std::string toml;
  for (int i = 0; i < 1000; ++i) {
    const std::string metric = fmt::format("node_metric_{}_total", i / 4);
    if (i % 20 == 0) toml += fmt::format("[[group]]\nname = \"g{}\"\n", i / 20);
    const std::string expr = i % 4 == 0   ? metric + " > 1e15"
                             : i % 4 == 1 ? fmt::format("rate({}[5m]) > 1e15", metric)
                             : i % 4 == 2 ? fmt::format("sum by (cluster) (rate({}[5m])) > 1e15", metric)
                                          : fmt::format("{} / ignoring (x) rate({}[5m]) < 0", metric, metric);
    toml += fmt::format("[[group.rule]]\nalert = \"A{}\"\nexpr = '{}'\nfor = \"1m\"\n", i, expr);
  }
  Diagnostics diagnostics;
  auto groups = parse_rule_file(toml, "bench.toml", diagnostics);
  if (!diagnostics.empty()) std::abort();
  return groups;
}

/// The argument: how many series are new in each cycle.
void BM_SiteCycle(benchmark::State& state) {
  SeriesStore store;
  Site site(store);
  auto context = std::make_shared<RuleContext>();
  TimePoint now = kStart;
  std::int64_t round = 0;
  for (; round < 60; ++round, now += kInterval) site.append(now, round);
  const auto used = [] { return static_cast<double>(mallinfo2().uordblks + mallinfo2().hblkhd); };
  const double before = used();
  std::vector<RuleGroup> groups;
  for (RuleGroupConfig& config : site_rules()) groups.emplace_back(std::move(config), context);
  for (RuleGroup& group : groups) group.evaluate(now - kInterval, store);
  state.counters["plans_MiB"] = (used() - before) / (1 << 20);
  int host = 1000;
  std::uint64_t alerts = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (std::int64_t i = 0; i < state.range(0); ++i) site.add(host, static_cast<int>(i % 250));
    ++host;
    site.append(now, round++);
    state.ResumeTiming();
    for (RuleGroup& group : groups) alerts += group.evaluate(now, store).alerts.size();
    now += kInterval;
  }
  benchmark::DoNotOptimize(alerts);
}
BENCHMARK(BM_SiteCycle)->Arg(0)->Arg(1)->Arg(100)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tocsin
