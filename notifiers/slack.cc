// Slack, in its two forms.
//
// Incoming webhook: one message per notification; it cannot be changed afterwards. Errors are words in the body with
// 4xx.
//
// Web API: one message per incident, posted once and then updated in place (recoloured when it resolves), and each
// change as a reply in its thread, because an update alone notifies nobody. The message is found again by channel and
// ts, which travel as the provider reference. Slack answers HTTP 200 with {"ok":false,"error":…}, so the body decides.
//
// Contract: docs.slack.dev/reference/methods/chat.postMessage, chat.update, and incoming webhooks.

#include <nlohmann/json.hpp>

#include <set>

#include "agent/net/http_client.h"
#include "notifiers/http_result.h"
#include "notifiers/message.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

using json = nlohmann::ordered_json;

// Block Kit's limits, in characters; a message as a whole may have about 13,000, a text above that is refused.
constexpr std::size_t kHeaderMax = 150;
constexpr std::size_t kSectionMax = 3000;
constexpr std::size_t kContextMax = 2000;
constexpr std::size_t kFallbackMax = 1000;
constexpr std::size_t kItemsMax = 10;
constexpr std::size_t kMessageMax = 11000;

struct SlackConfig {
  Secret webhook_url;
  Secret token;
  std::string channel;
  std::string api_url = "https://slack.com/api";
  std::string username;
  std::string icon_emoji;
  std::string mention;
  std::string proxy_url;
  TlsConfig tls;

  void fields(Fields& f) {
    f("webhook_url", webhook_url, "An incoming webhook's URL. Give this, or token and channel.");
    f("token", token, "A bot token (xoxb-…) with chat:write: one message per incident, updated in place.");
    f("channel", channel, "With token: the channel's id (C…), or its name with #.");
    f("api_url", api_url, "Where the Web API is.")
        .check([](const std::string& v) { return message::is_link(v); }, "must be an http or https URL");
    f("username", username, "Shown as the sender, where the app may choose it.");
    f("icon_emoji", icon_emoji, "Shown as the sender's picture: :bell:");
    f("mention", mention, "Whom to mention in messages that fire: <!here>, <@U012AB3CD> or <!subteam^S012>.");
    f("proxy_url", proxy_url, "Go through this HTTP proxy.");
    f("tls", tls, "TLS, with the keys of Prometheus' tls_config.");
    if (f.reading() && webhook_url.empty() == token.empty()) {
      f.mistake("A slack channel needs either \"webhook_url\" or \"token\".");
    }
    if (f.reading() && !token.empty() && channel.empty()) f.mistake_at("token", "\"token\" needs a \"channel\".");
  }
};

/// Slack's three special characters (docs: Formatting text, "Escaping text").
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string link(const std::string& url, std::string_view text) {
  std::string target;
  for (const char c : url) target += c == '|' ? "%7C" : c == '>' ? "%3E" : c == '<' ? "%3C" : std::string(1, c);
  return fmt::format("<{}|{}>", target, text);
}

json mrkdwn(std::string_view text, std::size_t most) {
  return {{"type", "mrkdwn"}, {"text", message::cut(text, most)}};
}

std::string item_text(const message::Item& item) {
  std::string out = fmt::format(
      "{} *{}*", item.resolved ? ":white_check_mark:" : ":red_circle:", escaped(message::cut(item.title, 300)));
  if (!item.description.empty()) out += "\n" + escaped(message::cut(item.description, 700));
  out += "\n" + item.since + "\n`" + escaped(message::cut(item.labels, 500)) + "`";
  std::string links;
  if (!item.runbook_url.empty()) links += link(item.runbook_url, "What to do");
  if (!item.source_url.empty()) links += (links.empty() ? "" : " · ") + link(item.source_url, "Graph");
  if (!links.empty() && links.size() < 1000) out += "\n" + links;
  return out;
}

std::string color(const Notification& n) {
  if (n.resolved()) return "#2eb67d";
  const std::string severity = message::severity(n);
  return severity == "warning" ? "#ecb22e" : severity == "info" ? "#36c5f0" : "#e01e5a";
}

/// The message without its address: a fallback text for notifications, and one coloured attachment of blocks.
json content(const Notification& n, const SlackConfig& config) {
  const message::Items list = message::items(n, kItemsMax);
  json blocks = json::array();
  blocks.push_back({{"type", "header"},
                    {"text", {{"type", "plain_text"}, {"text", message::cut(message::subject(n), kHeaderMax)}}}});
  std::size_t left_out = list.left_out, size = 0;
  for (const message::Item& item : list.items) {
    const std::string text = item_text(item);
    size += text.size();
    if (size > kMessageMax) {
      ++left_out;
      continue;
    }
    blocks.push_back({{"type", "section"}, {"text", mrkdwn(text, kSectionMax)}});
  }
  std::string foot = "to " + escaped(n.receiver);
  if (left_out > 0) foot = fmt::format("… and {} more alerts · ", left_out) + foot;
  if (!message::page_url(n).empty()) foot += " · " + link(message::page_url(n), "all alerts");
  blocks.push_back({{"type", "context"}, {"elements", json::array({mrkdwn(foot, kContextMax)})}});

  std::string fallback = escaped(message::cut(message::subject(n) + ": " + message::headline(n), kFallbackMax));
  if (!n.resolved() && !config.mention.empty()) fallback = config.mention + " " + fallback;
  json out{{"text", fallback}, {"attachments", json::array({{{"color", color(n)}, {"blocks", std::move(blocks)}}})}};
  if (!config.username.empty()) out["username"] = config.username;
  if (!config.icon_emoji.empty()) out["icon_emoji"] = config.icon_emoji;
  return out;
}

std::string change_text(const Notification& n) {
  return fmt::format("{} {}", n.resolved() ? ":white_check_mark:" : ":bell:",
                     escaped(message::cut(message::subject(n) + ": " + message::headline(n), kFallbackMax)));
}

std::string dump(const json& body) {
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// An answer of the Web API.
struct ApiAnswer {
  SendResult result;
  std::string error;  // Slack's word, when it said one
  std::string channel;
  std::string ts;
};

bool may_pass(const std::string& error) {
  static const std::set<std::string> words{"ratelimited",      "rate_limited",        "fatal_error",
                                           "internal_error",   "service_unavailable", "request_timeout",
                                           "team_added_to_org"};
  return words.contains(error);
}

class SlackNotifier final : public Notifier {
 public:
  SlackNotifier(SlackConfig config, NotifierServices& services) : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext& context,
                                          Deadline deadline) override {
    const Result<std::string> secret = config_.token.empty() ? config_.webhook_url.reveal() : config_.token.reveal();
    if (!secret) co_return SendResult::transient(safe_detail(secret.error().message, {}));
    if (config_.token.empty()) co_return co_await post_webhook(notification, *secret, deadline);
    if (context.provider_ref.empty()) co_return co_await post_first(notification, *secret, deadline);
    co_return co_await post_change(notification, context.provider_ref, *secret, deadline);
  }

 private:
  HttpRequest request(std::string url, std::string body) const {
    HttpRequest out;
    out.method = "POST";
    out.url = std::move(url);
    out.headers = {{"Content-Type", "application/json; charset=utf-8"}, {"User-Agent", "tocsin/" TOCSIN_VERSION}};
    out.body = std::move(body);
    out.reuse_connection = true;
    out.body_bytes_max = 64U << 10;
    out.tls = config_.tls;
    out.proxy_url = config_.proxy_url;
    return out;
  }

  boost::asio::awaitable<SendResult> post_webhook(const Notification& n, const std::string& url, Deadline deadline) {
    HttpRequest post = request(url, dump(content(n, config_)));
    const HttpResponse response = co_await services_.http.fetch(std::move(post), deadline);
    const std::vector<std::string> secrets{url};
    SendResult result = http_result(response, url, secrets, services_.clock.now());
    if (result.kind == SendResult::Kind::kOk && !response.body.starts_with("ok")) {
      co_return SendResult::transient(
          safe_detail(fmt::format("HTTP 200 from {}, but not Slack's ok: {}", url_host(url), response.body), secrets));
    }
    co_return result;
  }

  boost::asio::awaitable<ApiAnswer> call(std::string_view method, json body, const std::string& token,
                                         Deadline deadline) {
    const std::string url = fmt::format("{}/{}", config_.api_url, method);
    HttpRequest post = request(url, dump(body));
    post.headers.emplace_back("Authorization", "Bearer " + token);
    const HttpResponse response = co_await services_.http.fetch(std::move(post), deadline);
    const std::vector<std::string> secrets{token};
    ApiAnswer answer{http_result(response, url, secrets, services_.clock.now()), "", "", ""};
    if (!response.ok() || response.status != 200) co_return answer;
    const json said = json::parse(response.body, nullptr, false);
    const auto word = [&](const char* name) {
      return said.is_object() && said.contains(name) && said[name].is_string() ? said[name].get<std::string>()
                                                                               : std::string();
    };
    if (said.is_object() && said.value("ok", json(false)) == json(true)) {
      answer.channel = word("channel");
      answer.ts = word("ts");
      co_return answer;
    }
    answer.error = word("error");
    const std::string detail = safe_detail(
        fmt::format("{} refused by {}: {}", method, url_host(url), answer.error.empty() ? response.body : answer.error),
        secrets);
    if (answer.error.empty() || may_pass(answer.error)) {
      answer.result = SendResult::transient(detail);
      answer.result.retry_after = retry_after(response.headers, services_.clock.now());
      if (answer.error.starts_with("rate")) answer.result.kind = SendResult::Kind::kThrottled;
    } else {
      answer.result = SendResult::permanent(detail);
    }
    co_return answer;
  }

  boost::asio::awaitable<SendResult> post_first(const Notification& n, const std::string& token, Deadline deadline) {
    json body = content(n, config_);
    body["channel"] = config_.channel;
    body["unfurl_links"] = false;
    body["metadata"] = {{"event_type", "tocsin_incident"},
                        {"event_payload", {{"incident", n.incident}, {"idempotency_key", n.idempotency_key}}}};
    ApiAnswer answer = co_await call("chat.postMessage", std::move(body), token, deadline);
    if (answer.result.kind == SendResult::Kind::kOk) answer.result.provider_ref = answer.channel + ":" + answer.ts;
    co_return std::move(answer.result);
  }

  boost::asio::awaitable<SendResult> post_change(const Notification& n, const std::string& ref,
                                                 const std::string& token, Deadline deadline) {
    const std::string channel = ref.substr(0, ref.find(':'));
    const std::string ts = ref.substr(std::min(ref.size(), channel.size() + 1));
    json update = content(n, config_);
    update["channel"] = channel;
    update["ts"] = ts;
    ApiAnswer updated = co_await call("chat.update", std::move(update), token, deadline);
    if (updated.error == "message_not_found" || updated.error == "cant_update_message" ||
        updated.error == "edit_window_closed") {
      co_return co_await post_first(n, token, deadline);
    }
    if (updated.result.kind != SendResult::Kind::kOk) co_return std::move(updated.result);
    json reply{{"channel", channel}, {"thread_ts", ts}, {"text", change_text(n)}, {"unfurl_links", false}};
    if (n.reason == NotifyReason::kRepeat || n.resolved()) reply["reply_broadcast"] = true;
    ApiAnswer replied = co_await call("chat.postMessage", std::move(reply), token, deadline);
    if (replied.result.kind == SendResult::Kind::kOk) replied.result.provider_ref = ref;
    co_return std::move(replied.result);
  }

  SlackConfig config_;
  NotifierServices& services_;
};

NotifierFactory read(Fields& fields) {
  SlackConfig config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<SlackNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kSlackNotifier{
    "slack",
    "Posts to Slack: by an incoming webhook, or with a bot token as one message per incident that is kept up to date.",
    false, read};

}  // namespace tocsin
