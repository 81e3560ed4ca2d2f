// What `tocsin why` asks: everything that is known of one alert, right now. The rules that raise it with their last
// evaluations, what each of their selectors finds, the alerts with what holds them back, and who was told.

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include "agent/api/api.h"
#include "agent/app.h"
#include "notifiers/notification.h"
#include "rules/promql/ast.h"
#include "rules/selector_watch.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using nlohmann::json;

constexpr std::size_t kAlertsMax = 100;
constexpr std::size_t kMessagesLookedAt = 1000;
constexpr std::size_t kMessagesMax = 50;

json to_json(const Labels& labels) {
  json out = json::object();
  for (const Label label : labels) out[std::string(label.name)] = label.value;
  return out;
}

json time_or_null(const std::optional<TimePoint>& t) {
  return !t || *t == TimePoint() ? json() : json(format_rfc3339(*t));
}

/// The labels that are asked for; a mistake when one is no NAME=VALUE.
Result<Labels> wanted_labels(const ServerRequest& request) {
  LabelsBuilder out;
  out.set("alertname", request.param("alert"));
  for (const std::string_view label : request.params("label")) {
    const std::size_t equal = label.find('=');
    if (equal == std::string_view::npos) return fail("a label is NAME=VALUE, and {} is none", quoted(label));
    out.set(label.substr(0, equal), label.substr(equal + 1));
  }
  return out.labels();
}

bool is_subset(const Labels& wanted, const Labels& labels) {
  for (const Label label : wanted) {
    if (labels.get(label.name) != label.value) return false;
  }
  return true;
}

json alert_json(const ActiveAlert& alert, const std::vector<AlertView>& known) {
  json out{{"labels", to_json(alert.labels)},
           {"annotations", alert.annotations},
           {"state", to_string(alert.state)},
           {"value", format_value(alert.value)},
           {"active_at", format_rfc3339(alert.active_at)},
           {"fired_at", time_or_null(alert.fired_at)},
           {"kept_firing_since", time_or_null(alert.keep_firing_since)},
           {"data_missing_since", time_or_null(alert.missing_since)},
           {"last_sent_at", time_or_null(alert.last_sent_at)},
           {"waits_for", alert.suppressed_by},
           {"routing", ""},
           {"receivers", json::array()}};
  // The alert manager knows it with the external labels too.
  const auto view = std::find_if(known.begin(), known.end(),
                                 [&](const AlertView& v) { return is_subset(alert.labels, v.alert.labels); });
  if (view != known.end()) {
    out["routing"] = view->state;
    out["receivers"] = view->receivers;
  }
  return out;
}

json evaluation_json(const RuleEvaluation& evaluation) {
  json changes = json::array();
  for (const AlertChange& change : evaluation.changes) {
    changes.push_back(
        {{"labels", to_json(change.labels)}, {"from", to_string(change.from)}, {"to", to_string(change.to)}});
  }
  return {{"at", format_rfc3339(evaluation.at)},
          {"seconds", evaluation.seconds},
          {"series_matched", evaluation.series_matched},
          {"samples_read", evaluation.samples_read},
          {"samples", evaluation.samples},
          {"pending", evaluation.pending},
          {"firing", evaluation.firing},
          {"error", evaluation.error},
          {"changes", std::move(changes)}};
}

/// What the selectors of an expression find now, within the time that an instant query looks back.
json selectors_json(const App& app, const RuleStatus& rule) {
  json out = json::array();
  const auto expr = promql::parse(rule.config.expr);
  if (!expr) return out;
  const TimePoint now = app.clock().now();
  for_each_selector(**expr, [&](const promql::VectorSelector& selector) {
    const std::string text = to_string(selector);
    const bool never =
        std::find(rule.never_matched.begin(), rule.never_matched.end(), text) != rule.never_matched.end();
    out.push_back({{"selector", text},
                   {"series", app.store().match(selector.matchers, now - kDefaultLookback, now).size()},
                   {"never_matched", never}});
  });
  return out;
}

json rule_json(const App& app, const RuleGroup& group, std::size_t place, const RuleStatus& rule) {
  json evaluations = json::array();
  for (const RuleEvaluation& evaluation : group.evaluations(place)) evaluations.push_back(evaluation_json(evaluation));
  const ForEvaluations& of = rule.config.for_evaluations;
  return {{"group", group.config().name},
          {"file", group.config().file},
          {"name", rule.config.name()},
          {"type", rule.config.alert.empty() ? "recording" : "alerting"},
          {"line", rule.config.at.line},
          {"expr", rule.config.expr},
          {"for", of.of > 0 ? fmt::format("{} of {}", of.hits, of.of) : format_duration(rule.config.for_)},
          {"keep_firing_for", format_duration(rule.config.keep_firing_for)},
          {"interval", format_duration(group.interval())},
          {"health", to_string(rule.health)},
          {"error", rule.last_error},
          {"last_evaluation", time_or_null(rule.last_evaluation)},
          {"selectors", selectors_json(app, rule)},
          {"evaluations", std::move(evaluations)}};
}

json rules_json(const App& app, const Labels& wanted) {
  json out = json::array();
  const std::vector<AlertView> known = app.notifications().alerts().alerts(app.clock().now());
  for (const RuleLoop::Entry& entry : app.rules().groups()) {
    const std::vector<RuleStatus> rules = entry.group.status();
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (rules[i].config.alert != wanted.get("alertname")) continue;
      json alerts = json::array();
      std::size_t more = 0;
      for (const ActiveAlert& alert : rules[i].alerts) {
        if (!is_subset(wanted, alert.labels)) continue;
        if (alerts.size() >= kAlertsMax) {
          ++more;
        } else {
          alerts.push_back(alert_json(alert, known));
        }
      }
      json rule = rule_json(app, entry.group, i, rules[i]);
      rule["alerts"] = std::move(alerts);
      rule["alerts_left_out"] = more;
      out.push_back(std::move(rule));
    }
  }
  return out;
}

/// The messages that spoke of such an alert, the newest first.
json told_json(const std::vector<OutboxRow>& rows, const Labels& wanted) {
  json out = json::array();
  for (const OutboxRow& row : rows) {
    const auto notification = notification_from_json(row.notification);
    if (!notification || out.size() >= kMessagesMax) continue;
    const auto alert = std::find_if(notification->alerts.begin(), notification->alerts.end(),
                                    [&](const NotifiedAlert& a) { return is_subset(wanted, a.labels); });
    if (alert == notification->alerts.end()) continue;
    out.push_back({{"at", format_rfc3339(row.created_at)},
                   {"channel", row.channel},
                   {"labels", to_json(alert->labels)},
                   {"said", alert->resolved ? "resolved" : "firing"},
                   {"state", row.state},
                   {"attempts", row.attempts},
                   {"finished_at", time_or_null(row.finished_at)},
                   {"error", row.last_error}});
  }
  return out;
}

asio::awaitable<Result<std::vector<OutboxRow>>> recent_messages(App& app) {
  const auto start = [&app](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    app.state_db().recent_outbox(kMessagesLookedAt, [shared](Result<std::vector<OutboxRow>> rows) {
      std::move (*shared)(std::make_shared<Result<std::vector<OutboxRow>>>(std::move(rows)));
    });
  };
  using Rows = std::shared_ptr<Result<std::vector<OutboxRow>>>;
  const Rows rows =
      co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Rows)>(start, asio::use_awaitable);
  co_return std::move(*rows);
}

ServerResponse answer(const json& body) {
  // Text from targets need not be UTF-8.
  ServerResponse response = ServerResponse::json(200, body.dump(-1, ' ', false, json::error_handler_t::replace));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

asio::awaitable<ServerResponse> why(App& app, ServerRequest request) {
  const Result<Labels> wanted = wanted_labels(request);
  if (!wanted) co_return ServerResponse::error(400, "bad_data", wanted.error().message);
  json rules = rules_json(app, *wanted);
  if (rules.empty()) {
    co_return ServerResponse::error(404, "not_found",
                                    fmt::format("no rule raises {}", quoted(wanted->get("alertname"))));
  }
  const Result<std::vector<OutboxRow>> messages = co_await recent_messages(app);
  const json body{{"now", format_rfc3339(app.clock().now())},
                  {"rules", std::move(rules)},
                  {"told", messages ? told_json(*messages, *wanted) : json::array()}};
  co_return answer(body);
}

json all_rules(const App& app) {
  json out = json::array();
  for (const RuleLoop::Entry& entry : app.rules().groups()) {
    const std::vector<RuleStatus> rules = entry.group.status();
    for (std::size_t i = 0; i < rules.size(); ++i) out.push_back(rule_json(app, entry.group, i, rules[i]));
  }
  return {{"now", format_rfc3339(app.clock().now())}, {"rules", std::move(out)}};
}

}  // namespace

void add_why_routes(HttpServer& server, App& app) {
  server.route("GET", "/api/tocsin/v1/why", [&app](ServerRequest request) { return why(app, std::move(request)); });
  server.route("GET", "/api/tocsin/v1/rules",
               plain_handler([&app](const ServerRequest&) { return answer(all_rules(app)); }));
}

}  // namespace tocsin
