// Alertmanager's generic webhook, version 4: the body is what Alertmanager sends, key for key, so that everything that
// was written for it works. What Alertmanager
// lacks comes as headers: a key that is the same on every attempt, so that a receiver can tell a repeated copy.

#include "agent/core/base64.h"
#include "agent/net/hmac.h"
#include "notifiers/http_result.h"
#include "notifiers/registry.h"
#include "notifiers/webhook_json.h"

namespace tocsin {
namespace {

struct WebhookConfig {
  Secret url;
  std::uint64_t max_alerts = 0;
  std::string username;
  Secret password;
  Secret bearer_token;
  Secret signing_key;
  std::string proxy_url;
  TlsConfig tls;

  void fields(Fields& f) {
    f("url", url, "Where to POST to. May hold a token, so it is kept secret.").required();
    f("max_alerts", max_alerts, "At most so many alerts per message, the firing ones first; 0: all.");
    f("username", username, "User of HTTP basic authentication.");
    f("password", password, "Password of HTTP basic authentication.");
    f("bearer_token", bearer_token, "Sent as `Authorization: Bearer …`.");
    f("signing_key", signing_key,
      "Sign each request: X-Tocsin-Signature is v1= and the HMAC-SHA256 of X-Tocsin-Timestamp, a dot and the body.");
    f("proxy_url", proxy_url, "Go through this HTTP proxy.");
    f("tls", tls, "TLS, with the keys of Prometheus' tls_config.");
    if (!username.empty() && !bearer_token.empty()) {
      f.mistake_at("bearer_token", "Give a username or a bearer_token, not both.");
    }
  }
};

class WebhookNotifier final : public Notifier {
 public:
  WebhookNotifier(WebhookConfig config, NotifierServices& services) : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext& context,
                                          Deadline deadline) override {
    const Result<std::string> url = config_.url.reveal();
    const Result<std::string> password = config_.password.reveal();
    const Result<std::string> token = config_.bearer_token.reveal();
    const Result<std::string> key = config_.signing_key.reveal();
    for (const Result<std::string>* secret : {&url, &password, &token, &key}) {
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
    const std::string basic = base64_encode(config_.username + ":" + *password);
    if (!config_.username.empty()) request.headers.emplace_back("Authorization", "Basic " + basic);
    request.body = webhook_json(notification, config_.max_alerts);
    if (!key->empty()) sign(request, *key);
    request.reuse_connection = true;
    request.body_bytes_max = 64U << 10;
    request.tls = config_.tls;
    request.proxy_url = config_.proxy_url;

    const HttpResponse response = co_await services_.http.fetch(std::move(request), deadline);
    // Any 2xx is a yes, whatever follows it.
    if (response.status / 100 == 2) co_return SendResult::ok();
    const std::vector<std::string> secrets{*password, *token, *key, basic};
    co_return http_result(response, *url, secrets, services_.clock.now());
  }

 private:
  /// The time is part of what is signed, so that nobody can play a message again later.
  void sign(HttpRequest& request, std::string_view key) const {
    const auto now = std::chrono::floor<std::chrono::seconds>(services_.clock.now());
    const std::string at = std::to_string(now.time_since_epoch().count());
    request.headers.emplace_back("X-Tocsin-Timestamp", at);
    request.headers.emplace_back("X-Tocsin-Signature", "v1=" + hmac_sha256_hex(key, at + "." + request.body));
  }

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
