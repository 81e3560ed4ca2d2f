// ntfy, the push service that one can host oneself.
//
// Contract: docs.ntfy.sh/publish (publish as JSON). A message above 4096 bytes would become an attachment. 429 means
// that the visitor's requests of the moment, or of the day, are used up.

#include "agent/core/base64.h"
#include "notifiers/http_channel.h"
#include "notifiers/message.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t kMessageBytes = 3800;
constexpr std::size_t kTitleMax = 200;

struct NtfyConfig {
  std::string url = "https://ntfy.sh";
  Secret topic;
  Secret token;
  std::string username;
  Secret password;
  HttpChannelConfig http;

  void fields(Fields& f) {
    f("url", url, "The server.")
        .check([](const std::string& v) { return message::is_link(v); }, "must be an http or https URL");
    f("topic", topic, "The topic; on a public server whoever knows it can read it.").required();
    f("token", token, "An access token.");
    f("username", username, "User, when there is no token.");
    f("password", password, "The user's password.");
    http.fields(f);
    if (!username.empty() && !token.empty()) f.mistake_at("token", "Give a username or a token, not both.");
  }
};

/// ntfy's scale: 5 breaks through "do not disturb".
int priority(const Notification& n) {
  if (n.resolved()) return 3;
  const std::string severity = message::severity(n);
  return severity == "critical" ? 5 : severity == "error" ? 4 : severity == "warning" ? 3 : 2;
}

json body_of(const Notification& n, const std::string& topic) {
  json out{{"topic", topic},
           {"title", message::cut(message::subject(n), kTitleMax)},
           {"message", message::text(n, kMessageBytes)},
           {"priority", priority(n)},
           {"tags", json::array({n.resolved() ? "white_check_mark" : "rotating_light"})}};
  if (const std::string page = message::page_url(n); !page.empty()) out["click"] = page;
  json actions = json::array();
  for (const message::Item& item : message::items(n, 1).items) {
    if (!item.runbook_url.empty())
      actions.push_back({{"action", "view"}, {"label", "What to do"}, {"url", item.runbook_url}});
    if (!item.source_url.empty()) actions.push_back({{"action", "view"}, {"label", "Graph"}, {"url", item.source_url}});
  }
  if (!actions.empty()) out["actions"] = std::move(actions);
  return out;
}

class NtfyNotifier final : public Notifier {
 public:
  NtfyNotifier(NtfyConfig config, NotifierServices& services) : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext&,
                                          Deadline deadline) override {
    const auto secrets = reveal({&config_.topic, &config_.token, &config_.password});
    if (!secrets) co_return SendResult::transient(secrets.error().message);
    const std::string &topic = (*secrets)[0], &token = (*secrets)[1];
    const std::string basic = base64_encode(config_.username + ":" + (*secrets)[2]);
    VendorCall call{.url = config_.url, .body = dump(body_of(notification, topic)), .secrets = *secrets};
    call.secrets.push_back(basic);
    if (!token.empty()) call.headers.emplace_back("Authorization", "Bearer " + token);
    if (!config_.username.empty()) call.headers.emplace_back("Authorization", "Basic " + basic);
    VendorAnswer answer = co_await call_vendor(services_, config_.http, std::move(call), deadline);
    co_return std::move(answer.result);
  }

 private:
  NtfyConfig config_;
  NotifierServices& services_;
};

NotifierFactory read(Fields& fields) {
  NtfyConfig config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<NtfyNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kNtfyNotifier{"ntfy", "Publishes to a topic of ntfy.", true, read};

}  // namespace tocsin
