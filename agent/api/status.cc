// What the page shows, as JSON: targets with their newest runs, alerts, rules, channels and the newest messages.

#include <nlohmann/json.hpp>

#include "agent/api/api.h"
#include "agent/app.h"

namespace tocsin {
namespace {

using nlohmann::json;

json to_json(const Labels& labels) {
  json out = json::object();
  for (const Label label : labels) out[std::string(label.name)] = label.value;
  return out;
}

json time_or_null(TimePoint t) {
  return t == TimePoint() ? json() : json(format_rfc3339(t));
}

json target_json(const TargetStatus& status) {
  json history = json::array();
  for (const RunPoint& run : status.history) {
    history.push_back({run.at.time_since_epoch().count(), run.seconds, run.success ? 1 : 0});
  }
  return {{"type", status.target->type->name},
          {"labels", to_json(status.target->labels)},
          {"state", !status.seen     ? "unknown"
                    : status.success ? "up"
                                     : "down"},
          {"cause", status.cause},
          {"detail", status.detail},
          {"interval_seconds", to_seconds(status.target->interval)},
          {"last_run", time_or_null(status.last_run)},
          {"last_seconds", status.last_seconds},
          {"last_failure", time_or_null(status.last_failure)},
          {"last_failure_cause", status.last_failure_cause},
          {"last_failure_detail", status.last_failure_detail},
          {"runs", status.runs_total},
          {"failures", status.failures_total},
          {"missed", status.missed_total},
          {"refused_samples", status.refused_samples_total},
          {"history", std::move(history)}};
}

json targets_json(const App& app) {
  json out = json::array();
  for (const TargetStatus* status : app.ingest().status()) {
    if (status->target->type->read != nullptr) out.push_back(target_json(*status));
  }
  return out;
}

json alerts_json(const App& app) {
  json out = json::array();
  for (const RuleLoop::Entry& entry : app.rules().groups()) {
    for (const RuleStatus& rule : entry.group.status()) {
      for (const ActiveAlert& alert : rule.alerts) {
        if (alert.state == AlertState::kInactive) continue;
        out.push_back({{"labels", to_json(alert.labels)},
                       {"annotations", alert.annotations},
                       {"state", to_string(alert.state)},
                       {"active_at", time_or_null(alert.active_at)},
                       {"value", format_value(alert.value)}});
      }
    }
  }
  return out;
}

json rules_json(const App& app) {
  json out = json::array();
  for (const RuleLoop::Entry& entry : app.rules().groups()) {
    std::size_t failing = 0;
    std::string error;
    for (const RuleStatus& rule : entry.group.status()) {
      if (rule.health != RuleHealth::kError) continue;
      ++failing;
      error = rule.config.name() + ": " + rule.last_error;
    }
    out.push_back({{"group", entry.group.config().name},
                   {"file", entry.group.config().file},
                   {"rules", entry.group.config().rules.size()},
                   {"failing", failing},
                   {"error", error},
                   {"last_evaluation", time_or_null(entry.group.stats().group_last_evaluation)},
                   {"last_seconds", entry.group.stats().group_last_duration_seconds}});
  }
  return out;
}

json storage_json(const App& app) {
  const SeriesStoreStats& memory = app.store().stats();
  json out{{"series", memory.series},
           {"series_max", app.config().storage.limits.series_max},
           {"series_refused", memory.series_refused_total},
           {"samples", memory.samples},
           {"memory_bytes", memory.bytes}};
  if (const MetricsDb* db = app.metrics_db()) {
    const MetricsDb::Stats disk = db->stats();
    out["disk"] = {{"bytes", disk.bytes},
                   {"oldest", time_or_null(disk.oldest)},
                   {"failing", disk.failing},
                   {"error", disk.failing ? disk.error : ""}};
  }
  return out;
}

json channels_json(const App& app) {
  json out = json::array();
  for (const ChannelStatus& channel : app.delivery().status()) {
    out.push_back({{"channel", channel.channel},
                   {"waiting", channel.waiting},
                   {"in_flight", channel.in_flight},
                   {"delivered", channel.delivered_total},
                   {"dead", channel.dead_total},
                   {"last_success", time_or_null(channel.last_success)},
                   {"last_error", channel.last_error},
                   {"last_error_at", time_or_null(channel.last_error_at)}});
  }
  return out;
}

}  // namespace

void add_status_routes(HttpServer& server, App& app) {
  server.route("GET", "/api/tocsin/v1/status", plain_handler([&app](const ServerRequest&) {
                 const json status{{"version", TOCSIN_VERSION},
                                   {"now", format_rfc3339(app.clock().now())},
                                   {"started_at", format_rfc3339(app.started_at())},
                                   {"config", app.config().file},
                                   {"reload_successful", app.last_reload().successful},
                                   {"reload_error", app.last_reload().error},
                                   {"targets", targets_json(app)},
                                   {"alerts", alerts_json(app)},
                                   {"rules", rules_json(app)},
                                   {"channels", channels_json(app)},
                                   {"storage", storage_json(app)}};
                 // Text from targets need not be UTF-8.
                 ServerResponse response =
                     ServerResponse::json(200, status.dump(-1, ' ', false, json::error_handler_t::replace));
                 response.headers.emplace_back("Cache-Control", "no-store");
                 return response;
               }));
}

}  // namespace tocsin
