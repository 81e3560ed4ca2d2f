#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "tests/support/certs.h"

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace tocsin::test {

/// One connection as a script sees it: blocking calls, each false or empty once the client is gone (or the server
/// stops).
class Peer {
 public:
  Peer(int fd, SSL_CTX* tls);
  ~Peer();
  Peer(const Peer&) = delete;

  /// Everything up to and with `end`; what came when the client closed first.
  std::string read_until(const std::string& end);
  /// A line without its CRLF.
  std::string read_line();
  std::string read_exactly(std::size_t count);
  /// The head and the body (by Content-Length) of an HTTP request.
  std::string read_http();
  bool write(const std::string& bytes);
  /// `bytes` again and again until the client has had enough.
  void write_forever(const std::string& bytes);
  /// Byte by byte with a pause after each.
  void drip(const std::string& bytes, int pause_ms);
  /// From now on TLS. False when the handshake failed.
  bool start_tls();
  /// A RST instead of a FIN.
  void reset();
  /// Says nothing until the client closes.
  void wait_closed();

 private:
  friend class RawServer;
  long receive(char* to, std::size_t count);
  int fd_;
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  std::string buffer_;
};

/// A TCP server on a loopback port that does to each connection what its script says, each on a thread of its own. The
/// connection is closed when the script returns.
///
///     RawServer server([](Peer& peer) { peer.read_http(); peer.write("HTTP/1.1 200 OK\r\nContent-Length:
///     2\r\n\r\nhi"); }); fetch(server.url("/"));
///
/// With an identity the connection is TLS from the start, unless `kOnRequest` leaves that to Peer::start_tls().
class RawServer {
 public:
  using Script = std::function<void(Peer&)>;
  enum class Tls { kAtOnce, kOnRequest };

  explicit RawServer(Script script, std::optional<Identity> identity = {}, Tls when = Tls::kAtOnce, bool ipv6 = false);
  /// Closes everything and waits for the scripts.
  ~RawServer();
  RawServer(const RawServer&) = delete;

  std::uint16_t port() const { return port_; }
  /// http(s)://127.0.0.1:port/path (https when TLS starts at once).
  std::string url(const std::string& path = "/") const;
  /// How many clients came so far.
  int connections() const { return connections_; }

 private:
  void accept();
  void serve(int fd);

  Script script_;
  SSL_CTX* context_ = nullptr;
  Tls when_;
  bool ipv6_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::list<int> open_;  // guarded by mutex_
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

/// A port of 127.0.0.1 on which nobody listens.
std::uint16_t closed_port();

}  // namespace tocsin::test
