#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/clock.h"
#include "agent/core/config/fields.h"
#include "agent/core/labels.h"
#include "agent/core/sample.h"

namespace tocsin {

class HttpClient;
class Resolver;
class HeartbeatBook;

/// What a metric is, for /metrics and /api/v1/metadata.
struct MetricInfo {
  std::string name;  // of the family
  std::string type;  // gauge, counter, histogram, summary, untyped
  std::string help;
};

/// One value a probe found. `labels` has the metric name and the probe's own labels; the target's labels (job,
/// instance, …) are added by whoever runs the probe.
struct ProbeSample {
  Labels labels;
  double value = 0;
  /// Set only when the source gave its own time (exposition timestamps).
  std::optional<TimePoint> at;
};

/// What one run of a probe found out. A target that is down is data: success is false and `cause` says why.
///
/// The frame adds probe_success, probe_duration_seconds and probe_timeout_seconds (scrape and host: up,
/// scrape_duration_seconds …), so a probe returns only what is its own.
struct ProbeResult {
  bool success = false;
  /// Why not, as a word for a label: dns, connect, tls, timeout, status, assertion, protocol, body_size, exec, late,
  /// refused, unreachable, certificate, sample_limit, label_limit, internal. Empty on success.
  std::string cause;
  /// Why not, as a sentence for a person: `connect to 127.0.0.1:81: Connection refused`. No secrets. At most 500 bytes.
  std::string detail;
  std::vector<ProbeSample> samples;
  /// What the samples' families are; shared by all runs when it does not change. May be null.
  std::shared_ptr<const std::vector<MetricInfo>> metrics;
  /// Where a label of a sample and one of the target have the same name: true keeps the sample's, false renames it to
  /// exported_<name> (Prometheus' honor_labels).
  bool honor_labels = false;
  /// Samples of native histograms that the source had and that are not kept.
  std::size_t histograms_skipped = 0;

  void add(std::string_view name, double value) { samples.push_back({Labels{{kMetricName, name}}, value, {}}); }
  void add(std::string_view name, std::initializer_list<Label> labels, double value);
  void fail(std::string_view why, std::string what) {
    success = false;
    cause = why;
    detail = std::move(what);
  }
};

/// One way to find something out about one target. run() may be called again after it returned, never before.
///
/// Suspends. Runs on its shard's thread. Returns by `deadline` (the frame cancels it soon after); heeds cancellation.
/// Throws only on cancellation.
class Probe {
 public:
  virtual ~Probe() = default;
  virtual boost::asio::awaitable<ProbeResult> run(Deadline deadline) = 0;
};

/// What probes may use of the world; one per shard, outlives its probes.
struct ProbeServices {
  Clock& clock;
  HttpClient& http;
  Resolver& resolver;
  HeartbeatBook& heartbeats;
};

/// The target a probe is made for.
struct ProbeTarget {
  std::string name;     // of the [[probe]] table; becomes the label job
  std::string address;  // becomes the label instance
};

using ProbeFactory = std::function<std::unique_ptr<Probe>(ProbeServices&)>;

/// How the samples of a type of probe are framed.
enum class ProbeFrame {
  kProbe,   // probe_success, probe_duration_seconds, probe_timeout_seconds, probe_failure_cause
  kScrape,  // up, scrape_duration_seconds
};

/// A row of the registry: everything the program knows of a type of probe.
struct ProbeType {
  std::string_view name;
  std::string_view summary;  // one sentence for the reference
  ProbeFrame frame = ProbeFrame::kProbe;
  /// True when the type needs no target of its own (host).
  bool target_optional = false;
  /// Reads the type's own fields (the frame reads its fields from the same table with the same `Fields`) and returns
  /// how to make the probe. Mistakes go to the Fields' diagnostics; the factory is then not used.
  ProbeFactory (*read)(Fields& fields, const ProbeTarget& target);
};

/// All types, by name. One row per .cc file.
std::span<const ProbeType> probe_types();
const ProbeType* find_probe_type(std::string_view name);

}  // namespace tocsin
