#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/core/result.h"
#include "agent/core/time.h"
#include "agent/net/tls.h"

namespace tocsin {

/// Where an operation on a stream ended.
enum class StreamFailure { kNone, kConnect, kTimeout, kClosed, kReset, kTls, kCertificate, kTooLong, kInternal };

struct StreamResult {
  StreamFailure failure = StreamFailure::kNone;
  std::string error;  // for a person
  bool ok() const { return failure == StreamFailure::kNone; }
};

/// A TCP connection that may become TLS (at once or by STARTTLS). One thread. Every operation ends by its deadline and
/// heeds cancellation; what the peer sends is buffered up to a limit.
class Stream {
 public:
  explicit Stream(boost::asio::any_io_executor executor);
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  boost::asio::awaitable<StreamResult> connect(boost::asio::ip::tcp::endpoint to, std::string source_address,
                                               Deadline deadline);
  /// Handshake as a client. tls_info() is there afterwards, also when the certificate was refused (kCertificate).
  /// `context` from make_tls_context; `server_name` for SNI and the check of the name.
  boost::asio::awaitable<StreamResult> start_tls(std::shared_ptr<SSL_CTX> context, std::string server_name, bool verify,
                                                 Deadline deadline);
  boost::asio::awaitable<StreamResult> write(std::string bytes, Deadline deadline);
  /// Up to and without the next "\n" (and a "\r" before it), at most `bytes_max`. What the peer sent after its last
  /// "\n" before it closed is a line, too.
  boost::asio::awaitable<StreamResult> read_line(std::string& line, std::size_t bytes_max, Deadline deadline);
  /// Exactly `count` bytes.
  boost::asio::awaitable<StreamResult> read_exactly(std::string& bytes, std::size_t count, Deadline deadline);

  const std::optional<TlsInfo>& tls_info() const;
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin
