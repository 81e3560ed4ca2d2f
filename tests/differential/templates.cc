// The forms that the compliance suite of the Prometheus project covers, written anew for the demo data: literals,
// selectors, aggregators, arithmetic and comparisons with all ways of matching, and every kind of function.

#include "tests/differential/templates.h"

#include <map>

namespace tocsin::differential {
namespace {

const std::map<std::string, std::vector<std::string>, std::less<>>& words() {
  static const std::map<std::string, std::vector<std::string>, std::less<>> words{
      {"range", {"1s", "15s", "1m", "5m", "15m", "1h"}},
      {"offset", {"1m", "5m", "10m"}},
      {"quantile", {"-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"}},
      {"aggregate", {"sum", "avg", "max", "min", "count", "stddev", "stdvar"}},
      {"top", {"topk", "bottomk"}},
      {"arith", {"+", "-", "*", "/", "%", "^"}},
      {"compare", {"==", "!=", "<", ">", "<=", ">="}},
      {"binary", {"+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="}},
      {"set", {"and", "or", "unless"}},
      {"over_time", {"sum", "avg", "max", "min", "count", "stddev", "stdvar", "absent", "last", "present"}},
      {"math", {"abs", "ceil", "floor", "exp",  "sqrt", "ln",   "log2", "log10", "round", "sgn",   "sin", "cos",
                "tan", "asin", "acos",  "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "rad", "deg"}},
      {"clamp", {"clamp_min", "clamp_max"}},
      {"rate", {"delta", "rate", "increase"}},
      {"instant_rate", {"idelta", "irate"}},
      {"date", {"day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"}},
      {"smoothing", {"0.1", "0.5", "0.8"}},
      {"trend", {"0.1", "0.5", "0.8"}},
  };
  return words;
}

}  // namespace

const std::vector<Template>& compliance_templates() {
  static const std::vector<Template> templates{
      // Literals.
      {"42"},
      {"1.234"},
      {".123"},
      {"1.23e-3"},
      {"0x3d"},
      {"Inf"},
      {"+Inf"},
      {"-Inf"},
      {"NaN"},
      // Selectors.
      {"demo_memory_usage_bytes"},
      {"{__name__=\"demo_memory_usage_bytes\"}"},
      {"demo_memory_usage_bytes{type=\"free\"}"},
      {"demo_memory_usage_bytes{type!=\"free\"}"},
      {"demo_memory_usage_bytes{instance=~\"demo-.:.*\"}"},
      {"demo_memory_usage_bytes{instance=~\"demo\"}"},
      {"demo_memory_usage_bytes{instance!~\".*:10000\"}"},
      {"demo_memory_usage_bytes{type=\"free\",instance!=\"demo-0:10000\"}"},
      {"{type=\"free\",instance!=\"demo-0:10000\"}"},
      {"{__name__=~\".*_bytes\",type=~\"|used\"}"},
      {"demo_memory_usage_bytes{type=\"free\",type!=\"free\"}"},
      {"nonexistent_metric_name"},
      {"demo_memory_usage_bytes offset {offset}"},
      {"demo_memory_usage_bytes offset -{offset}"},
      {"demo_intermittent_metric"},
      {"{}", true},
      {"{type=~\".*\"}", true},
      // Aggregators.
      {"{aggregate}(demo_memory_usage_bytes)"},
      {"{aggregate}(nonexistent_metric_name)"},
      {"{aggregate} by() (demo_memory_usage_bytes)"},
      {"{aggregate} by(instance) (demo_memory_usage_bytes)"},
      {"{aggregate} by(instance, type) (demo_memory_usage_bytes)"},
      {"{aggregate} by(nonexistent) (demo_memory_usage_bytes)"},
      {"{aggregate} without() (demo_memory_usage_bytes)"},
      {"{aggregate} without(instance) (demo_memory_usage_bytes)"},
      {"{aggregate} without(instance, type) (demo_memory_usage_bytes)"},
      {"{aggregate} without(nonexistent) (demo_memory_usage_bytes)"},
      {"group by(type) (demo_memory_usage_bytes)"},
      {"{top} (3, demo_memory_usage_bytes)"},
      {"{top} by(instance) (2, demo_memory_usage_bytes)"},
      {"{top} without(instance) (2, demo_memory_usage_bytes)"},
      {"{top} without() (2, demo_memory_usage_bytes)"},
      {"quantile({quantile}, demo_memory_usage_bytes)"},
      {"quantile by(type) ({quantile}, demo_memory_usage_bytes)"},
      {"avg(max by(type) (demo_memory_usage_bytes))"},
      {"count_values(\"value\", demo_num_cpus)"},
      {"count_values by(job) (\"value\", round(demo_items_shipped_total, 50))"},
      // Arithmetic and comparisons.
      {"1 * 2 + 4 / 6 - 10 % 2 ^ 2"},
      {"demo_num_cpus + (1 {compare} bool 2)"},
      {"demo_memory_usage_bytes {binary} 1.2345"},
      {"demo_memory_usage_bytes {compare} bool 1.2345"},
      {"1.2345 {compare} bool demo_memory_usage_bytes"},
      {"0.12345 {binary} demo_memory_usage_bytes"},
      {"(1 * 2 + 4 / 6 - (10%7)^2) {binary} demo_memory_usage_bytes"},
      {"demo_memory_usage_bytes {binary} (1 * 2 + 4 / 6 - 10)"},
      {"timestamp(demo_memory_usage_bytes * 1)"},
      {"timestamp(-demo_memory_usage_bytes)"},
      {"demo_memory_usage_bytes {binary} on(instance, job, type) demo_memory_usage_bytes"},
      {"sum by(instance, type) (demo_memory_usage_bytes) {binary} on(instance, type) group_left(job) "
       "demo_memory_usage_bytes"},
      {"demo_memory_usage_bytes {compare} bool on(instance, job, type) demo_memory_usage_bytes"},
      {"demo_memory_usage_bytes / on(instance, job, type, nonexistent) demo_memory_usage_bytes"},
      {"sum without(job) (demo_memory_usage_bytes) / on(instance, type) demo_memory_usage_bytes"},
      {"sum without(job) (demo_memory_usage_bytes) / on(instance, type) group_left demo_memory_usage_bytes"},
      {"sum without(job) (demo_memory_usage_bytes) / on(instance, type) group_left(job) demo_memory_usage_bytes"},
      {"demo_memory_usage_bytes / on(instance, job) group_left demo_num_cpus"},
      {"demo_num_cpus / on(instance) group_right demo_memory_usage_bytes"},
      {"demo_num_cpus / on(instance) group_right(type) demo_memory_usage_bytes", true},
      {"demo_memory_usage_bytes / ignoring(type) group_left demo_num_cpus"},
      {"demo_memory_usage_bytes / on(job) demo_num_cpus", true},
      {"demo_num_cpus * on(nonexistent) demo_memory_usage_bytes", true},
      {"demo_disk_usage_bytes / demo_disk_total_bytes"},
      {"demo_num_cpus {set} on(instance) demo_intermittent_metric"},
      {"demo_memory_usage_bytes{type=\"free\"} {set} demo_memory_usage_bytes{instance=\"demo-1:10001\"}"},
      {"demo_memory_usage_bytes {set} ignoring(type) demo_num_cpus"},
      {"demo_num_cpus {compare} NaN"},
      {"demo_num_cpus {compare} bool NaN"},
      {"demo_odd_values {compare} Inf"},
      {"demo_odd_values atan2 on(instance) group_left demo_num_cpus"},
      // Signs.
      {"-demo_memory_usage_bytes"},
      {"+demo_memory_usage_bytes"},
      {"-1 ^ 2 + -demo_num_cpus ^ 2"},
      // Functions of windows.
      {"{over_time}_over_time(demo_memory_usage_bytes[{range}])"},
      {"{over_time}_over_time(demo_intermittent_metric[{range}])"},
      {"quantile_over_time({quantile}, demo_memory_usage_bytes[{range}])"},
      {"{rate}(demo_cpu_usage_seconds_total[{range}])"},
      {"{rate}(nonexistent_metric_name[5m])"},
      {"{instant_rate}(demo_cpu_usage_seconds_total[{range}])"},
      {"deriv(demo_disk_usage_bytes[{range}])"},
      {"predict_linear(demo_disk_usage_bytes[{range}], 600)"},
      {"changes(demo_batch_last_success_timestamp_seconds[{range}])"},
      {"resets(demo_cpu_usage_seconds_total[{range}])"},
      {"double_exponential_smoothing(demo_disk_usage_bytes[10m], {smoothing}, {trend})"},
      {"double_exponential_smoothing(demo_disk_usage_bytes[10m], 1.5, 0.5)", true},
      // Functions of vectors.
      {"timestamp(demo_num_cpus)"},
      {"timestamp(demo_intermittent_metric)"},
      {"{math}(demo_odd_values)"},
      {"{math}(-demo_disk_usage_bytes)"},
      {"{clamp}(demo_memory_usage_bytes, 150000000)"},
      {"clamp(demo_memory_usage_bytes, 1e8, 2e8)"},
      {"clamp(demo_memory_usage_bytes, 1e12, 0)"},
      {"clamp(demo_memory_usage_bytes, 0, NaN)"},
      {"round(demo_odd_values, 0.3)"},
      {"{date}()"},
      {"{date}(demo_batch_last_success_timestamp_seconds offset {offset})"},
      {"time()"},
      {"vector(1.23)"},
      {"vector(time())"},
      {"scalar(demo_num_cpus{instance=\"demo-1:10001\"}) + scalar(demo_num_cpus)"},
      {"sort(demo_disk_usage_bytes)"},
      {"sort_desc(demo_memory_usage_bytes)"},
      // Labels.
      {"label_replace(demo_num_cpus, \"job\", \"destination-value-$1\", \"instance\", \"demo-(.*):(.*)\")"},
      {"label_replace(demo_num_cpus, \"job\", \"$2\", \"instance\", \"(.*):(.*)\")"},
      {"label_replace(demo_num_cpus, \"job\", \"value-$1\", \"instance\", \"host:(.*)\")"},
      {"label_replace(demo_num_cpus, \"job\", \"$1\", \"instance\", \"emo-(.*)\")"},
      {"label_replace(demo_num_cpus, \"job\", \"\", \"nonexistent\", \"\")"},
      {"label_replace(demo_num_cpus, \"job\", \"value-$1\", \"nonexistent-src\", \"source-value-(.*)\")"},
      {"label_replace(demo_num_cpus, \"job\", \"$1\", \"instance\", \"(.*\")", true},
      {"label_replace(demo_num_cpus, \"instance\", \"\", \"\", \"\")", true},
      {"label_join(demo_num_cpus, \"new_label\", \"-\", \"instance\", \"job\")"},
      {"label_join(demo_num_cpus, \"job\", \"-\", \"instance\", \"job\", \"none\")"},
      {"label_join(demo_num_cpus, \"instance\", \"-\", \"job\")", true},
      // Histograms, what is not there, subqueries.
      {"histogram_quantile({quantile}, rate(demo_api_request_duration_seconds_bucket[1m]))"},
      {"histogram_quantile({quantile}, sum by(le) (rate(demo_api_request_duration_seconds_bucket[5m])))"},
      {"histogram_quantile(0.9, nonexistent_metric)"},
      {"histogram_quantile(0.9, demo_memory_usage_bytes)"},
      {"histogram_quantile(0.9, {__name__=~\"demo_api_request_duration_seconds_.+\"})"},
      {"absent(demo_memory_usage_bytes)"},
      {"absent(nonexistent_metric_name{a=\"1\",b=~\"2\",c=\"3\",c=\"4\"})"},
      {"absent(sum(nonexistent_metric_name))"},
      {"max_over_time((time() - max(demo_batch_last_success_timestamp_seconds) < 1000)[5m:10s] offset 5m)"},
      {"avg_over_time(rate(demo_cpu_usage_seconds_total[1m])[2m:10s])"},
      {"{over_time}_over_time(demo_intermittent_metric[{range}:7s])"},
      {"max_over_time(sum by(instance) (demo_memory_usage_bytes)[5m:])"},
      {"demo_num_cpus @ 1700003000.321"},
      {"rate(demo_cpu_usage_seconds_total[5m] @ end())"},
      {"sum_over_time(demo_items_shipped_total[1m] @ start() offset 2m)"},
  };
  return templates;
}

std::vector<std::string> expand(const std::string& text) {
  std::vector<std::string> done, open{text};
  while (!open.empty()) {
    const std::string one = std::move(open.back());
    open.pop_back();
    std::size_t begin = one.find('{'), end = std::string::npos;
    const std::vector<std::string>* list = nullptr;
    for (; begin != std::string::npos && list == nullptr; begin = list ? begin : one.find('{', begin + 1)) {
      end = one.find('}', begin);
      const auto found =
          end == std::string::npos ? words().end() : words().find(one.substr(begin + 1, end - begin - 1));
      if (found != words().end()) list = &found->second;
    }
    if (list == nullptr) {
      done.push_back(one);
      continue;
    }
    for (auto word = list->rbegin(); word != list->rend(); ++word) {
      open.push_back(one.substr(0, begin) + *word + one.substr(end + 1));
    }
  }
  return done;
}

}  // namespace tocsin::differential
