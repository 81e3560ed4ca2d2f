#pragma once

#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/labels.h"
#include "probes/probe.h"

namespace tocsin {

/// Where a box writes the figures it keeps anyway, while they are being collected.
class MetricSink {
 public:
  void gauge(std::string_view name, std::string_view help, std::initializer_list<Label> labels, double value);
  void counter(std::string_view name, std::string_view help, std::initializer_list<Label> labels, double value);
  std::vector<prometheus::MetricFamily> take();

 private:
  prometheus::ClientMetric& add(std::string_view name, std::string_view help, prometheus::MetricType type,
                                std::initializer_list<Label> labels);
  std::map<std::string, prometheus::MetricFamily, std::less<>> families_;
};

/// Our own metrics: a prometheus-cpp registry for what is observed as it happens (histograms), and functions that are
/// asked at each collection for what the boxes count anyway.
class Metrics {
 public:
  using Source = std::function<void(MetricSink&)>;

  Metrics() : registry_(std::make_shared<prometheus::Registry>()) {}

  prometheus::Registry& registry() { return *registry_; }
  void add_source(Source source) { sources_.push_back(std::move(source)); }

  std::vector<prometheus::MetricFamily> collect() const;
  /// The text exposition format.
  static std::string text(const std::vector<prometheus::MetricFamily>& families);
  /// The same as samples, so that rules see them too.
  static std::vector<ProbeSample> samples(const std::vector<prometheus::MetricFamily>& families);

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  std::vector<Source> sources_;
};

/// process_* as every Prometheus client library exports them, read from `proc` ("/proc").
void collect_process_metrics(MetricSink& sink, const std::string& proc);

}  // namespace tocsin
