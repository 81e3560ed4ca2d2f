// /api/v2/alerts and /api/v2/alerts/groups. A POST is answered 200 once its alerts are committed to state.db; when the
// disk refuses, 503 asks the sender to try again, though the alerts count already. Of a batch with mistakes the valid
// alerts count, and 400 says what is wrong with the others.

#include "agent/api/alertmanager/reply.h"
#include "agent/api/api.h"
#include "agent/app.h"

namespace tocsin::amapi {
namespace {

namespace asio = boost::asio;
using nlohmann::json;

constexpr std::size_t kMistakesMax = 20;

/// The text under `key`, "" when it is not there. Error: it is something else.
Result<std::string> text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::string();
  if (!found->is_string()) return fail("{} must be a string", key);
  return found->get<std::string>();
}

Result<std::map<std::string, std::string>> pairs_of(const json& object, const char* key) {
  std::map<std::string, std::string> out;
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return out;
  if (!found->is_object()) return fail("{} must be an object", key);
  for (const auto& [name, value] : found->items()) {
    if (!value.is_string()) return fail("{}.{} must be a string", key, name);
    if (name.empty())
      return fail("invalid {} set: invalid name \"\"", key == std::string_view("labels") ? "label" : "annotation");
    out[name] = value.get<std::string>();
  }
  return out;
}

Result<TimePoint> time_of(const json& object, const char* key) {
  const Result<std::string> text = text_of(object, key);
  if (!text) return tl::make_unexpected(text.error());
  Result<TimePoint> time = read_time(*text);
  if (!time) return fail_in(key, time.error());
  return time;
}

/// A postableAlert.
Result<Alert> read_alert(const json& object) {
  if (!object.is_object()) return fail("an alert must be an object");
  const auto labels = pairs_of(object, "labels");
  if (!labels) return tl::make_unexpected(labels.error());
  const auto annotations = pairs_of(object, "annotations");
  if (!annotations) return tl::make_unexpected(annotations.error());
  const auto starts_at = time_of(object, "startsAt"), ends_at = time_of(object, "endsAt");
  if (!starts_at) return tl::make_unexpected(starts_at.error());
  if (!ends_at) return tl::make_unexpected(ends_at.error());
  const auto url = text_of(object, "generatorURL");
  if (!url) return tl::make_unexpected(url.error());
  Alert alert;
  alert.labels = Labels(*labels);
  alert.annotations = *annotations;
  alert.starts_at = *starts_at;
  alert.ends_at = *ends_at;
  alert.generator_url = *url;
  if (alert.labels.empty()) return fail("at least one label pair required");
  if (alert.ends_at != TimePoint{} && alert.ends_at < alert.starts_at)
    return fail("start time must be before end time");
  return alert;
}

struct Batch {
  std::vector<Alert> alerts;
  std::size_t invalid = 0;
  std::string mistakes;
};

Batch read_batch(const json& body) {
  Batch out;
  for (const json& object : body) {
    Result<Alert> alert = read_alert(object);
    if (alert) {
      out.alerts.push_back(std::move(*alert));
    } else if (++out.invalid <= kMistakesMax) {
      out.mistakes += (out.mistakes.empty() ? "" : "; ") + alert.error().message;
    }
  }
  if (out.invalid > kMistakesMax) out.mistakes += fmt::format("; and {} more", out.invalid - kMistakesMax);
  return out;
}

asio::awaitable<ServerResponse> post_alerts(App& app, ServerRequest request) {
  std::optional<ServerResponse> wrong;
  const json body = read_body(request, "alerts", wrong);
  if (!wrong && !body.is_array()) {
    wrong = malformed(400, 400, "parsing alerts body from \"\" failed, because it is not a list of alerts");
  }
  if (wrong) co_return *wrong;
  const Batch batch = read_batch(body);
  const TimePoint now = app.clock().now();
  PostedAlerts& posted = app.posted_alerts();
  posted.invalid += batch.invalid;
  for (const Alert& alert : batch.alerts) {
    ++(alert.ends_at != TimePoint{} && alert.resolved_at(now) ? posted.resolved : posted.firing);
  }
  std::size_t refused = 0;
  const auto start = [&](std::function<void(Result<void>)> done) {
    refused = app.notifications().post(batch.alerts, std::move(done));
  };
  asio::awaitable<bool> storing = finished(start);
  const bool stored = co_await std::move(storing);
  if (!stored) {
    co_return refusal(503, "the alerts count, but could not be written to disk; send them again");
  }
  if (batch.invalid > 0) co_return refusal(400, batch.mistakes);
  if (refused > 0) {
    co_return refusal(503, fmt::format("{} of {} alerts were not taken: there are too many alerts or groups "
                                       "(alert_limits)",
                                       refused, batch.alerts.size()));
  }
  co_return good();
}

json alert_json(const AlertView& view, const std::vector<std::string>& muted_by) {
  const Alert& alert = view.alert;
  json receivers = json::array();
  for (const std::string& name : view.receivers) receivers.push_back({{"name", name}});
  json out{{"annotations", alert.annotations},
           {"endsAt", time_text(alert.ends_at)},
           {"fingerprint", alert.fingerprint()},
           {"receivers", std::move(receivers)},
           {"startsAt", time_text(alert.starts_at)},
           {"status",
            {{"inhibitedBy", view.inhibited_by},
             {"mutedBy", muted_by},
             {"silencedBy", view.silenced_by},
             {"state", view.state}}},
           {"updatedAt", time_text(alert.updated_at)},
           {"labels", labels_json(alert.labels)}};
  if (!alert.generator_url.empty()) out["generatorURL"] = alert.generator_url;
  return out;
}

bool wanted(const AlertView& view, const Filter& filter) {
  if (!filter.active && view.state == "active") return false;
  if (!filter.unprocessed && view.state == "unprocessed") return false;
  return (filter.silenced || view.silenced_by.empty()) && (filter.inhibited || view.inhibited_by.empty());
}

AlertManager::AlertFilter by_labels(const Filter& filter) {
  return [&filter](const Alert& alert) { return matches(filter.matchers, alert.labels); };
}

ServerResponse get_alerts(const App& app, const ServerRequest& request) {
  std::optional<ServerResponse> wrong;
  const Filter filter = read_filter(request, wrong);
  if (wrong) return *wrong;
  std::vector<std::pair<std::string, json>> found;  // by fingerprint
  for (const AlertView& view : app.notifications().alerts().alerts(app.clock().now(), by_labels(filter))) {
    const auto& receivers = view.receivers;
    const bool heard = std::any_of(receivers.begin(), receivers.end(),
                                   [&](const std::string& name) { return filter.takes_receiver(name); });
    if (heard && wanted(view, filter)) found.emplace_back(view.alert.fingerprint(), alert_json(view, {}));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  json out = json::array();
  for (auto& [fingerprint, alert] : found) out.push_back(std::move(alert));
  return good(out);
}

ServerResponse get_groups(const App& app, const ServerRequest& request) {
  std::optional<ServerResponse> wrong;
  const Filter filter = read_filter(request, wrong);
  if (wrong) return *wrong;
  json out = json::array();
  for (const GroupView& group : app.notifications().alerts().groups(app.clock().now(), by_labels(filter))) {
    if (!filter.takes_receiver(group.receiver) || (!filter.muted && !group.muted_by.empty())) continue;
    json alerts = json::array();
    for (const AlertView& view : group.alerts) {
      if (wanted(view, filter)) alerts.push_back(alert_json(view, group.muted_by));
    }
    if (alerts.empty()) continue;
    out.push_back({{"alerts", std::move(alerts)},
                   {"labels", labels_json(group.labels)},
                   {"receiver", {{"name", group.receiver}}},
                   {"routeLabels", json::object()}});
  }
  return good(out);
}

}  // namespace

void add_alert_routes(HttpServer& server, App& app) {
  server.route("POST", "/api/v2/alerts",
               [&app](ServerRequest request) { return post_alerts(app, std::move(request)); });
  server.route("GET", "/api/v2/alerts",
               plain_handler([&app](const ServerRequest& request) { return get_alerts(app, request); }));
  server.route("GET", "/api/v2/alerts/groups",
               plain_handler([&app](const ServerRequest& request) { return get_groups(app, request); }));
}

}  // namespace tocsin::amapi
