// Telegram, by a bot. The first message of an incident is what the later ones answer to, so that a chat shows one
// thread per incident.
//
// Contract: core.telegram.org/bots/api#sendmessage. The answer's JSON decides: 429 says in parameters.retry_after how
// long to wait; a group that became a supergroup says its new id in parameters.migrate_to_chat_id; a text that Telegram
// cannot parse is sent again without markup, because an ugly page is better than none.

#include "notifiers/http_channel.h"
#include "notifiers/message.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t kTextMax = 3800;  // of 4096 characters, counted in bytes and with the markup
constexpr std::size_t kItemsMax = 20;

struct TelegramConfig {
  Secret token;
  std::string chat_id;
  std::int64_t message_thread_id = 0;
  bool silent_resolved = true;
  std::string api_url = "https://api.telegram.org";
  HttpChannelConfig http;

  void fields(Fields& f) {
    f("token", token, "The bot's token.").required();
    f("chat_id", chat_id, "The chat's id (-100…), or a public channel's @name.").required();
    f("message_thread_id", message_thread_id, "The topic of a forum; 0: none.");
    f("silent_resolved", silent_resolved, "Tell the end of an incident without a sound.");
    f("api_url", api_url, "Where the Bot API is.")
        .check([](const std::string& v) { return message::is_link(v); }, "must be an http or https URL");
    http.fields(f);
  }
};

/// Telegram's HTML knows three entities and needs no more.
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
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string link(const std::string& url, std::string_view text) {
  return fmt::format("<a href=\"{}\">{}</a>", escaped(url), text);
}

std::string item_html(const message::Item& item) {
  std::string out =
      fmt::format("\n\n{} <b>{}</b>\n", item.resolved ? "✅" : "🔴", escaped(message::cut(item.title, 200)));
  if (!item.description.empty()) out += escaped(message::cut(item.description, 500)) + "\n";
  out += fmt::format("{}\n<code>{}</code>", item.since, escaped(message::cut(item.labels, 300)));
  if (!item.runbook_url.empty()) out += "\n" + link(item.runbook_url, "What to do");
  if (!item.source_url.empty()) out += "\n" + link(item.source_url, "Graph");
  return out;
}

/// Whole alerts only, so that no tag is cut through.
std::string html(const Notification& n) {
  const message::Items list = message::items(n, kItemsMax);
  std::string out = "<b>" + escaped(message::cut(message::subject(n), 300)) + "</b>";
  std::string tail;
  if (const std::string page = message::page_url(n); !page.empty()) tail = "\n" + link(page, "All alerts");
  std::size_t left_out = list.left_out;
  for (const message::Item& item : list.items) {
    const std::string text = item_html(item);
    if (out.size() + text.size() + tail.size() > kTextMax) {
      ++left_out;
    } else {
      out += text;
    }
  }
  if (left_out > 0) out += fmt::format("\n\n… and {} more alerts", left_out);
  return out + tail;
}

/// What travels as the provider reference: the chat, which may have moved, and the incident's first message.
struct Thread {
  std::string chat;
  std::int64_t message = 0;
  std::string str() const { return fmt::format("{}:{}", chat, message); }
  static Thread read(const std::string& ref, const std::string& chat) {
    const std::size_t colon = ref.rfind(':');
    if (colon == std::string::npos) return {chat, 0};
    return {ref.substr(0, colon), std::strtoll(ref.c_str() + colon + 1, nullptr, 10)};
  }
};

class TelegramNotifier final : public Notifier {
 public:
  TelegramNotifier(TelegramConfig config, NotifierServices& services)
      : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext& context,
                                          Deadline deadline) override {
    const Result<std::string> token = config_.token.reveal();
    if (!token) co_return SendResult::transient(safe_detail(token.error().message, {}));
    Thread thread = Thread::read(context.provider_ref, config_.chat_id);
    bool plain = false;
    for (int tries = 0;; ++tries) {
      VendorCall call{.url = fmt::format("{}/bot{}/sendMessage", config_.api_url, *token),
                      .body = dump(body_of(notification, thread, plain)),
                      .secrets = {*token}};
      VendorAnswer answer = co_await call_vendor(services_, config_.http, std::move(call), deadline);
      const nlohmann::json said = answer.json();
      const nlohmann::json parameters = said.value("parameters", nlohmann::json::object());
      const std::string description = said.value("description", "");
      if (tries < 2 && answer.status == 400 && parameters.contains("migrate_to_chat_id")) {
        thread = {parameters["migrate_to_chat_id"].dump(), 0};
        continue;
      }
      if (tries < 2 && !plain && answer.status == 400 &&
          description.find("can't parse entities") != std::string::npos) {
        plain = true;
        continue;
      }
      co_return judged(answer, said, parameters, thread);
    }
  }

 private:
  json body_of(const Notification& n, const Thread& thread, bool plain) const {
    json out{{"chat_id", thread.chat}, {"text", plain ? message::text(n, kTextMax) : html(n)}};
    if (!plain) out["parse_mode"] = "HTML";
    out["link_preview_options"] = {{"is_disabled", true}};
    if (config_.message_thread_id != 0) out["message_thread_id"] = config_.message_thread_id;
    if (n.resolved() && config_.silent_resolved) out["disable_notification"] = true;
    if (thread.message != 0) {
      out["reply_parameters"] = {{"message_id", thread.message}, {"allow_sending_without_reply", true}};
    }
    return out;
  }

  static SendResult judged(const VendorAnswer& answer, const nlohmann::json& said, const nlohmann::json& parameters,
                           Thread thread) {
    SendResult result = answer.result;
    if (answer.status == 429 && parameters.contains("retry_after") && parameters["retry_after"].is_number()) {
      result.retry_after = vendor_wait(parameters["retry_after"].get<double>());
    }
    if (result.kind != SendResult::Kind::kOk) return result;
    if (said.value("ok", nlohmann::json(false)) != true) {
      return SendResult::transient(fmt::format("HTTP {} without \"ok\": not the Bot API's answer", answer.status));
    }
    const nlohmann::json sent = said.value("result", nlohmann::json::object());
    if (thread.message == 0 && sent.contains("message_id") && sent["message_id"].is_number_integer()) {
      thread.message = sent["message_id"].get<std::int64_t>();
    }
    result.provider_ref = thread.str();
    return result;
  }

  TelegramConfig config_;
  NotifierServices& services_;
};

NotifierFactory read(Fields& fields) {
  TelegramConfig config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<TelegramNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kTelegramNotifier{
    "telegram", "Sends to a Telegram chat by a bot, one thread of answers per incident.", true, read};

}  // namespace tocsin
