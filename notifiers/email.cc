// Mail. A message's id is made from (incident, sequence, channel), so a copy that had to be sent again is recognised as
// one by mail programs; the messages of an incident hang below its first one.
//
// 4xx answers are tried again, 5xx are not, and each recipient counts for itself: whoever has the mail does not get it
// again because another's mailbox was busy. A connection that breaks after the final dot is an unknown outcome: sent
// again with the same id. STARTTLS is required unless it is switched off, so that nobody in between can talk us out of
// it.

#include <unistd.h>

#include "agent/core/log.h"
#include "agent/net/http_client.h"
#include "notifiers/http_result.h"
#include "notifiers/mail.h"
#include "notifiers/message.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

constexpr std::size_t kTextMax = 256 * 1024;
constexpr std::size_t kHtmlItems = 100;
constexpr std::size_t kSubjectMax = 250;
constexpr std::size_t kLeftMax = 1000;

struct EmailConfig {
  std::vector<std::string> to;
  std::string from;
  std::string smarthost;
  std::string hello;
  bool require_tls = true;
  bool implicit_tls = false;
  std::string username;
  Secret password;
  std::map<std::string, std::string> headers;
  TlsConfig tls;

  void fields(Fields& f) {
    f("to", to, "Who gets the mail: addresses, `Name <address>` is fine.")
        .required()
        .check([](const auto& list) { return !list.empty(); }, "must not be empty");
    f("from", from, "The sender's address.").required();
    f("smarthost", smarthost, "The mail server: host:port; 465 speaks TLS from the start.").required();
    f("hello", hello, "What we call ourselves to the server. Default: this host's name.");
    f("require_tls", require_tls, "Insist on STARTTLS. false: it is not used at all.");
    f("implicit_tls", implicit_tls, "TLS from the start, also on other ports than 465.");
    f("username", username, "User for AUTH.");
    f("password", password, "Password for AUTH.");
    f("headers", headers, "More headers of every mail.");
    f("tls", tls, "TLS, with the keys of Prometheus' tls_config.");
    if (!f.reading()) return;
    for (const std::string& one : to) {
      if (const auto found = mail::address(one); !found) f.mistake_at("to", found.error().message + ".");
    }
    if (!from.empty()) {
      if (const auto found = mail::address(from); !found) f.mistake_at("from", found.error().message + ".");
    }
    if (!smarthost.empty() && !split()) f.mistake_at("smarthost", "\"smarthost\" must be host:port.");
  }

  struct Server {
    std::string host;
    std::uint16_t port;
  };
  std::optional<Server> split() const {
    const std::size_t colon = smarthost.rfind(':');
    if (colon == std::string::npos || colon == 0) return std::nullopt;
    const std::string port = smarthost.substr(colon + 1);
    if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos)
      return std::nullopt;
    const unsigned long number = std::stoul(port);
    if (number == 0 || number > 65535) return std::nullopt;
    std::string host = smarthost.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return Server{host, static_cast<std::uint16_t>(number)};
  }
};

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

/// Only what may stand in a message id (RFC 5322 dot-atom).
std::string id_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
    out += plain ? c : '-';
  }
  return out;
}

std::string message_id(const Notification& n, std::int64_t sequence, const std::string& domain) {
  return fmt::format("{}.{}.{}@{}", id_text(n.incident), sequence, id_text(n.channel), domain);
}

mail::Mail compose(const Notification& n, const EmailConfig& config, TimePoint now) {
  mail::Mail out;
  out.from = config.from;
  out.to = config.to;
  const std::string what = n.resolved() ? "" : ": " + message::headline(n);
  out.subject = message::cut(message::subject(n) + what, kSubjectMax);
  out.date = now;
  const std::string address = mail::address(config.from).value_or("tocsin@localhost");
  const std::string domain = address.substr(address.rfind('@') + 1);
  out.message_id = message_id(n, n.sequence, domain);
  if (n.sequence > 1) out.references = {message_id(n, 1, domain)};
  out.headers = {{"Auto-Submitted", "auto-generated"},
                 {"List-Id", fmt::format("tocsin {} <{}.tocsin.{}>", n.receiver, id_text(n.receiver), domain)},
                 {"X-Tocsin-Incident", n.incident},
                 {"X-Tocsin-Status", std::string(n.status())}};
  if (!n.resolved() && message::severity(n) == "critical") out.headers.emplace_back("X-Priority", "1 (Highest)");
  for (const auto& [name, value] : config.headers) out.headers.emplace_back(name, value);
  out.text = message::text(n, kTextMax);
  out.html = message::html(n, kHtmlItems);
  return out;
}

SendResult judged(const SmtpResponse& response, const std::string& smarthost, std::span<const std::string> secrets) {
  if (response.ok) return SendResult::ok();
  SendResult result;
  result.detail = safe_detail(fmt::format("{}: {}", smarthost, response.error), secrets);
  if (response.unknown_outcome) {
    result.kind = SendResult::Kind::kUnknown;
  } else if (response.code / 100 == 5) {
    result.kind = SendResult::Kind::kPermanent;
  } else {
    result.kind = SendResult::Kind::kTransient;
  }
  return result;
}

class EmailNotifier final : public Notifier {
 public:
  EmailNotifier(EmailConfig config, NotifierServices& services) : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext&,
                                          Deadline deadline) override {
    const Result<std::string> password = config_.password.reveal();
    if (!password) co_return SendResult::transient(safe_detail(password.error().message, {}));
    const EmailConfig::Server server = *config_.split();
    const mail::Mail mail = compose(notification, config_, services_.clock.now());
    SmtpRequest request;
    request.host = server.host;
    request.port = server.port;
    request.hello = config_.hello.empty() ? host_name() : config_.hello;
    request.implicit_tls = config_.implicit_tls || server.port == 465;
    request.start_tls = config_.require_tls && !request.implicit_tls;
    request.tls = config_.tls;
    request.username = config_.username;
    request.password = *password;
    request.from = *mail::address(config_.from);
    request.to = recipients(notification.idempotency_key);
    request.message = mail::format(mail);
    const SmtpResponse response = co_await services_.http.send_mail(std::move(request), deadline);
    const std::vector<std::string> secrets{*password};
    SendResult result = judged(response, config_.smarthost, secrets);
    if (response.ok) result = partly(response, notification.idempotency_key);
    if (result.kind == SendResult::Kind::kOk) result.provider_ref = mail.message_id;
    co_return result;
  }

 private:
  /// Who has not got this message yet.
  std::vector<std::string> recipients(const std::string& key) const {
    if (const auto rest = left_.find(key); rest != left_.end()) return rest->second;
    std::vector<std::string> all;
    for (const std::string& to : config_.to) all.push_back(*mail::address(to));
    return all;
  }

  /// What an accepted message that some recipients were refused comes to. Who may get it later is remembered in memory
  /// only: after a restart everybody gets it again, which is better than somebody not at all.
  SendResult partly(const SmtpResponse& response, const std::string& key) {
    std::vector<std::string> later;
    std::string refused;
    for (const RefusedRecipient& one : response.refused) {
      if (one.code / 100 != 5) later.push_back(one.address);
      refused += fmt::format("{}{}: {} {}", refused.empty() ? "" : "; ", one.address, one.code, one.text);
    }
    if (!refused.empty()) log::warn("{} refused recipients: {}", config_.smarthost, safe_detail(refused, {}));
    left_.erase(key);
    if (later.empty()) return SendResult::ok();
    if (left_.size() >= kLeftMax) left_.erase(left_.begin());
    left_[key] = std::move(later);
    return SendResult::transient(safe_detail(fmt::format("{}: {}", config_.smarthost, refused), {}));
  }

  EmailConfig config_;
  NotifierServices& services_;
  std::map<std::string, std::vector<std::string>> left_;  // by idempotency key
};

NotifierFactory read(Fields& fields) {
  EmailConfig config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<EmailNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kEmailNotifier{"email", "Sends mail, in text and HTML, one thread per incident.", false,
                                            read};

}  // namespace tocsin
