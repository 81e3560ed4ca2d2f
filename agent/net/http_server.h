#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/core/config/fields.h"
#include "agent/core/result.h"
#include "agent/net/http_client.h"

namespace tocsin {

struct HttpServerConfig {
  std::string listen = "127.0.0.1:8627";  // host:port, [v6]:port
  std::size_t body_bytes_max = 4U << 20;
  std::size_t header_bytes_max = 64U << 10;
  std::size_t connections_max = 512;
  Duration idle_timeout = std::chrono::seconds(60);
  Duration request_timeout = std::chrono::seconds(30);
  std::string cors_origin = ".*";  // of pages that may read the API: one origin, or ".*" for all
  bool lifecycle = true;           // whether POST /-/reload is heard
  void fields(Fields& f);
};

struct ServerRequest {
  std::string method;
  std::string target;                                      // as sent
  std::string path;                                        // decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  HttpHeaders headers;
  std::string body;
  std::string remote;  // address:port
  /// Whether the client has closed the connection, so that nobody waits for the answer any more. Empty: not known.
  std::function<bool()> client_gone;

  /// The first value of a query parameter (or form field), or "".
  std::string_view param(std::string_view name) const;
  std::vector<std::string_view> params(std::string_view name) const;
};

struct ServerResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  HttpHeaders headers;

  static ServerResponse text(int status, std::string body);
  static ServerResponse json(int status, std::string body);
  /// {"status":"error","errorType":…,"error":…}, the form of Prometheus' API.
  static ServerResponse error(int status, std::string_view type, std::string_view message);
};

/// Answers one request. Suspends when it must; runs on the server's executor.
using HttpHandler = std::function<boost::asio::awaitable<ServerResponse>(ServerRequest)>;

/// A small HTTP/1.1 server on Beast. GET handlers also answer HEAD; bodies over 1 KiB are gzipped when the client takes
/// that; form bodies of POST are added to the query. Too large a body: 413; headers: 431; too many connections: 503 and
/// closed; unknown path: 404; a handler that throws: 500 and a log line.
class HttpServer {
 public:
  HttpServer(boost::asio::any_io_executor executor, HttpServerConfig config);
  ~HttpServer();

  /// `path` is exact, or ends in "/*" for everything below it (the longest match wins). Before start().
  void route(std::string method, std::string path, HttpHandler handler);
  /// Binds and listens. Error: the address is taken or wrong.
  Result<void> start();
  /// The port bound to (for ":0").
  std::uint16_t port() const;
  /// Stops accepting, lets requests in flight finish until `deadline`, closes the rest.
  boost::asio::awaitable<void> stop(Deadline deadline);

  struct Stats {
    std::uint64_t connections_total = 0;
    std::uint64_t requests_total = 0;
    std::uint64_t refused_total = 0;
    std::size_t connections = 0;
  };
  const Stats& stats() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tocsin
