#pragma once

#include <prometheus/counter.h>
#include <prometheus/summary.h>

#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/core/async.h"
#include "agent/core/clock.h"
#include "agent/heap.h"
#include "agent/ingest.h"
#include "agent/metrics.h"
#include "agent/net/http_client.h"
#include "agent/net/http_server.h"
#include "agent/notify_loop.h"
#include "agent/probe_shard.h"
#include "agent/query_runner.h"
#include "agent/remote_write.h"
#include "agent/rule_loop.h"
#include "agent/store/metrics_db.h"
#include "agent/store/series_store.h"
#include "agent/store/state_db.h"
#include "notifiers/delivery.h"
#include "probes/heartbeat.h"

namespace tocsin {

/// How a reload went.
struct ReloadStatus {
  bool successful = true;
  TimePoint at;
  std::string error;  // every mistake, one a line
};

/// Alerts that POST /api/v2/alerts was given.
struct PostedAlerts {
  std::uint64_t firing = 0;
  std::uint64_t resolved = 0;
  std::uint64_t invalid = 0;
};

/// The program: the only place that knows all the boxes. Everything but the probes runs on one thread, the engine.
class App {
 public:
  /// `config` is what load_config gave, without mistakes.
  App(boost::asio::io_context& engine, Clock& clock, std::shared_ptr<const Config> config, std::unique_ptr<StateDb> db);
  ~App();

  /// Takes back the samples that `path` kept, and keeps them there from now on. When it cannot, says so in the log, and
  /// samples are in memory only. Before start().
  void keep_samples(const std::string& path);
  /// Starts everything and listens. Error: the address cannot be had.
  Result<void> start();
  /// All or nothing: a configuration with a mistake changes nothing. Only a rule file with mistakes stays alone: it
  /// keeps the rules it had, and everything else changes.
  ReloadStatus reload();
  /// Stops probing and deciding, lets what is being sent be sent, and leaves the rest in the outbox.
  boost::asio::awaitable<void> stop();

  // What the API and the page show.
  Clock& clock() const { return clock_; }
  const Config& config() const { return *config_; }
  const SeriesStore& store() const { return store_; }
  const Ingest& ingest() const { return ingest_; }
  RemoteWriteReceiver& remote_write() { return remote_write_; }
  QueryRunner& queries() { return queries_; }
  /// What is known of metrics, by family: of what probes find, and our own.
  std::map<std::string, MetricInfo> metric_infos() const;
  /// Counts a query that was answered, and how many seconds each phase of it took. From any thread.
  void observe_query(double queue, double prepare, double evaluate, std::uint64_t samples);
  const RuleLoop& rules() const { return rules_; }
  const NotifyLoop& notifications() const { return notifications_; }
  NotifyLoop& notifications() { return notifications_; }
  const Delivery& delivery() const { return delivery_; }
  const Metrics& metrics() const { return metrics_; }
  const ReloadStatus& last_reload() const { return last_reload_; }
  TimePoint started_at() const { return started_at_; }
  bool ready() const { return ready_; }
  HeartbeatBook& heartbeats() { return heartbeats_; }
  PostedAlerts& posted_alerts() { return posted_alerts_; }
  /// Runs `f` on the engine's thread, later.
  void post(std::function<void()> f);
  StateDb& state_db() { return *db_; }
  /// None when samples are in memory only.
  const MetricsDb* metrics_db() const { return metrics_db_.get(); }
  std::uint16_t port() const { return server_.port(); }

 private:
  void use(std::shared_ptr<const Config> config);
  void set_targets();
  void take(std::vector<ProbeRun> runs);
  void take(GroupEvaluation evaluation);
  void watch_self();
  void collect(MetricSink& sink) const;
  boost::asio::awaitable<void> maintain();
  boost::asio::awaitable<void> flush_samples();
  boost::asio::awaitable<void> keep_watchdog_quiet(Duration interval);

  boost::asio::io_context& engine_;
  Clock& clock_;
  std::shared_ptr<const Config> config_;
  std::unique_ptr<StateDb> db_;
  HeartbeatBook heartbeats_;
  SeriesStore store_;
  std::unique_ptr<MetricsDb> metrics_db_;
  Ingest ingest_;
  RemoteWriteReceiver remote_write_;
  HttpClient http_;
  Delivery delivery_;
  NotifyLoop notifications_;
  RuleLoop rules_;
  QueryRunner queries_;
  HttpServer server_;
  Metrics metrics_;
  std::shared_ptr<const PlannedTarget> self_;
  std::vector<std::unique_ptr<ProbeShard>> shards_;
  HeapTrimmer heap_;
  TaskGroup tasks_;
  std::atomic<double> lag_{0};
  prometheus::Histogram* start_delay_ = nullptr;
  prometheus::Family<prometheus::Summary>* query_seconds_ = nullptr;
  prometheus::Counter* query_samples_ = nullptr;
  prometheus::Summary* rule_seconds_ = nullptr;
  prometheus::Summary* group_seconds_ = nullptr;
  PostedAlerts posted_alerts_;
  ReloadStatus last_reload_;
  TimePoint started_at_;
  bool ready_ = false;
};

}  // namespace tocsin
