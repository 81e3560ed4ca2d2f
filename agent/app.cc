// The table of contents of the program.
//
//   shards     run probes, each on a thread of its own        ProbeRun        -> take(runs)
//   ingest_    puts what they found into store_               samples
//   metrics_db_  keeps what store_ holds, and held before     SeriesBatch
//   rules_     evaluates rule groups over store_              GroupEvaluation -> take(evaluation)
//   notifications_  routes and groups alerts, commits to db_  OutboxRow
//   queries_   runs what the API is asked over store_, a slice at a time
//   delivery_  brings committed messages to their channels    Receipt         -> notifications_
//
// Everything after the shards happens on the engine's thread, so none of it needs a lock.

#include "agent/app.h"

#include <prometheus/histogram.h>
#include <prometheus/summary.h>

#include "agent/api/api.h"
#include "agent/core/log.h"
#include "agent/service_manager.h"
#include "rules/promql/reach.h"

namespace tocsin {

namespace asio = boost::asio;

namespace {

constexpr Duration kMaintenanceInterval = std::chrono::seconds(15);
/// How long the walk takes that writes how each growing chunk stands; a start has to read up to two such times of log.
constexpr Duration kGrowingLap = std::chrono::minutes(5);
constexpr Duration kPruneInterval = std::chrono::hours(1);
constexpr Duration kStopTimeout = std::chrono::seconds(10);

std::shared_ptr<const RuleContext> rule_context(const Config& config, const Clock& clock, const MetricsDb* disk) {
  auto context = std::make_shared<RuleContext>();
  context->external_labels = config.external_labels;
  context->external_url = config.notify->external_url;
  context->evaluation_interval = config.evaluation_interval;
  context->lookback = config.query.lookback;
  if (disk != nullptr) context->history = disk->history();
  context->stopwatch = [&clock] { return std::chrono::duration<double>(clock.steady().time_since_epoch()).count(); };
  return context;
}

/// Says which rules look further back than memory holds: the engine waits for the disk whenever it evaluates one.
void tell_rules_beyond_memory(const Config& config) {
  const Duration memory = config.storage.limits.retention;
  for (const RuleGroupConfig& group : config.groups) {
    for (const RuleConfig& rule : group.rules) {
      const auto expr = promql::parse(rule.expr);
      if (!expr) continue;
      for (const promql::SelectorReach& reach : promql::selector_reach(**expr, config.query.lookback)) {
        if (reach.at || reach.before <= memory) continue;
        log::info(
            "rule {} of group {} looks back {} at {}, and memory holds {}: what is older is read from disk at each "
            "evaluation; a longer storage.memory_retention spares that",
            rule.name(), group.name, format_duration(reach.before), reach.text, format_duration(memory));
      }
    }
  }
}

/// The target under whose labels our own metrics stand in the store. It is never scheduled, and /metrics shows them
/// anyway.
std::shared_ptr<const PlannedTarget> self_target(const Config& config) {
  static const ProbeType kSelf{"self", "", ProbeFrame::kScrape, true, nullptr};
  auto target = std::make_shared<PlannedTarget>();
  target->type = &kSelf;
  target->target = {"tocsin", config.server.listen};
  target->interval = kMaintenanceInterval;
  target->timeout = kMaintenanceInterval;
  target->labels = Labels{{"job", "tocsin"}, {"instance", config.server.listen}};
  target->expose = false;
  target->identity = "self " + config.server.listen;
  return target;
}

}  // namespace

App::App(asio::io_context& engine, Clock& clock, std::shared_ptr<const Config> config, std::unique_ptr<StateDb> db)
    : engine_(engine),
      clock_(clock),
      config_(std::move(config)),
      db_(std::move(db)),
      store_(config_->storage.limits),
      ingest_(store_),
      remote_write_(store_, ingest_),
      http_(engine.get_executor()),
      delivery_(engine.get_executor(), *db_, NotifierServices{clock, http_}, config_->delivery,
                [this](const Receipt& receipt) { return notifications_.receipt(receipt); }),
      notifications_(engine.get_executor(), clock, *db_, delivery_, config_->notify),
      rules_(engine.get_executor(), clock, store_, [this](GroupEvaluation evaluation) { take(std::move(evaluation)); }),
      queries_(engine, clock, config_->query),
      server_(engine.get_executor(), config_->server),
      self_(self_target(*config_)),
      tasks_(engine.get_executor()),
      started_at_(clock.now()) {
  start_delay_ = &prometheus::BuildHistogram()
                      .Name("tocsin_probe_start_delay_seconds")
                      .Help("How much later than its slot a probe started.")
                      .Register(metrics_.registry())
                      .Add({}, prometheus::Histogram::BucketBoundaries{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5});
  query_seconds_ = &prometheus::BuildSummary()
                        .Name("prometheus_engine_query_duration_seconds")
                        .Help("How long the phases of queries took.")
                        .Register(metrics_.registry());
  query_samples_ = &prometheus::BuildCounter()
                        .Name("prometheus_engine_query_samples_total")
                        .Help("Samples that queries have read.")
                        .Register(metrics_.registry())
                        .Add({});
  const auto summary = [this](const char* name, const char* help) {
    return &prometheus::BuildSummary()
                .Name(name)
                .Help(help)
                .Register(metrics_.registry())
                .Add({},
                     prometheus::Summary::Quantiles{
                         {0.01, 0.001}, {0.05, 0.005}, {0.5, 0.05}, {0.9, 0.01}, {0.99, 0.001}},
                     std::chrono::minutes(10));
  };
  rule_seconds_ = summary("prometheus_rule_evaluation_duration_seconds", "How long rules took.");
  group_seconds_ = summary("prometheus_rule_group_duration_seconds", "How long groups of rules took.");
  metrics_.add_source([this](MetricSink& sink) { collect(sink); });
  add_api_routes(server_, *this);
}

App::~App() = default;

void App::post(std::function<void()> f) {
  asio::post(engine_, std::move(f));
}

void App::keep_samples(const std::string& path) {
  const Deadline began = clock_.steady();
  const StorageConfig& storage = config_->storage;
  Result<std::unique_ptr<MetricsDb>> opened =
      MetricsDb::open(path, storage.disk, store_, clock_.now() - storage.limits.retention);
  if (!opened) {
    log::error("{}; samples are in memory only, and a restart will forget them", opened.error().message);
    return;
  }
  metrics_db_ = std::move(*opened);
  const SeriesStoreStats& stats = store_.stats();
  if (stats.series == 0) return;
  log::info("{} series with {} samples are back after {} ms", stats.series, stats.samples,
            std::chrono::duration_cast<Duration>(clock_.steady() - began).count());
}

Result<void> App::start() {
  if (const Result<void> listening = server_.start(); !listening) return listening;
  last_reload_ = {config_->rule_mistakes.empty(), clock_.now(), config_->rule_mistakes.str()};
  for (unsigned i = 0; i < config_->probe_threads; ++i) {
    shards_.push_back(std::make_unique<ProbeShard>(
        fmt::format("probes-{}", i), clock_, heartbeats_, [this](std::vector<ProbeRun> runs) {
          asio::post(engine_, [this, runs = std::move(runs)]() mutable { take(std::move(runs)); });
        }));
  }
  const StateSnapshot& before = db_->loaded();
  heartbeats_.restore(before.heartbeats);
  delivery_.set_channels(*config_->notify);
  notifications_.restore(before);
  tell_rules_beyond_memory(*config_);
  rules_.set_groups(config_->groups, rule_context(*config_, clock_, metrics_db_.get()));
  rules_.restore(before.alert_states, config_->broken_rule_files);
  db_->forget_loaded();
  set_targets();

  asio::awaitable<void> rules = rules_.run(), notifications = notifications_.run(), maintenance = maintain(),
                        lag = measure_lag(clock_, lag_);
  tasks_.spawn("rules", std::move(rules));
  tasks_.spawn("notifications", std::move(notifications));
  tasks_.spawn("maintenance", std::move(maintenance));
  tasks_.spawn("loop lag", std::move(lag));
  if (metrics_db_) {
    asio::awaitable<void> flushing = flush_samples();
    tasks_.spawn("samples to disk", std::move(flushing));
  }
  if (const auto interval = service_manager::watchdog_interval()) {
    asio::awaitable<void> watchdog = keep_watchdog_quiet(*interval);
    tasks_.spawn("watchdog", std::move(watchdog));
  }
  ready_ = true;
  service_manager::ready();
  return {};
}

void App::set_targets() {
  std::vector<std::shared_ptr<const PlannedTarget>> all{self_};
  std::vector<std::vector<std::shared_ptr<const PlannedTarget>>> by_shard(shards_.size());
  for (const PlannedTarget& target : config_->targets) {
    auto shared = std::make_shared<const PlannedTarget>(target);
    by_shard[target.labels.hash() % by_shard.size()].push_back(shared);
    all.push_back(std::move(shared));
  }
  ingest_.set_targets(all, clock_.now());
  for (std::size_t i = 0; i < shards_.size(); ++i) shards_[i]->set_targets(std::move(by_shard[i]));
}

void App::take(std::vector<ProbeRun> runs) {
  for (const ProbeRun& run : runs) {
    start_delay_->Observe(run.start_delay_seconds);
    ingest_.apply(run);
  }
}

void App::take(GroupEvaluation evaluation) {
  if (evaluation.seconds) group_seconds_->Observe(*evaluation.seconds);
  for (const double seconds : evaluation.rule_seconds) rule_seconds_->Observe(seconds);
  for (Alert& alert : evaluation.alerts) {
    LabelsBuilder labels(alert.labels);
    for (const auto& [name, value] : config_->external_labels) {
      if (!alert.labels.has(name)) labels.set(name, value);
    }
    alert.labels = labels.labels();
  }
  notifications_.apply(evaluation.alerts, std::move(evaluation.changes));
}

ReloadStatus App::reload() {
  service_manager::reloading(clock_.steady());
  Diagnostics diagnostics;
  std::shared_ptr<const Config> config = load_config(config_->file, diagnostics, config_.get());
  last_reload_.successful = diagnostics.empty() && config->rule_mistakes.empty();
  last_reload_.error = diagnostics.str() + config->rule_mistakes.str();
  if (diagnostics.empty()) {
    if (last_reload_.successful) {
      last_reload_.at = clock_.now();
    } else {
      last_reload_.error += "The rule files named here keep the rules they had; everything else is in force.\n";
      log::error("{}", last_reload_.error);
    }
    use(std::move(config));
    log::info("configuration reloaded: {} targets, {} rule groups", config_->targets.size(), config_->groups.size());
  } else {
    log::error("the configuration has mistakes, the old one stays:\n{}", last_reload_.error);
  }
  service_manager::ready();
  return last_reload_;
}

void App::use(std::shared_ptr<const Config> config) {
  if (config->server.listen != config_->server.listen || config->storage.directory != config_->storage.directory ||
      config->probe_threads != config_->probe_threads) {
    log::warn("server.listen, storage.directory and probe_threads only change with a restart");
  }
  config_ = std::move(config);
  if (metrics_db_) metrics_db_->set_limits(config_->storage.disk);
  log::set_level(EnumNames<LogLevel>::kNames[static_cast<int>(config_->log_level)].name);
  queries_.set_config(config_->query);
  tell_rules_beyond_memory(*config_);
  rules_.set_groups(config_->groups, rule_context(*config_, clock_, metrics_db_.get()));
  notifications_.reload(config_->notify);
  set_targets();
}

asio::awaitable<void> App::stop() {
  service_manager::stopping();
  ready_ = false;
  const Deadline deadline = clock_.steady() + kStopTimeout;
  tasks_.cancel();
  co_await tasks_.join();
  shards_.clear();
  queries_.stop();
  co_await delivery_.stop(deadline);
  co_await server_.stop(deadline);
  db_->flush();
  if (metrics_db_) {
    metrics_db_->flush(store_, 0, clock_.now());
    metrics_db_->wait();
  }
}

asio::awaitable<void> App::flush_samples() {
  for (;;) {
    const Duration interval = config_->storage.flush_interval;
    co_await clock_.sleep_until(clock_.now() + interval);
    const double part = static_cast<double>(interval.count()) / static_cast<double>(kGrowingLap.count());
    metrics_db_->flush(store_, part, clock_.now());
  }
}

asio::awaitable<void> App::maintain() {
  for (TimePoint pruned;;) {
    watch_self();
    store_.maintain(clock_.now());
    heap_.maintain();
    notifications_.maintain();
    if (clock_.now() - pruned >= kPruneInterval) {
      pruned = clock_.now();
      db_->prune(pruned, config_->storage.history, [](Result<void> done) {
        if (!done) log::warn("state.db: old rows could not be removed: {}", done.error().message);
      });
    }
    co_await clock_.sleep_until(clock_.now() + kMaintenanceInterval);
  }
}

asio::awaitable<void> App::keep_watchdog_quiet(Duration interval) {
  for (;;) {
    service_manager::alive();
    co_await clock_.sleep_until(clock_.now() + interval);
  }
}

void App::watch_self() {
  ProbeRun run;
  run.target = self_;
  run.at = clock_.now();
  run.result.success = true;
  run.result.samples = Metrics::samples(metrics_.collect());
  ingest_.apply(run);
}

}  // namespace tocsin
