// Pushover. A critical alert is an emergency message: it repeats on the phone until somebody acknowledges it, so the
// end of the incident must cancel it. The receipt that makes this possible travels as the provider reference.
//
// Contract: pushover.net/api, pushover.net/api/receipts. 4xx with status 0 will not become better; 429 is the month's
// quota; after 5xx wait five seconds at least.

#include "agent/core/url.h"
#include "notifiers/http_channel.h"
#include "notifiers/message.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

constexpr std::size_t kMessageMax = 1000;  // of 1024 characters
constexpr std::size_t kTitleMax = 250;
constexpr std::size_t kUrlMax = 512;
constexpr Duration kTransientWait = std::chrono::seconds(5);

struct PushoverConfig {
  Secret token;
  Secret user_key;
  std::string device;
  std::string sound;
  bool emergency = true;
  Duration retry = std::chrono::minutes(1);
  Duration expire = std::chrono::hours(1);
  std::string api_url = "https://api.pushover.net";
  HttpChannelConfig http;

  void fields(Fields& f) {
    f("token", token, "The application's API token.").required();
    f("user_key", user_key, "The user's or group's key.").required();
    f("device", device, "Only this device.");
    f("sound", sound, "A sound by name.");
    f("emergency", emergency, "Critical alerts repeat until they are acknowledged.");
    f("retry", retry, "How often an emergency repeats.").range(std::chrono::seconds(30), std::chrono::hours(3));
    f("expire", expire, "How long an emergency repeats at most.")
        .range(std::chrono::seconds(30), std::chrono::hours(3));
    f("api_url", api_url, "Where the API is.")
        .check([](const std::string& v) { return message::is_link(v); }, "must be an http or https URL");
    http.fields(f);
  }
};

std::string seconds(Duration d) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(d).count());
}

bool is_emergency(const Notification& n, const PushoverConfig& config) {
  return config.emergency && !n.resolved() && message::severity(n) == "critical";
}

std::string form_of(const Notification& n, const PushoverConfig& config, const std::string& token,
                    const std::string& user) {
  QueryPairs form{{"token", token},
                  {"user", user},
                  {"title", message::cut(message::subject(n), kTitleMax)},
                  {"message", message::cut(message::text(n, kMessageMax), kMessageMax)},
                  {"timestamp", seconds(n.created_at.time_since_epoch())}};
  const std::string severity = message::severity(n);
  if (is_emergency(n, config)) {
    form.insert(form.end(), {{"priority", "2"}, {"retry", seconds(config.retry)}, {"expire", seconds(config.expire)}});
  } else {
    const bool loud = !n.resolved() && (severity == "critical" || severity == "error");
    form.emplace_back("priority", loud ? "1" : severity == "info" ? "-1" : "0");
  }
  if (!config.device.empty()) form.emplace_back("device", config.device);
  if (!config.sound.empty()) form.emplace_back("sound", config.sound);
  if (const std::string page = message::page_url(n); !page.empty() && page.size() <= kUrlMax) {
    form.emplace_back("url", page);
    form.emplace_back("url_title", "All alerts");
  }
  return build_query(form);
}

class PushoverNotifier final : public Notifier {
 public:
  PushoverNotifier(PushoverConfig config, NotifierServices& services)
      : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext& context,
                                          Deadline deadline) override {
    const auto secrets = reveal({&config_.token, &config_.user_key});
    if (!secrets) co_return SendResult::transient(secrets.error().message);
    const std::string &token = (*secrets)[0], &user = (*secrets)[1];
    if (!context.provider_ref.empty()) {
      // What beeps must stop before anything else is said; a receipt that has expired cannot be cancelled, and need
      // not.
      VendorCall cancel = form(fmt::format("/1/receipts/{}/cancel.json", context.provider_ref),
                               build_query({{"token", token}}), *secrets);
      VendorAnswer cancelled = co_await call_vendor(services_, config_.http, std::move(cancel), deadline);
      if (judged(cancelled).kind != SendResult::Kind::kOk && cancelled.result.kind != SendResult::Kind::kPermanent) {
        co_return std::move(cancelled.result);
      }
    }
    VendorCall call = form("/1/messages.json", form_of(notification, config_, token, user), *secrets);
    VendorAnswer answer = co_await call_vendor(services_, config_.http, std::move(call), deadline);
    SendResult result = judged(answer);
    const nlohmann::json said = answer.json();
    if (result.kind == SendResult::Kind::kOk && said.contains("receipt") && said["receipt"].is_string()) {
      result.provider_ref = said["receipt"].get<std::string>();
    }
    co_return result;
  }

 private:
  VendorCall form(const std::string& path, std::string body, const std::vector<std::string>& secrets) const {
    return {.url = config_.api_url + path,
            .content_type = "application/x-www-form-urlencoded",
            .body = std::move(body),
            .secrets = secrets};
  }

  static SendResult judged(const VendorAnswer& answer) {
    SendResult result = answer.result;
    if (result.kind == SendResult::Kind::kTransient && !result.retry_after) result.retry_after = kTransientWait;
    if (result.kind == SendResult::Kind::kOk && answer.json().value("status", nlohmann::json(0)) != 1) {
      return SendResult::transient(fmt::format("HTTP {} without status 1: not Pushover's answer", answer.status));
    }
    return result;
  }

  PushoverConfig config_;
  NotifierServices& services_;
};

NotifierFactory read(Fields& fields) {
  PushoverConfig config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<PushoverNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kPushoverNotifier{
    "pushover", "Sends to phones by Pushover; critical alerts repeat until they are acknowledged.", true, read};

}  // namespace tocsin
