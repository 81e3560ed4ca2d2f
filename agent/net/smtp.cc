// RFC 5321 over our own Stream. libcurl speaks SMTP, too, but it waits for the answer to the final dot in a blocking
// loop (lib/smtp.c, smtp_done), and mail servers like to take their time there: scanners hold a message for half a
// minute. That would stop every probe and every page of this thread. It also cannot say whether the dot had gone out.

#include "agent/net/smtp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <strings.h>
#include <sys/socket.h>

#include <array>

#include "agent/core/base64.h"
#include "agent/core/clock.h"
#include "agent/net/stream.h"

namespace tocsin {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kLineBytesMax = 4096;
constexpr int kReplyLinesMax = 128;

/// RFC 2195: HMAC-MD5 of the challenge under the password, in hexadecimal.
std::string cram_md5(const std::string& username, const std::string& password, std::string_view challenge) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  HMAC(EVP_md5(), password.data(), static_cast<int>(password.size()),
       reinterpret_cast<const unsigned char*>(challenge.data()), challenge.size(), digest.data(), &length);
  std::string out = username + ' ';
  for (unsigned int i = 0; i < length; ++i) out += fmt::format("{:02x}", digest[i]);
  return base64_encode(out);
}

/// CRLF lines, each leading dot doubled, and the dot that ends it (RFC 5321, 4.5.2).
std::string to_data(std::string_view message) {
  std::string out;
  out.reserve(message.size() + message.size() / 32 + 5);
  bool line_start = true;
  for (std::size_t i = 0; i < message.size(); ++i) {
    const char c = message[i];
    if (line_start && c == '.') out += '.';
    if (c == '\n' && (i == 0 || message[i - 1] != '\r')) out += '\r';
    out += c;
    line_start = c == '\n';
  }
  if (!line_start) out += "\r\n";
  return out + ".\r\n";
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 128; });
}

/// May stand between < and > of a command.
bool is_sendable_address(std::string_view address) {
  return !address.empty() && std::none_of(address.begin(), address.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '<' || c == '>' || c == 127;
  });
}

HttpFailure failure_of(StreamFailure failure) {
  switch (failure) {
    case StreamFailure::kNone:
      return HttpFailure::kNone;
    case StreamFailure::kConnect:
      return HttpFailure::kConnect;
    case StreamFailure::kTimeout:
      return HttpFailure::kTimeout;
    case StreamFailure::kTls:
      return HttpFailure::kTls;
    case StreamFailure::kCertificate:
      return HttpFailure::kCertificate;
    case StreamFailure::kTooLong:
      return HttpFailure::kProtocol;
    case StreamFailure::kClosed:
    case StreamFailure::kReset:
    case StreamFailure::kInternal:
      break;
  }
  return HttpFailure::kReceive;
}

/// One session. Every step returns false when the session is over, with the reason in `response`.
class Session {
 public:
  Session(const SmtpRequest& request, const asio::any_io_executor& executor, Deadline deadline)
      : request_(request), stream_(executor), deadline_(deadline) {}

  asio::awaitable<bool> connect(const std::vector<asio::ip::address>& addresses);
  asio::awaitable<bool> open();
  asio::awaitable<bool> log_in();
  asio::awaitable<bool> deliver();

  SmtpResponse response;

 private:
  bool fail_with(HttpFailure failure, std::string error);
  bool fail_with(const StreamResult& result, std::string_view what);
  asio::awaitable<bool> read_reply(std::string_view what);
  asio::awaitable<bool> say(std::string line, std::string_view what);
  asio::awaitable<bool> demand(std::string line, int digit, std::string_view what);
  asio::awaitable<bool> start_tls();
  asio::awaitable<bool> hello();
  bool refused(std::string_view what);
  /// The words after an EHLO keyword; nothing when the server does not offer it.
  std::optional<std::string> extension(std::string_view keyword) const;

  const SmtpRequest& request_;
  Stream stream_;
  Deadline deadline_;
  bool tls_ = false;
  bool loopback_ = false;
  int code_ = 0;
  std::vector<std::string> lines_;  // of the last reply, without the code
  std::vector<std::string> offers_;
};

bool Session::fail_with(HttpFailure failure, std::string error) {
  response.failure = failure;
  response.error = std::move(error);
  return false;
}

bool Session::fail_with(const StreamResult& result, std::string_view what) {
  return fail_with(failure_of(result.failure), fmt::format("{}: {}", what, result.error));
}

bool Session::refused(std::string_view what) {
  std::string text = fmt::format("{}: {} {}", what, code_, lines_.empty() ? "" : lines_.back());
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return fail_with(HttpFailure::kProtocol, text.substr(0, 400));
}

asio::awaitable<bool> Session::read_reply(std::string_view what) {
  lines_.clear();
  for (int i = 0; i < kReplyLinesMax; ++i) {
    std::string line;
    const StreamResult got = co_await stream_.read_line(line, kLineBytesMax, deadline_);
    if (!got.ok()) co_return fail_with(got, what);
    const bool digits =
        line.size() >= 3 && std::all_of(line.begin(), line.begin() + 3, [](char c) { return c >= '0' && c <= '9'; });
    const char mark = line.size() > 3 ? line[3] : ' ';
    if (!digits || (mark != ' ' && mark != '-')) {
      co_return fail_with(HttpFailure::kProtocol, fmt::format("{}: the server's answer is not SMTP", what));
    }
    code_ = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    response.code = code_;
    lines_.push_back(line.size() > 4 ? line.substr(4) : "");
    if (mark == ' ') co_return true;
  }
  co_return fail_with(HttpFailure::kProtocol, fmt::format("{}: the server's answer has too many lines", what));
}

asio::awaitable<bool> Session::say(std::string line, std::string_view what) {
  const StreamResult sent = co_await stream_.write(std::move(line) + "\r\n", deadline_);
  if (!sent.ok()) co_return fail_with(sent, what);
  co_return co_await read_reply(what);
}

asio::awaitable<bool> Session::demand(std::string line, int digit, std::string_view what) {
  const bool answered = co_await say(std::move(line), what);
  if (!answered) co_return false;
  co_return code_ / 100 == digit || refused(what);
}

asio::awaitable<bool> Session::connect(const std::vector<asio::ip::address>& addresses) {
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    // Each address gets its share of the time, so that a dead first one leaves some for the next.
    const Deadline now = SystemClock().steady();
    const auto share = (deadline_ - now) / static_cast<int>(addresses.size() - i);
    const asio::ip::tcp::endpoint to(addresses[i], request_.port);
    const StreamResult connected = co_await stream_.connect(to, "", now + share);
    if (connected.ok()) {
      loopback_ = addresses[i].is_loopback();
      co_return true;
    }
    fail_with(failure_of(connected.failure), connected.error);
    stream_.close();
  }
  co_return false;
}

asio::awaitable<bool> Session::start_tls() {
  const Result<std::shared_ptr<SSL_CTX>> context = make_tls_context(request_.tls);
  if (!context) co_return fail_with(HttpFailure::kInternal, context.error().message);
  const std::string name = request_.tls.server_name.empty() ? request_.host : request_.tls.server_name;
  const StreamResult done = co_await stream_.start_tls(*context, name, !request_.tls.insecure_skip_verify, deadline_);
  tls_ = done.ok();
  if (!tls_) co_return fail_with(failure_of(done.failure), done.error);
  co_return true;
}

asio::awaitable<bool> Session::hello() {
  bool answered = co_await say("EHLO " + request_.hello, "EHLO");
  if (!answered) co_return false;
  offers_ = lines_;
  if (code_ / 100 == 2) co_return true;
  offers_.clear();
  co_return co_await demand("HELO " + request_.hello, 2, "HELO");
}

std::optional<std::string> Session::extension(std::string_view keyword) const {
  for (const std::string& offer : offers_) {
    if (strncasecmp(offer.c_str(), keyword.data(), keyword.size()) != 0) continue;
    if (offer.size() == keyword.size()) return "";
    // Old servers write "AUTH=LOGIN".
    if (offer[keyword.size()] == ' ' || offer[keyword.size()] == '=') return offer.substr(keyword.size() + 1);
  }
  return std::nullopt;
}

asio::awaitable<bool> Session::open() {
  if (request_.implicit_tls) {
    const bool secured = co_await start_tls();
    if (!secured) co_return false;
  }
  const bool greeted = co_await read_reply("greeting");
  if (!greeted) co_return false;
  if (code_ / 100 != 2) co_return refused("greeting");
  const bool known = co_await hello();
  if (!known || tls_ || !request_.start_tls) co_return known;
  if (!extension("STARTTLS")) {
    co_return fail_with(HttpFailure::kTls, "the server does not offer STARTTLS, which is required");
  }
  const bool agreed = co_await demand("STARTTLS", 2, "STARTTLS");
  if (!agreed) {
    if (response.failure == HttpFailure::kProtocol) response.failure = HttpFailure::kTls;
    co_return false;
  }
  const bool secured = co_await start_tls();
  if (!secured) co_return false;
  co_return co_await hello();  // what was said before TLS does not count
}

asio::awaitable<bool> Session::log_in() {
  if (request_.username.empty()) co_return true;
  const std::optional<std::string> offered = extension("AUTH");
  if (!offered)
    co_return fail_with(HttpFailure::kProtocol, "a user name is configured, but the server does not offer AUTH");
  if (!tls_ && !loopback_) {
    co_return fail_with(HttpFailure::kTls, "the password is not sent over a connection without TLS");
  }
  std::string_view rest = *offered;
  while (!rest.empty()) {  // the server's order
    const std::string_view mechanism = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(mechanism.size() + 1, rest.size()));
    if (mechanism == "PLAIN") {
      const std::string token = '\0' + request_.username + '\0' + request_.password;
      co_return co_await demand("AUTH PLAIN " + base64_encode(token), 2, "AUTH PLAIN");
    }
    if (mechanism == "LOGIN") {
      const bool asked = co_await demand("AUTH LOGIN", 3, "AUTH LOGIN");
      if (!asked) co_return false;
      const bool named = co_await demand(base64_encode(request_.username), 3, "AUTH LOGIN");
      if (!named) co_return false;
      co_return co_await demand(base64_encode(request_.password), 2, "AUTH LOGIN");
    }
    if (mechanism == "CRAM-MD5") {
      const bool asked = co_await demand("AUTH CRAM-MD5", 3, "AUTH CRAM-MD5");
      if (!asked) co_return false;
      const Result<std::string> challenge = base64_decode(lines_.back());
      if (!challenge) co_return fail_with(HttpFailure::kProtocol, "AUTH CRAM-MD5: the challenge is not base64");
      co_return co_await demand(cram_md5(request_.username, request_.password, *challenge), 2, "AUTH CRAM-MD5");
    }
  }
  co_return fail_with(HttpFailure::kProtocol,
                      fmt::format("the server offers none of PLAIN, LOGIN and CRAM-MD5, only {}", *offered));
}

asio::awaitable<bool> Session::deliver() {
  std::string options;
  if (!is_ascii(request_.message) && extension("8BITMIME")) options += " BODY=8BITMIME";
  const bool wide = !is_ascii(request_.from) || !std::all_of(request_.to.begin(), request_.to.end(), is_ascii);
  if (wide && extension("SMTPUTF8")) options += " SMTPUTF8";
  bool good = co_await demand(fmt::format("MAIL FROM:<{}>{}", request_.from, options), 2, "MAIL FROM");
  if (!good) co_return false;
  for (const std::string& to : request_.to) {
    good = co_await say(fmt::format("RCPT TO:<{}>", to), "RCPT TO");
    if (!good) co_return false;
    if (code_ / 100 == 2) continue;
    response.refused.push_back({to, code_, lines_.back().substr(0, 400)});
    if (code_ == 421) co_return refused("RCPT TO");
  }
  if (response.refused.size() == request_.to.size()) co_return refused("RCPT TO");
  good = co_await demand("DATA", 3, "DATA");
  if (!good) co_return false;
  const StreamResult sent = co_await stream_.write(to_data(request_.message), deadline_);
  if (!sent.ok()) co_return fail_with(sent, "message");
  // The dot is out. Until the answer is here, nobody knows.
  response.unknown_outcome = true;
  good = co_await read_reply("end of message");
  if (!good) co_return false;
  response.unknown_outcome = false;
  if (code_ / 100 != 2) co_return refused("end of message");
  response.ok = true;
  const StreamResult ignored = co_await stream_.write("QUIT\r\n", deadline_);
  co_return ignored.ok();
}

}  // namespace

asio::awaitable<SmtpResponse> send_mail(Resolver& resolver, SmtpRequest request, Deadline deadline) {
  Session session(request, co_await asio::this_coro::executor, deadline);
  SmtpResponse& response = session.response;
  const bool sendable = is_sendable_address(request.from) && !request.to.empty() &&
                        std::all_of(request.to.begin(), request.to.end(), is_sendable_address) &&
                        is_sendable_address(request.hello);
  if (!sendable) {
    response.failure = HttpFailure::kInternal;
    response.error = "an address of the mail (from, to or hello) is empty or has a character that cannot be sent";
    co_return response;
  }
  const auto addresses = co_await resolver.resolve_all(request.host, AF_UNSPEC, deadline);
  if (!addresses) {
    const bool late = SystemClock().steady() >= deadline;
    response.failure = late ? HttpFailure::kTimeout : HttpFailure::kResolve;
    response.error = addresses.error().message;
    co_return response;
  }
  const bool connected = co_await session.connect(*addresses);
  if (!connected) co_return response;
  response = SmtpResponse{};  // what an address that did not answer left
  const bool open = co_await session.open();
  if (!open) co_return response;
  const bool known = co_await session.log_in();
  if (!known) co_return response;
  co_await session.deliver();
  co_return response;
}

}  // namespace tocsin
