// Alertmanager's generic webhook, version 4: the body is what Alertmanager sends, key for key, so that everything that
// was written for it works. The receiver's name is written as a quoted regular expression, as there. What Alertmanager
// lacks comes as headers: a key that is the same on every attempt, so that a receiver can tell a repeated copy.

#include <nlohmann/json.hpp>

#include "notifiers/alert_order.h"
#include "notifiers/http_result.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

using json = nlohmann::ordered_json;

struct WebhookConfig {
  Secret url;
  std::uint64_t max_alerts = 0;
  std::string username;
  Secret password;
  Secret bearer_token;
  std::string proxy_url;
  TlsConfig tls;

  void fields(Fields& f) {
    f("url", url, "Where to POST to. May hold a token, so it is kept secret.").required();
    f("max_alerts", max_alerts, "At most so many alerts per message, the firing ones first; 0: all.");
    f("username", username, "User of HTTP basic authentication.");
    f("password", password, "Password of HTTP basic authentication.");
    f("bearer_token", bearer_token, "Sent as `Authorization: Bearer …`.");
    f("proxy_url", proxy_url, "Go through this HTTP proxy.");
    f("tls", tls, "TLS, with the keys of Prometheus' tls_config.");
    if (!username.empty() && !bearer_token.empty()) {
      f.mistake_at("bearer_token", "Give a username or a bearer_token, not both.");
    }
  }
};

json object(const Labels& labels) {
  json out = json::object();
  for (const Label l : labels) out[std::string(l.name)] = std::string(l.value);
  return out;
}

json object(const Annotations& annotations) {
  json out = json::object();
  for (const auto& [name, value] : annotations) out[name] = value;
  return out;
}

// Go's regexp.QuoteMeta.
std::string quote_meta(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

json alert_json(const NotifiedAlert& a) {
  return {{"status", a.resolved ? "resolved" : "firing"},
          {"labels", object(a.labels)},
          {"annotations", object(a.annotations)},
          {"startsAt", format_rfc3339(a.starts_at)},
          {"endsAt", a.resolved ? format_rfc3339(a.ends_at) : "0001-01-01T00:00:00Z"},
          {"generatorURL", a.generator_url},
          {"fingerprint", a.fingerprint}};
}

std::string body(const Notification& n, std::uint64_t max_alerts) {
  // What is left out must not be what is on fire; what is sent stands in Alertmanager's order.
  std::vector<NotifiedAlert> alerts = n.alerts;
  std::uint64_t truncated = n.truncated_alerts;
  if (max_alerts > 0 && alerts.size() > max_alerts) {
    truncated += alerts.size() - max_alerts;
    alerts.resize(max_alerts);
  }
  std::stable_sort(alerts.begin(), alerts.end(),
                   [](const NotifiedAlert& a, const NotifiedAlert& b) { return alert_before(a.labels, b.labels); });
  json list = json::array();
  for (const NotifiedAlert& a : alerts) list.push_back(alert_json(a));
  const json message{{"receiver", quote_meta(n.receiver)},
                     {"status", n.status()},
                     {"alerts", std::move(list)},
                     {"notification_reason", to_string(n.reason)},
                     {"groupLabels", object(n.group_labels)},
                     {"commonLabels", object(n.common_labels)},
                     {"commonAnnotations", object(n.common_annotations)},
                     {"routeLabels", json::object()},
                     {"externalURL", n.external_url},
                     {"version", "4"},
                     {"groupKey", n.group_key},
                     {"truncatedAlerts", truncated}};
  return message.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string base64(std::string_view text) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    const auto at = [&](std::size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0U; };
    const unsigned bits = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    for (std::size_t k = 0; k < 4; ++k) out += i + k > text.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 63];
  }
  return out;
}

class WebhookNotifier final : public Notifier {
 public:
  WebhookNotifier(WebhookConfig config, NotifierServices& services) : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext& context,
                                          Deadline deadline) override {
    const Result<std::string> url = config_.url.reveal();
    const Result<std::string> password = config_.password.reveal();
    const Result<std::string> token = config_.bearer_token.reveal();
    for (const Result<std::string>* secret : {&url, &password, &token}) {
      // A secret's file may be about to be replaced: worth another try.
      if (!*secret) co_return SendResult::transient(safe_detail(secret->error().message, {}));
    }
    HttpRequest request;
    request.method = "POST";
    request.url = *url;
    request.headers = {{"Content-Type", "application/json"},
                       {"User-Agent", "tocsin/" TOCSIN_VERSION},
                       {"X-Tocsin-Idempotency-Key", notification.idempotency_key},
                       {"X-Tocsin-Incident", notification.incident},
                       {"X-Tocsin-Sequence", std::to_string(notification.sequence)},
                       {"X-Tocsin-Attempt", std::to_string(context.attempt)}};
    if (!token->empty()) request.headers.emplace_back("Authorization", "Bearer " + *token);
    const std::string basic = base64(config_.username + ":" + *password);
    if (!config_.username.empty()) request.headers.emplace_back("Authorization", "Basic " + basic);
    request.body = body(notification, config_.max_alerts);
    request.reuse_connection = true;
    request.body_bytes_max = 64U << 10;
    request.tls = config_.tls;
    request.proxy_url = config_.proxy_url;

    const HttpResponse response = co_await services_.http.fetch(std::move(request), deadline);
    // Any 2xx is a yes, whatever follows it.
    if (response.status / 100 == 2) co_return SendResult::ok();
    const std::vector<std::string> secrets{*password, *token, basic};
    co_return http_result(response, *url, secrets, services_.clock.now());
  }

 private:
  WebhookConfig config_;
  NotifierServices& services_;
};

NotifierFactory read(Fields& fields) {
  WebhookConfig config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<WebhookNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kWebhookNotifier{
    "webhook", "POSTs Alertmanager's version 4 JSON to a URL, with a key that is the same on every attempt.", true,
    read};

}  // namespace tocsin
