// The lists are those of the two projects, without what works on native histograms. Values are made up: counters that
// rise and are reset now and then, so that nothing is easier than in life.

#include "tests/rules/promql/query_lists.h"

#include <fmt/format.h>

namespace tocsin::bench {
namespace {

constexpr std::int64_t kStart = 1'700'000'000'000 / 60'000 * 60'000;

class Filler {
 public:
  Filler(SeriesStore& store, std::int64_t samples, std::int64_t interval)
      : store_(store), samples_(samples), interval_(interval) {}
  void add(const Labels& labels, std::int64_t slope, std::int64_t every = 1) {
    const SeriesRef ref = *store_.ref(labels);
    std::int64_t v = 0;
    for (std::int64_t i = 0; i < samples_; ++i) {
      v += slope + (i * 7919 + slope * 31) % 16;
      if ((i + slope * 97) % 5000 == 4999) v = 0;
      if (i % every == 0) store_.append(ref, TimePoint(Duration(kStart + i * interval_)), static_cast<double>(v));
    }
  }

 private:
  SeriesStore& store_;
  const std::int64_t samples_, interval_;
};

void each_size(std::vector<ListedQuery>& out, const std::string& text, std::vector<std::int64_t> steps) {
  for (const std::string_view size : {"one", "hundred"}) {
    std::string filled = text;
    for (std::size_t at = 0; (at = filled.find("_X", at)) != std::string::npos;) filled.replace(at + 1, 1, size);
    for (const std::int64_t n : steps) out.push_back({filled, n});
  }
}

}  // namespace

QueryList list_rules() {
  constexpr std::int64_t kSamples = 40, kInterval = 15'000;
  QueryList list{
      .name = "rules", .queries = {}, .end = kStart + (kSamples - 1) * kInterval, .step = kInterval, .fill = {}};
  for (const char* text : {"http_requests_total", R"(http_requests_total{instance="host-7",path="/3"})",
                           "sum(rate(http_requests_total[5m]))", "sum by (instance) (rate(http_requests_total[5m]))",
                           "http_requests_total > 1e9", "http_requests_total - http_requests_total",
                           "avg_over_time(http_requests_total[5m])", "rate(http_requests_total[5m]) > 1e9"}) {
    list.queries.push_back({text, 1});
  }
  list.fill = [](SeriesStore& store) {
    Filler filler(store, kSamples, kInterval);
    for (int i = 0; i < 1000; ++i) {
      const std::string instance = fmt::format("host-{}", i / 10), path = fmt::format("/{}", i % 10);
      filler.add({{kMetricName, "http_requests_total"}, {"instance", instance}, {"job", "web"}, {"path", path}}, i);
    }
  };
  return list;
}

QueryList list_a() {
  constexpr std::int64_t kSamples = 18'640, kInterval = 10'000;
  QueryList list{.name = "A", .queries = {}, .end = kStart + (kSamples - 1) * kInterval, .step = kInterval, .fill = {}};
  auto& q = list.queries;
  each_size(q, "a_X", {1, 1000});
  each_size(q, "rate(a_X[1m])", {1, 1000, 10000});
  q.push_back({"rate(sparse[1m])", 10000});
  for (const char* text : {"holt_winters(a_X[1d], 0.3, 0.3)",
                           "changes(a_X[1d])",
                           "rate(a_X[1d])",
                           "absent_over_time(a_X[1d])",
                           "-a_X",
                           "a_X and b_X{l=~'.*[0-4]$'}",
                           "a_X or b_X{l=~'.*[0-4]$'}",
                           "a_X unless b_X{l=~'.*[0-4]$'}",
                           "a_X and b_X{l='notfound'}",
                           "abs(a_X)",
                           "label_replace(a_X, 'l2', '$1', 'l', '(.*)')",
                           "label_join(a_X, 'l2', '-', 'l', 'l')",
                           "sum(a_X)",
                           "avg(a_X)",
                           "sum without (l)(h_X)",
                           "sum without (le)(h_X)",
                           "sum by (l)(h_X)",
                           "sum by (le)(h_X)",
                           "topk(1, a_X)",
                           "topk(5, a_X)",
                           "rate(a_X[1m]) + rate(b_X[1m])",
                           "sum without (l)(rate(a_X[1m]))",
                           "sum without (l)(rate(a_X[1m])) / sum without (l)(rate(b_X[1m]))",
                           "histogram_quantile(0.9, rate(h_X[5m]))",
                           "a_X + on(l) group_right a_one",
                           "timestamp(a_X)"}) {
    std::string ours = text;
    if (ours.starts_with("holt_winters")) ours.replace(0, 12, "double_exponential_smoothing");
    each_size(q, ours, {1, 1000});
  }
  each_size(q, "a_X - b_X", {1, 1000, 10000});
  each_size(q, "count_values('value', h_X)", {100});
  for (const std::int64_t steps : {1, 1000}) {
    q.push_back({R"(count({__name__!=""}))", steps});
    q.push_back({R"(count({__name__!="",l=""}))", steps});
  }
  list.fill = [](SeriesStore& store) {
    Filler filler(store, kSamples, kInterval);
    for (const char* metric : {"a", "b"}) {
      filler.add({{kMetricName, fmt::format("{}_one", metric)}}, 1);
      for (int i = 0; i < 10; ++i)
        filler.add({{kMetricName, fmt::format("{}_ten", metric)}, {"l", std::to_string(i)}}, i);
      for (int i = 0; i < 100; ++i)
        filler.add({{kMetricName, fmt::format("{}_hundred", metric)}, {"l", std::to_string(i)}}, i);
    }
    for (int le = 0; le <= 10; ++le) {
      const std::string bound = le == 10 ? "+Inf" : fmt::format("{}", 0.1 * (1 << le));
      filler.add({{kMetricName, "h_one"}, {"le", bound}}, le);
      for (int i = 0; i < 10; ++i)
        filler.add({{kMetricName, "h_ten"}, {"l", std::to_string(i)}, {"le", bound}}, i + le);
      for (int i = 0; i < 100; ++i)
        filler.add({{kMetricName, "h_hundred"}, {"l", std::to_string(i)}, {"le", bound}}, i + le);
    }
    filler.add({{kMetricName, "sparse"}}, 1, 360);
  };
  return list;
}

QueryList list_b() {
  constexpr std::int64_t kSamples = 720, kInterval = 30'000;
  QueryList list{.name = "B", .queries = {}, .end = kStart + (kSamples - 1) * kInterval, .step = kInterval, .fill = {}};
  std::vector<std::string> texts = {"http_requests_total",
                                    "sum(http_requests_total)",
                                    "sum by (pod) (http_requests_total)",
                                    "topk(2, http_requests_total)",
                                    "bottomk(2, http_requests_total)",
                                    "rate(http_requests_total[1m])",
                                    "rate(http_requests_total[10m])",
                                    "sum_over_time(rate(http_requests_total[1m])[10m:1m])",
                                    "sum(rate(http_requests_total[1m]))",
                                    "sum by (pod) (rate(http_requests_total[1m]))",
                                    "quantile by (pod) (scalar(min(http_requests_total)), http_requests_total)",
                                    "http_requests_total{container=\"c1\"} / ignoring (container) http_responses_total",
                                    "http_requests_total / on (pod) group_left () http_responses_total",
                                    "http_requests_total * 10",
                                    "-http_requests_total",
                                    "http_requests_total > 10",
                                    "http_requests_total offset 5m",
                                    "http_requests_total @ start()",
                                    "clamp(http_requests_total, 5, 10)",
                                    "clamp_min(http_requests_total, 10)",
                                    "clamp(1 - http_requests_total, 10 - 5, 10)",
                                    "clamp(irate(http_requests_total[1m]), 10 - 5, 10)",
                                    "histogram_quantile(0.9, sum by (pod, le) (http_response_seconds_bucket))",
                                    "sort(http_requests_total)",
                                    "absent(http_requests_total)"};
  for (const char* function : {"count", "sum", "avg", "min", "max", "stddev", "stdvar", "last", "present"}) {
    for (const char* range : {"5m", "1h", "6h"}) {
      texts.push_back(fmt::format("{}_over_time(http_requests_total[{}])", function, range));
    }
  }
  for (const std::string& text : texts) {
    list.queries.push_back({text, 1});
    list.queries.push_back({text, 241});
  }
  list.fill = [](SeriesStore& store) {
    Filler filler(store, kSamples, kInterval);
    for (int pod = 0; pod < 1000; ++pod) {
      const std::string name = fmt::format("pod-{}", pod);
      for (const char* container : {"c1", "c2", "c3"}) {
        filler.add({{kMetricName, "http_requests_total"}, {"container", container}, {"pod", name}}, pod);
      }
      filler.add({{kMetricName, "http_responses_total"}, {"container", "c1"}, {"pod", name}}, pod + 1);
      for (int le = 0; le <= 10; ++le) {
        const std::string bound = le == 10 ? "+Inf" : fmt::format("{}", 0.1 * (1 << le));
        filler.add({{kMetricName, "http_response_seconds_bucket"}, {"le", bound}, {"pod", name}}, pod + le);
      }
    }
  };
  return list;
}

QueryList list_site(int series) {
  constexpr std::int64_t kSamples = 60, kInterval = 15'000;
  QueryList list{
      .name = "site", .queries = {}, .end = kStart + (kSamples - 1) * kInterval, .step = kInterval, .fill = {}};
  list.fill = [series](SeriesStore& store) {
    Filler filler(store, kSamples, kInterval);
    for (int i = 0; i < series; ++i) {
      const int host = i / 250;
      filler.add({{kMetricName, fmt::format("node_metric_{}_total", i % 250)},
                  {"job", "node"},
                  {"cluster", "eu-west-1"},
                  {"device", fmt::format("dev{}", host % 7)},
                  {"instance", fmt::format("host-{}.example.com:9100", host)}},
                 i % 3 == 0 ? 0 : 40);
    }
  };
  return list;
}

}  // namespace tocsin::bench
