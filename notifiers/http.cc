// Any service that takes an HTTP request: method, URL, headers and body are the user's templates over the message. For
// what has no channel of its own here.

#include "agent/core/base64.h"
#include "notifiers/http_channel.h"
#include "notifiers/registry.h"
#include "notifiers/template_data.h"
#include "notifiers/webhook_json.h"

namespace tocsin {
namespace {

struct HttpChannel {
  std::string method = "POST";
  Secret url;
  std::map<std::string, std::string> headers;
  std::string content_type = "application/json";
  std::string body;
  std::string resolved_body;
  std::string username;
  Secret password;
  Secret bearer_token;
  HttpChannelConfig http;

  void fields(Fields& f) {
    f("method", method, "GET, POST, PUT, PATCH or DELETE.")
        .check(
            [](const std::string& v) {
              return v == "GET" || v == "POST" || v == "PUT" || v == "PATCH" || v == "DELETE";
            },
            "must be GET, POST, PUT, PATCH or DELETE");
    f("url", url, "Where to; a template: https://x.example/{{ .Incident | urlquery }}. Kept secret.").required();
    f("headers", headers, "More headers; their values are templates.");
    f("content_type", content_type, "Of the body.");
    f("body", body, "A template; {{ toJson . }} writes values safely. Default: Alertmanager's webhook JSON.");
    f("resolved_body", resolved_body, "The template when all is over. Default: body.");
    f("username", username, "User of HTTP basic authentication.");
    f("password", password, "Password of HTTP basic authentication.");
    f("bearer_token", bearer_token, "Sent as `Authorization: Bearer …`.");
    http.fields(f);
    if (!username.empty() && !bearer_token.empty()) {
      f.mistake_at("bearer_token", "Give a username or a bearer_token, not both.");
    }
    check_template(f, "body", body);
    check_template(f, "resolved_body", resolved_body);
    for (const auto& [name, value] : headers) check_template(f, "headers", value);
  }

  static void check_template(Fields& f, std::string_view key, const std::string& text) {
    if (!f.reading()) return;
    if (const auto parsed = MessageTemplate::parse(key, text); !parsed) f.mistake_at(key, parsed.error().message + ".");
  }
};

/// A header's value must not end the header.
std::string on_one_line(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  return text;
}

class HttpNotifier final : public Notifier {
 public:
  HttpNotifier(HttpChannel config, NotifierServices& services) : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext&,
                                          Deadline deadline) override {
    const auto secrets = reveal({&config_.url, &config_.password, &config_.bearer_token});
    if (!secrets) co_return SendResult::transient(secrets.error().message);
    Result<VendorCall> call = make_call(notification, *secrets);
    // The same message makes the same mistake again.
    if (!call) co_return SendResult::permanent(safe_detail(call.error().message, *secrets));
    VendorAnswer answer = co_await call_vendor(services_, config_.http, std::move(*call), deadline);
    co_return std::move(answer.result);
  }

 private:
  static Result<std::string> expand(std::string_view name, const std::string& text, const Notification& n) {
    const Result<MessageTemplate> parsed = MessageTemplate::parse(name, text);
    if (!parsed) return tl::make_unexpected(parsed.error());
    return parsed->expand(n);
  }

  Result<VendorCall> make_call(const Notification& n, const std::vector<std::string>& secrets) const {
    const std::string basic = base64_encode(config_.username + ":" + secrets[1]);
    VendorCall call{.url = "", .content_type = config_.content_type};
    call.method = config_.method;
    call.secrets = {secrets[1], secrets[2], basic};
    Result<std::string> url = expand("url", secrets[0], n);
    if (!url) return tl::make_unexpected(url.error());
    call.url = on_one_line(std::move(*url));
    for (const auto& [name, text] : config_.headers) {
      Result<std::string> value = expand("headers", text, n);
      if (!value) return tl::make_unexpected(value.error());
      call.headers.emplace_back(name, on_one_line(std::move(*value)));
    }
    call.headers.emplace_back("X-Tocsin-Idempotency-Key", n.idempotency_key);
    if (!config_.username.empty()) call.headers.emplace_back("Authorization", "Basic " + basic);
    if (!secrets[2].empty()) call.headers.emplace_back("Authorization", "Bearer " + secrets[2]);
    const bool other = n.resolved() && !config_.resolved_body.empty();
    const std::string& text = other ? config_.resolved_body : config_.body;
    Result<std::string> body = text.empty() ? Result<std::string>(webhook_json(n, 0)) : expand("body", text, n);
    if (!body) return tl::make_unexpected(body.error());
    call.body = std::move(*body);
    return call;
  }

  HttpChannel config_;
  NotifierServices& services_;
};

NotifierFactory read(Fields& fields) {
  HttpChannel config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<HttpNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kHttpNotifier{
    "http", "Makes any HTTP request: method, URL, headers and body are templates.", true, read};

}  // namespace tocsin
