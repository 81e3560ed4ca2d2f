// Mattermost, by an incoming webhook: one coloured attachment per alert.
//
// Contract: developers.mattermost.com/integrate/webhooks/incoming. A post may have 16383 characters, attachments
// included as JSON; 200 "ok" is a yes.

#include "notifiers/http_channel.h"
#include "notifiers/message.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t kTextMax = 2000;
constexpr std::size_t kItemsMax = 10;
constexpr std::size_t kAttachmentsBytes = 12'000;

struct MattermostConfig {
  Secret webhook_url;
  std::string channel;
  std::string username;
  std::string icon_emoji;
  std::string mention;
  HttpChannelConfig http;

  void fields(Fields& f) {
    f("webhook_url", webhook_url, "The incoming webhook's URL.").required();
    f("channel", channel, "Another channel than the webhook's own, where it may choose one.");
    f("username", username, "Shown as the sender, where the webhook may choose it.");
    f("icon_emoji", icon_emoji, "Shown as the sender's picture: bell");
    f("mention", mention, "Whom to mention in messages that fire: @channel, @here or @name.");
    http.fields(f);
  }
};

json attachment(const message::Item& item, const std::string& severity) {
  std::string text = item.description.empty() ? "" : message::cut(item.description, 700) + "\n";
  text += fmt::format("{}\n`{}`", item.since, message::cut(item.labels, 500));
  if (!item.runbook_url.empty()) text += fmt::format("\n[What to do]({})", item.runbook_url);
  json out{{"fallback", message::cut(item.title, 300)},
           {"color", item.resolved           ? "#2eb67d"
                     : severity == "warning" ? "#ecb22e"
                     : severity == "info"    ? "#36c5f0"
                                             : "#e01e5a"},
           {"title", message::cut(item.title, 300)},
           {"text", text}};
  if (!item.source_url.empty()) out["title_link"] = item.source_url;
  return out;
}

json body_of(const Notification& n, const MattermostConfig& config) {
  const message::Items list = message::items(n, kItemsMax);
  json attachments = json::array();
  std::size_t left_out = list.left_out, bytes = 0;
  for (const message::Item& item : list.items) {
    json one = attachment(item, message::severity(n));
    bytes += dump(one).size();
    if (bytes > kAttachmentsBytes) {
      ++left_out;
      continue;
    }
    attachments.push_back(std::move(one));
  }
  std::string text = fmt::format("**{}** {}", message::subject(n), message::headline(n));
  if (!n.resolved() && !config.mention.empty()) text = config.mention + " " + text;
  text = message::cut(text, kTextMax);
  if (left_out > 0) text += fmt::format("\n… and {} more alerts", left_out);
  if (const std::string page = message::page_url(n); !page.empty()) text += fmt::format("\n[all alerts]({})", page);
  json out{{"text", text}, {"attachments", std::move(attachments)}};
  if (!config.channel.empty()) out["channel"] = config.channel;
  if (!config.username.empty()) out["username"] = config.username;
  if (!config.icon_emoji.empty()) out["icon_emoji"] = config.icon_emoji;
  return out;
}

class MattermostNotifier final : public Notifier {
 public:
  MattermostNotifier(MattermostConfig config, NotifierServices& services)
      : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext&,
                                          Deadline deadline) override {
    const Result<std::string> url = config_.webhook_url.reveal();
    if (!url) co_return SendResult::transient(safe_detail(url.error().message, {}));
    VendorCall call{.url = *url, .body = dump(body_of(notification, config_))};
    VendorAnswer answer = co_await call_vendor(services_, config_.http, std::move(call), deadline);
    co_return std::move(answer.result);
  }

 private:
  MattermostConfig config_;
  NotifierServices& services_;
};

NotifierFactory read(Fields& fields) {
  MattermostConfig config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<MattermostNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kMattermostNotifier{"mattermost", "Posts to Mattermost by an incoming webhook.", true,
                                                 read};

}  // namespace tocsin
