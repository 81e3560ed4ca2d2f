// What the boxes count, under the names of /metrics. Rule metrics have Prometheus' names, so that its dashboards and
// mixins work.

#include "agent/app.h"

namespace tocsin {
namespace {

void collect_store(MetricSink& sink, const SeriesStoreStats& s) {
  sink.gauge("tocsin_store_series", "Series in memory.", {}, static_cast<double>(s.series));
  sink.gauge("tocsin_store_chunks", "Chunks of compressed samples in memory.", {}, static_cast<double>(s.chunks));
  sink.gauge("tocsin_store_samples", "Samples in memory.", {}, static_cast<double>(s.samples));
  sink.gauge("tocsin_store_bytes", "Memory taken by series and samples.", {}, static_cast<double>(s.bytes));
  sink.counter("tocsin_store_samples_appended_total", "Samples taken in.", {}, static_cast<double>(s.appended_total));
  const char* dropped = "Samples not taken in, by reason.";
  const auto drop = [&](std::string_view reason, std::uint64_t n) {
    sink.counter("tocsin_store_samples_dropped_total", dropped, {{"reason", reason}}, static_cast<double>(n));
  };
  drop("duplicate", s.duplicate_total);
  drop("conflict", s.conflict_total);
  drop("out_of_order", s.out_of_order_total);
  drop("too_far_future", s.too_far_future_total);
  sink.counter("tocsin_store_series_created_total", "Series made.", {}, static_cast<double>(s.series_created_total));
  sink.counter("tocsin_store_series_removed_total", "Series forgotten.", {},
               static_cast<double>(s.series_removed_total));
  sink.counter("tocsin_store_series_refused_total", "Series refused because storage.series_max is reached.", {},
               static_cast<double>(s.series_refused_total));
}

void collect_disk(MetricSink& sink, const MetricsDb::Stats& s) {
  sink.gauge("tocsin_storage_bytes", "Bytes in use in metrics.db.", {}, static_cast<double>(s.bytes));
  sink.gauge("tocsin_storage_oldest_timestamp_seconds",
             "Since when metrics.db has samples; 0: it has no full chunk yet.", {}, to_seconds(s.oldest));
  sink.counter("tocsin_storage_transactions_total", "Transactions committed to metrics.db.", {},
               static_cast<double>(s.transactions_total));
  sink.counter("tocsin_storage_errors_total", "Transactions that could not be committed.", {},
               static_cast<double>(s.errors_total));
  sink.counter("tocsin_storage_samples_written_total", "Samples written to metrics.db.", {},
               static_cast<double>(s.samples_written_total));
  sink.counter("tocsin_storage_batches_skipped_total",
               "Batches of samples that were not written in time, because the disk was full, damaged or too slow.", {},
               static_cast<double>(s.batches_skipped_total));
  sink.gauge("tocsin_storage_queued_bytes", "Bytes that wait to be written.", {}, static_cast<double>(s.queued_bytes));
  sink.gauge("tocsin_storage_failing", "1 while metrics.db cannot be written.", {}, s.failing ? 1 : 0);
}

void collect_remote_write(MetricSink& sink, const RemoteWriteReceiver::Stats& s) {
  const auto counter = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    sink.counter(name, help, {}, static_cast<double>(value));
  };
  counter("tocsin_remote_write_requests_total", "Remote write requests that were read.", s.requests_total);
  counter("tocsin_remote_write_requests_refused_total",
          "Remote write requests refused as a whole: not snappy, another message, too large.", s.refused_total);
  counter("tocsin_remote_write_samples_total", "Samples taken in by remote write.", s.samples_total);
  for (std::size_t i = 0; i < s.rejected_total.size(); ++i) {
    sink.counter("tocsin_remote_write_samples_rejected_total", "Samples of remote write not taken in, by reason.",
                 {{"reason", RemoteWriteReceiver::kReasonNames[i]}}, static_cast<double>(s.rejected_total[i]));
  }
  counter("tocsin_remote_write_histograms_skipped_total", "Samples of native histograms, which are not kept.",
          s.histograms_total);
  counter("tocsin_remote_write_exemplars_skipped_total", "Exemplars, which are not kept.", s.exemplars_total);
}

void collect_targets(MetricSink& sink, const Ingest& ingest) {
  struct Sum {
    double targets = 0, runs = 0, failures = 0, missed = 0, refused = 0, histograms = 0;
  };
  std::map<std::string_view, Sum> by_type;
  for (const TargetStatus* status : ingest.status()) {
    if (status->target->type->read == nullptr) continue;  // ourselves
    Sum& sum = by_type[status->target->type->name];
    sum.targets += 1;
    sum.runs += static_cast<double>(status->runs_total);
    sum.failures += static_cast<double>(status->failures_total);
    sum.missed += static_cast<double>(status->missed_total);
    sum.refused += static_cast<double>(status->refused_samples_total);
    sum.histograms += static_cast<double>(status->histograms_total);
  }
  for (const auto& [type, sum] : by_type) {
    sink.gauge("tocsin_targets", "Targets, by type of probe.", {{"type", type}}, sum.targets);
    sink.counter("tocsin_probe_runs_total", "Runs of probes.", {{"type", type}}, sum.runs);
    sink.counter("tocsin_probe_failures_total", "Runs that found a target down.", {{"type", type}}, sum.failures);
    sink.counter("tocsin_probe_missed_slots_total", "Runs that were left out because the one before still ran.",
                 {{"type", type}}, sum.missed);
    sink.counter("tocsin_probe_samples_refused_total", "Samples of probes that the store did not take.",
                 {{"type", type}}, sum.refused);
    sink.counter("tocsin_probe_histograms_skipped_total", "Native histograms of probes, which are not kept.",
                 {{"type", type}}, sum.histograms);
  }
  for (const char* limit : {"sample_limit", "label_limit", "body_size"}) {
    const auto hit = ingest.limits_hit().find(limit);
    const std::uint64_t count = hit == ingest.limits_hit().end() ? 0 : hit->second;
    sink.counter("tocsin_probe_limit_hits_total", "Runs that failed because a target was over a limit of its own.",
                 {{"limit", limit}}, static_cast<double>(count));
  }
}

void collect_rules(MetricSink& sink, const RuleLoop& rules) {
  std::map<AlertState, std::size_t> alerts{{AlertState::kPending, 0}, {AlertState::kFiring, 0}};
  for (const RuleLoop::Entry& entry : rules.groups()) {
    const std::string key = entry.group.key();
    const std::initializer_list<Label> group{{"rule_group", key}};
    const RuleGroupStats c = entry.group.stats();
    sink.counter("prometheus_rule_group_iterations_total", "Evaluations of the group, missed ones too.", group,
                 static_cast<double>(c.group_iterations_total));
    sink.counter("prometheus_rule_group_iterations_missed_total", "Evaluations missed because of slow ones.", group,
                 static_cast<double>(c.group_iterations_missed_total));
    sink.counter("prometheus_rule_evaluations_total", "Evaluations of rules.", group,
                 static_cast<double>(c.evaluations_total));
    sink.counter("prometheus_rule_evaluation_failures_total", "Evaluations of rules that failed.", group,
                 static_cast<double>(c.evaluation_failures_total));
    sink.gauge("prometheus_rule_group_interval_seconds", "The group's interval.", group,
               to_seconds(entry.group.interval()));
    sink.gauge("prometheus_rule_group_last_evaluation_timestamp_seconds", "When the group was evaluated last.", group,
               to_seconds(c.group_last_evaluation));
    sink.gauge("prometheus_rule_group_last_duration_seconds", "How long that took.", group,
               c.group_last_duration_seconds);
    sink.gauge("prometheus_rule_group_last_rule_duration_sum_seconds", "The sum of what its rules took.", group,
               c.group_last_rule_duration_sum_seconds);
    sink.gauge("prometheus_rule_group_last_restore_duration_seconds", "How long it took to restore its alerts.", group,
               c.group_last_restore_duration_seconds);
    sink.gauge("prometheus_rule_group_last_evaluation_samples", "How many samples it gave.", group,
               static_cast<double>(c.group_last_evaluation_samples));
    sink.gauge("prometheus_rule_group_rules", "Rules in the group.", group,
               static_cast<double>(entry.group.config().rules.size()));
    for (const RuleStatus& rule : entry.group.status()) {
      for (const ActiveAlert& alert : rule.alerts) ++alerts[alert.state];
      for (const std::string& selector : rule.never_matched) {
        sink.gauge("tocsin_rule_selector_never_matched",
                   "Selectors of rules that have matched no series since the start.",
                   {{"rule_group", key}, {"rule", rule.config.name()}, {"selector", selector}}, 1);
      }
    }
  }
  for (const auto& [state, count] : alerts) {
    if (state == AlertState::kInactive) continue;
    sink.gauge("tocsin_rule_alerts", "Alerts of our rules, by state.", {{"state", to_string(state)}},
               static_cast<double>(count));
  }
}

void collect_delivery(MetricSink& sink, const Delivery& delivery) {
  for (const ChannelStatus& c : delivery.status()) {
    const std::initializer_list<Label> channel{{"channel", c.channel}};
    sink.gauge("tocsin_notifications_waiting", "Messages that wait to be sent, by channel.", channel,
               static_cast<double>(c.waiting));
    sink.gauge("tocsin_notifications_in_flight", "Messages being sent.", channel, static_cast<double>(c.in_flight));
    sink.counter("tocsin_notification_attempts_total", "Attempts to send a message.", channel,
                 static_cast<double>(c.attempts_total));
    sink.counter("tocsin_notifications_delivered_total", "Messages that the channel took.", channel,
                 static_cast<double>(c.delivered_total));
    for (const auto& [reason, count] : c.failed_total) {
      sink.counter("tocsin_notification_failures_total", "Attempts that failed, by reason.",
                   {{"channel", c.channel}, {"reason", reason}}, static_cast<double>(count));
    }
    sink.counter("tocsin_notification_dead_letters_total", "Messages given up for good.", channel,
                 static_cast<double>(c.dead_total));
    sink.gauge("tocsin_notification_last_success_timestamp_seconds", "When the channel took a message last.", channel,
               to_seconds(c.last_success));
    sink.gauge("tocsin_notification_last_latency_seconds", "From the decision to send to the channel's answer.",
               channel, c.last_latency_seconds);
  }
}

/// Under Alertmanager's names, so that its mixin works.
void collect_alert_manager(MetricSink& sink, const NotifyLoop& notifications, const PostedAlerts& posted,
                           TimePoint now) {
  const AlertManager& manager = notifications.alerts();
  const AlertManagerStats stats = manager.stats(now);
  for (const auto& [state, count] : stats.alerts) {
    sink.gauge("tocsin_alerts", "Alerts known to the alert manager, by state.", {{"state", state}},
               static_cast<double>(count));
    sink.gauge("alertmanager_alerts", "How many alerts by state.", {{"state", state}}, static_cast<double>(count));
  }
  const auto received = [&](std::string_view status, std::uint64_t n) {
    sink.counter("alertmanager_alerts_received_total", "Alerts that were posted.",
                 {{"status", status}, {"version", "v2"}}, static_cast<double>(n));
  };
  received("firing", posted.firing);
  received("resolved", posted.resolved);
  sink.counter("alertmanager_alerts_invalid_total", "Posted alerts that were invalid.", {{"version", "v2"}},
               static_cast<double>(posted.invalid));
  sink.counter("alertmanager_alerts_limited_total", "Alerts not taken because there are too many, or too many groups.",
               {}, static_cast<double>(stats.limited_total));
  sink.gauge("alertmanager_dispatcher_aggregation_groups", "Groups of alerts.", {}, static_cast<double>(stats.groups));
  for (const std::string_view reason : {"silence", "inhibition", "mute_time_interval", "active_time_interval"}) {
    const auto found = stats.suppressed_total.find(std::string(reason));
    sink.counter("alertmanager_notifications_suppressed_total", "Alerts that a flush did not tell of, by reason.",
                 {{"reason", reason}}, found == stats.suppressed_total.end() ? 0 : static_cast<double>(found->second));
  }
  for (const auto& [state, count] : manager.silences().count(now)) {
    sink.gauge("alertmanager_silences", "Silences, by state.", {{"state", to_string(state)}},
               static_cast<double>(count));
  }
  const NotifyConfig& config = manager.config();
  sink.gauge("alertmanager_inhibition_rules", "Inhibition rules.", {},
             static_cast<double>(config.inhibit_rules.size()));
  sink.gauge("alertmanager_receivers", "Receivers.", {}, static_cast<double>(config.receivers.size()));
  std::map<std::string_view, double> integrations;
  for (const auto& [name, receiver] : config.receivers) {
    for (const ChannelConfig& channel : receiver.channels) ++integrations[channel.type->name];
  }
  double all = 0;
  for (const auto& [type, count] : integrations) all += count;
  sink.gauge("alertmanager_integrations", "Channels of all receivers.", {}, all);
}

/// Alertmanager's counts of notifications: by kind of channel.
void collect_integrations(MetricSink& sink, const Delivery& delivery) {
  struct Sum {
    double sent = 0, requests = 0, failed_requests = 0;
    std::map<std::string, double> failed;
  };
  std::map<std::string, Sum> by_type;
  for (const ChannelStatus& c : delivery.status()) {
    const std::size_t slash = c.channel.rfind('/');  // receiver/type/place
    if (slash == std::string::npos || slash == 0) continue;
    const std::size_t begin = c.channel.rfind('/', slash - 1) + 1;
    Sum& sum = by_type[c.channel.substr(begin, slash - begin)];
    sum.sent += static_cast<double>(c.delivered_total + c.dead_total);
    sum.requests += static_cast<double>(c.attempts_total);
    for (const auto& [reason, count] : c.failed_total) sum.failed_requests += static_cast<double>(count);
    sum.failed["other"] += static_cast<double>(c.dead_total);
  }
  for (const auto& [type, sum] : by_type) {
    sink.counter("alertmanager_notifications_total", "Notifications that came to an end, good or bad.",
                 {{"integration", type}}, sum.sent);
    sink.counter("alertmanager_notification_requests_total", "Attempts to send one.", {{"integration", type}},
                 sum.requests);
    sink.counter("alertmanager_notification_requests_failed_total", "Attempts that failed.", {{"integration", type}},
                 sum.failed_requests);
    for (const auto& [reason, count] : sum.failed) {
      sink.counter("alertmanager_notifications_failed_total", "Notifications given up for good.",
                   {{"integration", type}, {"reason", reason}}, count);
    }
  }
}

void collect_queries(MetricSink& sink, const QueryRunner& queries) {
  const QueryRunner::Stats s = queries.stats();
  sink.gauge("prometheus_engine_queries", "Queries that run or wait.", {}, static_cast<double>(s.running + s.waiting));
  sink.gauge("prometheus_engine_queries_concurrent_max", "Queries that may run at a time.", {},
             queries.config().concurrency_max);
  sink.counter("tocsin_queries_total", "Queries from outside that were begun.", {}, static_cast<double>(s.run_total));
  const char* ended = "Queries from outside that got no answer, by reason.";
  const auto unanswered = [&](std::string_view reason, std::uint64_t n) {
    sink.counter("tocsin_queries_unanswered_total", ended, {{"reason", reason}}, static_cast<double>(n));
  };
  unanswered("refused", s.refused_total);
  unanswered("timeout", s.timed_out_total);
  unanswered("canceled", s.cancelled_total);
  sink.counter("tocsin_query_slices_total", "Times the engine stood still for a slice of a query.", {},
               static_cast<double>(s.slices_total));
  sink.gauge("tocsin_query_slice_seconds_max", "The longest that it ever stood still for one.", {},
             s.slice_seconds_max);
}

}  // namespace

std::map<std::string, MetricInfo> App::metric_infos() const {
  constexpr const char* kTypes[] = {"counter", "gauge", "summary", "untyped", "histogram", "gauge"};
  std::map<std::string, MetricInfo> out(ingest_.families().begin(), ingest_.families().end());
  for (const prometheus::MetricFamily& family : metrics_.collect()) {
    out.try_emplace(family.name, MetricInfo{family.name, kTypes[static_cast<int>(family.type)], family.help});
  }
  return out;
}

void App::observe_query(double queue, double prepare, double evaluate, std::uint64_t samples) {
  static const prometheus::Summary::Quantiles kQuantiles{{0.5, 0.05}, {0.9, 0.01}, {0.99, 0.001}};
  const auto observe = [this](const char* slice, double seconds) {
    query_seconds_->Add({{"slice", slice}}, kQuantiles).Observe(seconds);
  };
  observe("queue_time", queue);
  observe("prepare_time", prepare);
  observe("inner_eval", evaluate);
  query_samples_->Increment(static_cast<double>(samples));
}

void App::collect(MetricSink& sink) const {
  sink.gauge("tocsin_build_info", "The version that runs.", {{"version", TOCSIN_VERSION}}, 1);
  sink.gauge("tocsin_config_last_reload_successful", "Whether the last configuration that was given could be used.", {},
             last_reload_.successful ? 1 : 0);
  sink.gauge("tocsin_config_last_reload_success_timestamp_seconds", "When the configuration in use was taken.", {},
             to_seconds(last_reload_.at));
  sink.gauge("tocsin_rule_files_broken", "Rule files with mistakes, which keep the rules they had before.", {},
             static_cast<double>(config_->broken_rule_files.size()));
  sink.gauge("alertmanager_build_info", "The Alertmanager whose API this is.", {{"version", "0.28.0"}}, 1);
  sink.gauge("alertmanager_config_last_reload_successful", "As tocsin_config_last_reload_successful.", {},
             last_reload_.successful ? 1 : 0);
  sink.gauge("alertmanager_config_last_reload_success_timestamp_seconds",
             "As tocsin_config_last_reload_success_timestamp_seconds.", {}, to_seconds(last_reload_.at));
  collect_targets(sink, ingest_);
  collect_store(sink, store_.stats());
  if (config_->remote_write_receiver.enabled) collect_remote_write(sink, remote_write_.stats());
  if (metrics_db_) collect_disk(sink, metrics_db_->stats());
  collect_rules(sink, rules_);
  collect_queries(sink, queries_);
  collect_alert_manager(sink, notifications_, posted_alerts_, clock_.now());
  collect_integrations(sink, delivery_);
  collect_delivery(sink, delivery_);
  const StateDb::Stats db = db_->stats();
  sink.counter("tocsin_state_db_transactions_total", "Transactions committed to state.db.", {},
               static_cast<double>(db.transactions_total));
  sink.counter("tocsin_state_db_errors_total", "Transactions that could not be committed.", {},
               static_cast<double>(db.errors_total));
  sink.gauge("tocsin_state_db_queued", "Changes that wait to be committed.", {}, static_cast<double>(db.queued));
  sink.gauge("tocsin_loop_lag_seconds", "How late an event loop's timer was.", {{"loop", "engine"}}, lag_.load());
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const std::string name = fmt::format("probes-{}", i);
    sink.gauge("tocsin_loop_lag_seconds", "How late an event loop's timer was.", {{"loop", name}},
               shards_[i]->lag_seconds());
  }
  const HttpServer::Stats& http = server_.stats();
  sink.counter("tocsin_http_requests_total", "Requests answered.", {}, static_cast<double>(http.requests_total));
  sink.counter("tocsin_http_connections_refused_total", "Connections refused by a limit.", {},
               static_cast<double>(http.refused_total));
  sink.gauge("tocsin_http_connections", "Connections open.", {}, static_cast<double>(http.connections));
  collect_process_metrics(sink, "/proc");
}

}  // namespace tocsin
