#include "agent/metrics.h"

#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "agent/ingest.h"

namespace tocsin {

prometheus::ClientMetric& MetricSink::add(std::string_view name, std::string_view help, prometheus::MetricType type,
                                          std::initializer_list<Label> labels) {
  auto place = families_.find(name);
  if (place == families_.end()) {
    prometheus::MetricFamily family{std::string(name), std::string(help), type, {}};
    place = families_.emplace(name, std::move(family)).first;
  }
  prometheus::ClientMetric& metric = place->second.metric.emplace_back();
  for (const Label& label : labels) metric.label.push_back({std::string(label.name), std::string(label.value)});
  return metric;
}

void MetricSink::gauge(std::string_view name, std::string_view help, std::initializer_list<Label> labels,
                       double value) {
  add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void MetricSink::counter(std::string_view name, std::string_view help, std::initializer_list<Label> labels,
                         double value) {
  add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

std::vector<prometheus::MetricFamily> MetricSink::take() {
  std::vector<prometheus::MetricFamily> out;
  for (auto& [name, family] : families_) out.push_back(std::move(family));
  families_.clear();
  return out;
}

std::vector<prometheus::MetricFamily> Metrics::collect() const {
  MetricSink sink;
  for (const Source& source : sources_) source(sink);
  std::vector<prometheus::MetricFamily> families = sink.take();
  for (prometheus::MetricFamily& family : registry_->Collect()) families.push_back(std::move(family));
  return families;
}

std::string Metrics::text(const std::vector<prometheus::MetricFamily>& families) {
  return prometheus::TextSerializer().Serialize(families);
}

std::vector<ProbeSample> Metrics::samples(const std::vector<prometheus::MetricFamily>& families) {
  std::vector<ProbeSample> out;
  for (const prometheus::MetricFamily& family : families) {
    for (const prometheus::ClientMetric& metric : family.metric) {
      const auto add = [&](std::string_view suffix, std::string_view split, std::string_view bound, double value) {
        LabelsBuilder labels;
        for (const auto& label : metric.label) labels.set(label.name, label.value);
        labels.set(kMetricName, family.name + std::string(suffix)).set(split, bound);
        out.push_back({labels.labels(), value, {}});
      };
      switch (family.type) {
        case prometheus::MetricType::Counter:
          add("", "", "", metric.counter.value);
          break;
        case prometheus::MetricType::Gauge:
          add("", "", "", metric.gauge.value);
          break;
        case prometheus::MetricType::Histogram:
          for (const auto& bucket : metric.histogram.bucket) {
            add("_bucket", "le", format_value(bucket.upper_bound), static_cast<double>(bucket.cumulative_count));
          }
          add("_sum", "", "", metric.histogram.sample_sum);
          add("_count", "", "", static_cast<double>(metric.histogram.sample_count));
          break;
        case prometheus::MetricType::Summary:
          for (const auto& quantile : metric.summary.quantile) {
            add("", "quantile", format_value(quantile.quantile), quantile.value);
          }
          add("_sum", "", "", metric.summary.sample_sum);
          add("_count", "", "", static_cast<double>(metric.summary.sample_count));
          break;
        default:
          break;  // we keep no others
      }
    }
  }
  return out;
}

namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

void collect_process_metrics(MetricSink& sink, const std::string& proc) {
  // proc_pid_stat(5): the name in parentheses may hold spaces; utime is field 14, stime 15, starttime 22, vsize 23,
  // rss 24.
  const std::string stat = read_file(proc + "/self/stat");
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return;
  std::istringstream fields(stat.substr(name_end + 1));
  std::vector<std::string> field(3);  // so that field[n] is field n of the manual page
  for (std::string word; fields >> word;) field.push_back(word);
  if (field.size() < 25) return;
  const auto number = [&](std::size_t n) { return std::strtod(field[n].c_str(), nullptr); };
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  sink.counter("process_cpu_seconds_total", "CPU time spent, user and system, in seconds.", {},
               (number(14) + number(15)) / ticks);
  sink.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", {}, number(23));
  sink.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", {},
             number(24) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  const std::string boot = read_file(proc + "/stat");
  if (const std::size_t at = boot.find("btime "); at != std::string::npos) {
    sink.gauge("process_start_time_seconds", "Start time of the process, in seconds since the epoch.", {},
               std::strtod(boot.c_str() + at + 6, nullptr) + number(22) / ticks);
  }
  std::error_code error;
  const auto fds = std::filesystem::directory_iterator(proc + "/self/fd", error);
  if (!error) {
    sink.gauge("process_open_fds", "Open file descriptors.", {},
               static_cast<double>(std::distance(begin(fds), end(fds)) - 1));
  }
  sink.gauge("process_max_fds", "Most file descriptors that may be open.", {},
             static_cast<double>(sysconf(_SC_OPEN_MAX)));
}

}  // namespace tocsin
