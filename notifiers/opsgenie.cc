// Opsgenie's Alert API. The incident's id is the alias, by which Opsgenie puts copies together and closes what it
// opened.
//
// Contract: docs.opsgenie.com/docs/alert-api. 202 means that the request will be processed; 422 that it never will be.

#include "agent/core/url.h"
#include "notifiers/http_channel.h"
#include "notifiers/message.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

using json = nlohmann::ordered_json;

// Characters.
constexpr std::size_t kMessageMax = 130;
constexpr std::size_t kDescriptionBytes = 14'000;
constexpr std::size_t kNoteMax = 2000;
constexpr std::size_t kDetailMax = 400;
constexpr std::size_t kDetailsMax = 15;
constexpr std::size_t kTagsMax = 20;
constexpr std::size_t kTagMax = 50;

/// Somebody to be told, named in the way that Opsgenie knows them.
struct OpsgenieResponder {
  std::string type = "team";
  std::string id;
  std::string name;
  std::string username;

  void fields(Fields& f) {
    f("type", type, "team, user, escalation or schedule.")
        .check([](const std::string& v) { return v == "team" || v == "user" || v == "escalation" || v == "schedule"; },
               "must be team, user, escalation or schedule");
    f("id", id, "By id,");
    f("name", name, "or by name,");
    f("username", username, "or, a user, by username.");
    if (f.reading() && id.empty() && name.empty() && username.empty()) {
      f.mistake("A responder needs an id, a name or a username.");
    }
  }
  json object() const {
    json out{{"type", type}};
    for (const auto& [key, value] : {std::pair{"id", id}, {"name", name}, {"username", username}}) {
      if (!value.empty()) out[key] = value;
    }
    return out;
  }
};

struct OpsgenieConfig {
  Secret api_key;
  std::string api_url = "https://api.opsgenie.com";
  std::vector<OpsgenieResponder> responders;
  std::vector<std::string> tags;
  std::string entity;
  HttpChannelConfig http;

  void fields(Fields& f) {
    f("api_key", api_key, "The key of an API integration.").required();
    f("api_url", api_url, "Where the API is; https://api.eu.opsgenie.com in the EU.")
        .check([](const std::string& v) { return message::is_link(v); }, "must be an http or https URL");
    f("responders", responders, "Who is told; else whoever the integration belongs to.")
        .check([](const auto& list) { return list.size() <= 50; }, "may have 50 entries");
    f("tags", tags, "Tags of the alert.");
    f("entity", entity, "What is affected. Default: the instance the alerts have in common.");
    http.fields(f);
  }
};

std::string_view priority(const Notification& n) {
  const std::string severity = message::severity(n);
  return severity == "critical" ? "P1" : severity == "error" ? "P2" : severity == "warning" ? "P3" : "P5";
}

json open_alert(const Notification& n, const OpsgenieConfig& config) {
  json details = json::object();
  for (const Label label : n.common_labels) {
    if (details.size() >= kDetailsMax) break;
    details[std::string(label.name)] = message::cut(label.value, kDetailMax);
  }
  json tags = json::array();
  for (const std::string& tag : config.tags) {
    if (tags.size() < kTagsMax) tags.push_back(message::cut(tag, kTagMax));
  }
  json responders = json::array();
  for (const OpsgenieResponder& responder : config.responders) responders.push_back(responder.object());
  const std::string entity = config.entity.empty() ? std::string(n.common_labels.get("instance")) : config.entity;
  json out{{"message", message::cut(message::subject(n), kMessageMax)},
           {"alias", n.incident},
           {"description", message::text(n, kDescriptionBytes)},
           {"details", std::move(details)},
           {"source", "tocsin"},
           {"priority", priority(n)}};
  if (!tags.empty()) out["tags"] = std::move(tags);
  if (!responders.empty()) out["responders"] = std::move(responders);
  if (!entity.empty()) out["entity"] = message::cut(entity, 500);
  return out;
}

class OpsgenieNotifier final : public Notifier {
 public:
  OpsgenieNotifier(OpsgenieConfig config, NotifierServices& services)
      : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext&,
                                          Deadline deadline) override {
    const Result<std::string> key = config_.api_key.reveal();
    if (!key) co_return SendResult::transient(safe_detail(key.error().message, {}));
    VendorCall call{
        .url = config_.api_url + "/v2/alerts", .headers = {{"Authorization", "GenieKey " + *key}}, .secrets = {*key}};
    if (notification.resolved()) {
      call.url += "/" + percent_encode(notification.incident) + "/close?identifierType=alias";
      call.body = dump({{"source", "tocsin"}, {"note", message::cut(message::text(notification, kNoteMax), kNoteMax)}});
    } else {
      call.body = dump(open_alert(notification, config_));
    }
    VendorAnswer answer = co_await call_vendor(services_, config_.http, std::move(call), deadline);
    // What is closed already needs no closing.
    if (notification.resolved() && answer.status == 404) co_return SendResult::ok(notification.incident);
    if (answer.result.kind == SendResult::Kind::kOk) answer.result.provider_ref = notification.incident;
    co_return std::move(answer.result);
  }

 private:
  OpsgenieConfig config_;
  NotifierServices& services_;
};

NotifierFactory read(Fields& fields) {
  OpsgenieConfig config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<OpsgenieNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kOpsgenieNotifier{"opsgenie", "Opens and closes alerts through Opsgenie's Alert API.",
                                               true, read};

}  // namespace tocsin
