#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/core/time.h"
#include "agent/net/tls.h"

namespace tocsin {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;
/// The first value of a header, name in any case; "" when there is none.
std::string_view header(const HttpHeaders& headers, std::string_view name);

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  HttpHeaders headers;
  std::string body;
  /// Connect to this address instead of resolving the URL's host (Host header and SNI stay the host's).
  std::string pinned_address;
  std::string source_address;
  bool http2 = true;
  /// Ask for compressed bodies and decode them.
  bool decompress = false;
  /// false: a new connection that is closed afterwards, no TLS session reuse: what a probe measures.
  bool reuse_connection = false;
  /// Bytes of decoded body kept; more is an error (kBodyTooLarge). Headers are limited to 64 KiB in all, 256 lines.
  std::size_t body_bytes_max = 1U << 20;
  TlsConfig tls;
  /// Also returns certificates (costs time; probes want it).
  bool want_tls_info = false;
  std::string proxy_url;
};

/// Seconds from the start of the request; 0 when not reached.
struct HttpTimings {
  double resolve = 0;     // 0 with a pinned or literal address
  double connect = 0;     // TCP connected
  double tls = 0;         // handshake done; 0 for plain
  double request = 0;     // about to send
  double first_byte = 0;  // first byte of the answer
  double total = 0;
};

/// Where a request failed.
enum class HttpFailure {
  kNone,
  kResolve,
  kConnect,
  kTls,          // handshake
  kCertificate,  // not trusted, expired, wrong name
  kTimeout,
  kSend,
  kReceive,   // closed or reset in the middle of the answer
  kProtocol,  // not HTTP, bad encoding, headers too large
  kBodyTooLarge,
  kBadUrl,
  kInternal,
};
std::string_view to_string(HttpFailure failure);

struct HttpResponse {
  HttpFailure failure = HttpFailure::kNone;
  std::string error;  // for a person; empty when failure is kNone
  /// True when the whole request had been handed to the kernel: a failure after that is an unknown outcome.
  bool request_sent = false;
  int status = 0;            // also set when the body failed
  std::string http_version;  // "1.1", "2"
  HttpHeaders headers;
  std::string body;
  /// Bytes of body as they came over the wire.
  std::uint64_t wire_bytes = 0;
  HttpTimings timings;
  std::string remote_address;
  std::optional<TlsInfo> tls;

  bool ok() const { return failure == HttpFailure::kNone; }
};

/// A mail to be handed to an SMTP server.
struct SmtpRequest {
  std::string host;
  std::uint16_t port = 587;
  std::string hello = "localhost";
  bool implicit_tls = false;
  /// STARTTLS must succeed before anything else is said; false: it is not used.
  bool start_tls = true;
  TlsConfig tls;
  std::string username;
  std::string password;
  std::string from;
  std::vector<std::string> to;
  std::string message;  // RFC 5322, CRLF lines; dot-stuffing is done here
};

/// A recipient the server would not take while it took others.
struct RefusedRecipient {
  std::string address;
  int code = 0;  // 450: later perhaps; 550: never
  std::string text;
};

struct SmtpResponse {
  /// The server took the message for every recipient that is not in `refused`.
  bool ok = false;
  std::vector<RefusedRecipient> refused;
  HttpFailure failure = HttpFailure::kNone;
  /// The server's last code: 250, 421, 450, 535, 550 …; 0 when it never answered.
  int code = 0;
  std::string error;
  /// True when the final dot was sent but not answered: it may have been taken.
  bool unknown_outcome = false;
};

/// HTTP(S) and SMTP by libcurl's multi interface on an io_context: sockets and timers are Asio's, nothing polls, easy
/// handles are pooled, and the CA store is parsed once. One executor, one thread.
///
/// Redirects are not followed: the caller decides (a probe measures each hop; a webhook follows none).
class HttpClient {
 public:
  /// Names are looked up by c-ares; a name with several addresses is tried as curl does (RFC 8305).
  explicit HttpClient(boost::asio::any_io_executor executor);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;

  /// One exchange. Ends at `deadline` with kTimeout, and at once when cancelled (throws operation_aborted). Never
  /// throws else.
  boost::asio::awaitable<HttpResponse> fetch(HttpRequest request, Deadline deadline);
  boost::asio::awaitable<SmtpResponse> send_mail(SmtpRequest request, Deadline deadline);

  std::size_t in_flight() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tocsin
