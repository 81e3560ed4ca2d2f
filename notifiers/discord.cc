// Discord, by a channel's webhook: an embed per alert.
//
// Contract: discord.com/developers/docs/resources/webhook#execute-webhook. With wait=true the answer is the message.
// 429 says in its body how long to wait, in fractions of a second; a webhook that was deleted (404) must not be used
// again, and that many refused requests get an address banned is why they are given up.

#include "notifiers/http_channel.h"
#include "notifiers/message.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

using json = nlohmann::ordered_json;

// Characters. All embeds of a message together may have 6000.
constexpr std::size_t kContentMax = 2000;
constexpr std::size_t kTitleMax = 256;
constexpr std::size_t kDescriptionMax = 1000;
constexpr std::size_t kEmbedsMax = 10;
constexpr std::size_t kTotalMax = 5500;

struct DiscordConfig {
  Secret webhook_url;
  std::string username;
  std::string mention;
  HttpChannelConfig http;

  void fields(Fields& f) {
    f("webhook_url", webhook_url, "The webhook's URL.").required();
    f("username", username, "Shown as the sender.");
    f("mention", mention, "Whom to mention in messages that fire: @here, <@USER_ID> or <@&ROLE_ID>.");
    http.fields(f);
  }
};

int color(const message::Item& item, const Notification& n) {
  if (item.resolved) return 0x2eb67d;
  const std::string severity = message::severity(n);
  return severity == "warning" ? 0xecb22e : severity == "info" ? 0x36c5f0 : 0xe01e5a;
}

json body_of(const Notification& n, const DiscordConfig& config) {
  const message::Items list = message::items(n, kEmbedsMax);
  json embeds = json::array();
  std::size_t left_out = list.left_out, total = 0;
  for (const message::Item& item : list.items) {
    std::string text = item.description.empty() ? "" : message::cut(item.description, 600) + "\n";
    text += item.since + "\n" + message::cut(item.labels, 300);
    if (!item.runbook_url.empty()) text += fmt::format("\n[What to do]({})", item.runbook_url);
    json embed{{"title", message::cut(item.title, kTitleMax)},
               {"description", message::cut(text, kDescriptionMax)},
               {"color", color(item, n)}};
    if (!item.source_url.empty() && item.source_url.size() < 2000) embed["url"] = item.source_url;
    // Counted in bytes, which are never fewer than characters.
    total += embed["title"].get_ref<const std::string&>().size();
    total += embed["description"].get_ref<const std::string&>().size();
    if (total > kTotalMax) {
      ++left_out;
      continue;
    }
    embeds.push_back(std::move(embed));
  }
  std::string content = "**" + message::subject(n) + "** " + message::headline(n);
  if (!n.resolved() && !config.mention.empty()) content = config.mention + " " + content;
  std::string tail = left_out > 0 ? fmt::format("\n… and {} more alerts", left_out) : "";
  if (const std::string page = message::page_url(n); !page.empty() && page.size() < 500) tail += "\n" + page;
  json out{{"content", message::cut(content, kContentMax - tail.size()) + tail},
           {"embeds", std::move(embeds)},
           // Only who is named in the configuration is called, whatever an alert's labels say.
           {"allowed_mentions",
            {{"parse", config.mention.empty() ? json::array() : json::array({"users", "roles", "everyone"})}}}};
  if (!config.username.empty()) out["username"] = message::cut(config.username, 80);
  return out;
}

class DiscordNotifier final : public Notifier {
 public:
  DiscordNotifier(DiscordConfig config, NotifierServices& services) : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext&,
                                          Deadline deadline) override {
    const Result<std::string> url = config_.webhook_url.reveal();
    if (!url) co_return SendResult::transient(safe_detail(url.error().message, {}));
    VendorCall call{.url = *url + (url->find('?') == std::string::npos ? "?wait=true" : "&wait=true"),
                    .body = dump(body_of(notification, config_))};
    VendorAnswer answer = co_await call_vendor(services_, config_.http, std::move(call), deadline);
    const nlohmann::json said = answer.json();
    if (answer.status == 429 && said.contains("retry_after") && said["retry_after"].is_number()) {
      answer.result.retry_after = vendor_wait(said["retry_after"].get<double>());
    }
    if (answer.result.kind == SendResult::Kind::kOk && said.contains("id") && said["id"].is_string()) {
      answer.result.provider_ref = said["id"].get<std::string>();
    }
    co_return std::move(answer.result);
  }

 private:
  DiscordConfig config_;
  NotifierServices& services_;
};

NotifierFactory read(Fields& fields) {
  DiscordConfig config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<DiscordNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kDiscordNotifier{"discord", "Posts to a Discord channel by its webhook.", true, read};

}  // namespace tocsin
