// Text messages, by Twilio. A channel is one number: a message to several is several messages, and each must be
// delivered, retried and counted for itself.
//
// Contract: twilio.com/docs/messaging/api/message-resource. 201 is a yes; 400 names what is wrong with the number or
// the account for good; 429 (code 20429) wants a pause.

#include "agent/core/base64.h"
#include "agent/core/url.h"
#include "notifiers/http_channel.h"
#include "notifiers/message.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

struct SmsConfig {
  std::string account_sid;
  Secret auth_token;
  std::string from;
  std::string messaging_service_sid;
  std::string to;
  std::size_t characters_max = 320;
  std::string api_url = "https://api.twilio.com";
  HttpChannelConfig http;

  void fields(Fields& f) {
    f("account_sid", account_sid, "Twilio's account (AC…).").required();
    f("auth_token", auth_token, "The account's token.").required();
    f("from", from, "The number it comes from, as +15551234567. Give this or messaging_service_sid.");
    f("messaging_service_sid", messaging_service_sid, "A messaging service that picks the number (MG…).");
    f("to", to, "The number that it goes to, as +491701234567.")
        .required()
        .check([](const std::string& v) { return v.size() > 4 && v.starts_with('+'); },
               "must begin with + and the country");
    f("characters_max", characters_max, "How long a message may be; more than 160 costs several.")
        .range(std::size_t{70}, std::size_t{1600});
    f("api_url", api_url, "Where the API is.")
        .check([](const std::string& v) { return message::is_link(v); }, "must be an http or https URL");
    http.fields(f);
    if (f.reading() && from.empty() == messaging_service_sid.empty()) {
      f.mistake("An sms channel needs either \"from\" or \"messaging_service_sid\".");
    }
  }
};

/// What broke, and how many: what fits into a line.
std::string text_of(const Notification& n, std::size_t characters) {
  std::string tail = message::page_url(n);
  tail = tail.empty() || tail.size() > characters / 3 ? "" : "\n" + tail;
  return message::cut(message::subject(n) + " " + message::headline(n), characters - tail.size()) + tail;
}

class SmsNotifier final : public Notifier {
 public:
  SmsNotifier(SmsConfig config, NotifierServices& services) : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext&,
                                          Deadline deadline) override {
    const Result<std::string> token = config_.auth_token.reveal();
    if (!token) co_return SendResult::transient(safe_detail(token.error().message, {}));
    const std::string basic = base64_encode(config_.account_sid + ":" + *token);
    const std::string from_key = config_.from.empty() ? "MessagingServiceSid" : "From";
    const std::string from = config_.from.empty() ? config_.messaging_service_sid : config_.from;
    const QueryPairs form{
        {"To", config_.to}, {from_key, from}, {"Body", text_of(notification, config_.characters_max)}};
    VendorCall call{.url = fmt::format("{}/2010-04-01/Accounts/{}/Messages.json", config_.api_url,
                                       percent_encode(config_.account_sid)),
                    .content_type = "application/x-www-form-urlencoded",
                    .body = build_query(form),
                    .headers = {{"Authorization", "Basic " + basic}},
                    .secrets = {*token, basic}};
    VendorAnswer answer = co_await call_vendor(services_, config_.http, std::move(call), deadline);
    const nlohmann::json said = answer.json();
    if (answer.result.kind == SendResult::Kind::kOk && said.contains("sid") && said["sid"].is_string()) {
      answer.result.provider_ref = said["sid"].get<std::string>();
    }
    co_return std::move(answer.result);
  }

 private:
  SmsConfig config_;
  NotifierServices& services_;
};

NotifierFactory read(Fields& fields) {
  SmsConfig config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<SmsNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kSmsNotifier{"sms", "Sends a text message to one number by Twilio.", true, read};

}  // namespace tocsin
