// Microsoft Teams, by a Workflows webhook ("When a Teams webhook request is received"): an Adaptive Card per message.
//
// Contract: learn.microsoft.com/power-automate/teams/create-flows-from-message; a message may have 28 KB. 202 is a yes.
// The connectors that came before answer 200 also when Teams refused the message, and say so in the body.

#include "notifiers/http_channel.h"
#include "notifiers/message.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t kBodyMax = 27'000;
constexpr std::size_t kItemsMax = 20;

struct TeamsConfig {
  Secret webhook_url;
  HttpChannelConfig http;

  void fields(Fields& f) {
    f("webhook_url", webhook_url, "The URL that the workflow gives.").required();
    http.fields(f);
  }
};

std::string color(const Notification& n) {
  if (n.resolved()) return "Good";
  return message::severity(n) == "critical" || message::severity(n) == "error" ? "Attention" : "Warning";
}

json text_block(const std::string& text, json more = json::object()) {
  json out{{"type", "TextBlock"}, {"text", text}, {"wrap", true}};
  out.update(more);
  return out;
}

json card(const Notification& n, std::size_t most) {
  const message::Items list = message::items(n, most);
  json body = json::array({text_block(message::cut(message::subject(n), 300),
                                      {{"weight", "Bolder"}, {"size", "Large"}, {"color", color(n)}})});
  for (const message::Item& item : list.items) {
    std::string text = fmt::format("**{}**", message::cut(item.title, 300));
    if (!item.description.empty()) text += "\n\n" + message::cut(item.description, 600);
    text += "\n\n" + item.since + "\n\n" + message::cut(item.labels, 400);
    if (!item.runbook_url.empty()) text += fmt::format("\n\n[What to do]({})", item.runbook_url);
    if (!item.source_url.empty()) text += fmt::format("\n\n[Graph]({})", item.source_url);
    body.push_back(text_block(text, {{"separator", true}, {"color", item.resolved ? "Good" : "Default"}}));
  }
  if (list.left_out > 0) body.push_back(text_block(fmt::format("… and {} more alerts", list.left_out)));
  json content{{"$schema", "http://adaptivecards.io/schemas/adaptive-card.json"},
               {"type", "AdaptiveCard"},
               {"version", "1.4"},
               {"body", std::move(body)},
               {"msteams", {{"width", "Full"}}}};
  if (const std::string page = message::page_url(n); !page.empty()) {
    content["actions"] = json::array({{{"type", "Action.OpenUrl"}, {"title", "All alerts"}, {"url", page}}});
  }
  return {{"type", "message"},
          {"attachments", json::array({{{"contentType", "application/vnd.microsoft.card.adaptive"},
                                        {"contentUrl", nullptr},
                                        {"content", std::move(content)}}})}};
}

/// As many alerts as fit.
std::string body_of(const Notification& n) {
  for (std::size_t most = kItemsMax;; most /= 2) {
    std::string body = dump(card(n, most));
    if (body.size() <= kBodyMax || most == 0) return body;
  }
}

class TeamsNotifier final : public Notifier {
 public:
  TeamsNotifier(TeamsConfig config, NotifierServices& services) : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext&,
                                          Deadline deadline) override {
    const Result<std::string> url = config_.webhook_url.reveal();
    if (!url) co_return SendResult::transient(safe_detail(url.error().message, {}));
    VendorCall call{.url = *url, .body = body_of(notification)};
    VendorAnswer answer = co_await call_vendor(services_, config_.http, std::move(call), deadline);
    if (answer.result.kind != SendResult::Kind::kOk || answer.body.find("delivery failed") == std::string::npos) {
      co_return std::move(answer.result);
    }
    const std::vector<std::string> secrets{*url};
    SendResult refused = SendResult::transient(safe_detail(answer.body, secrets));
    if (answer.body.find("HTTP error 429") != std::string::npos) refused.kind = SendResult::Kind::kThrottled;
    co_return refused;
  }

 private:
  TeamsConfig config_;
  NotifierServices& services_;
};

NotifierFactory read(Fields& fields) {
  TeamsConfig config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<TeamsNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kTeamsNotifier{"msteams", "Posts a card to Microsoft Teams by a Workflows webhook.", true,
                                            read};

}  // namespace tocsin
