// One coroutine accepts, one serves each connection. Beast reads and writes HTTP; every wait has a deadline through
// tcp_stream's own timer: idle_timeout between requests, request_timeout for receiving one and again for sending its
// answer. The time a handler takes is its own affair.
//
// stop() shuts connections that wait for a request at once; those in the middle of one finish and are closed after it.

#include "agent/net/http_server.h"

#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <list>
#include <nlohmann/json.hpp>

#include "agent/core/async.h"
#include "agent/core/log.h"
#include "agent/core/url.h"
#include "agent/net/completion.h"
#include "agent/net/compression.h"

namespace tocsin {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;

namespace {

constexpr std::size_t kGzipFrom = 1024;

struct Route {
  std::string method;
  std::string path;  // without the "*" of a prefix
  bool prefix = false;
  HttpHandler handler;
};

using Parser = http::request_parser<http::string_body>;
using Answer = http::response<http::string_body>;

/// Errors: a broken escape, or too many parameters.
Result<void> add_query(std::string_view text, QueryPairs& out) {
  Result<QueryPairs> pairs = parse_query(text);
  if (!pairs) return tl::make_unexpected(pairs.error());
  out.insert(out.end(), std::make_move_iterator(pairs->begin()), std::make_move_iterator(pairs->end()));
  return {};
}

/// Errors: what the client got wrong.
Result<ServerRequest> to_request(http::request<http::string_body> from, const std::string& remote) {
  ServerRequest request;
  request.method = std::string(from.method_string());
  request.target = std::string(from.target());
  request.remote = remote;
  std::string_view target = request.target;
  if (target.starts_with("http://") || target.starts_with("https://")) {  // RFC 9112, 3.2.2
    const std::size_t slash = target.find('/', target.find("://") + 3);
    target = slash == target.npos ? "/" : target.substr(slash);
  }
  const std::size_t mark = target.find('?');
  Result<std::string> path = percent_decode(target.substr(0, mark));
  if (!path) return fail_in("path", path.error());
  request.path = std::move(*path);
  if (mark != target.npos) {
    if (const auto added = add_query(target.substr(mark + 1), request.query); !added)
      return fail_in("query", added.error());
  }
  for (const auto& field : from)
    request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  request.body = std::move(from.body());
  const std::string_view type = header(request.headers, "Content-Type");
  if (beast::iequals(type.substr(0, type.find(';')), "application/x-www-form-urlencoded")) {
    if (const auto added = add_query(request.body, request.query); !added) return fail_in("form", added.error());
  }
  return request;
}

/// Looks whether the other side has closed; takes nothing.
bool is_closed(tcp::socket& socket) {
  char byte = 0;
  const ssize_t got = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

bool takes_gzip(const http::request<http::string_body>& request) {
  bool gzip = false;
  for (const auto& item : http::ext_list(request[http::field::accept_encoding])) {
    if (!beast::iequals(item.first, "gzip") && item.first != "*") continue;
    gzip = true;
    for (const auto& parameter : item.second) {
      if (parameter.first == "q" && parameter.second.find_first_not_of("0.") == parameter.second.npos) return false;
    }
  }
  return gzip;
}

Answer to_answer(ServerResponse from, bool gzip, bool head) {
  Answer answer{static_cast<http::status>(from.status), 11};
  answer.set(http::field::content_type, from.content_type);
  for (const auto& [name, value] : from.headers) answer.insert(name, value);
  const bool encoded = answer.find(http::field::content_encoding) != answer.end();
  if (from.body.size() >= kGzipFrom && !encoded) {
    answer.insert(http::field::vary, "Accept-Encoding");
    if (gzip) {
      answer.set(http::field::content_encoding, "gzip");
      from.body = gzip_compress(from.body);
    }
  }
  const std::size_t length = from.body.size();
  if (!head) answer.body() = std::move(from.body);
  const bool bodyless = from.status == 204 || from.status == 304 || from.status < 200;
  if (!bodyless) answer.content_length(length);
  return answer;
}

/// "127.0.0.1:80", "[::1]:80", "localhost:80", ":80".
Result<tcp::endpoint> parse_listen(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return fail("\"{}\" is not host:port", text);
  std::string host = text.substr(0, colon);
  const std::string port_text = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) host = "::";
  if (host == "localhost") host = "127.0.0.1";
  error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (error) return fail("\"{}\" is not an address to listen on", host);
  unsigned port = 0;
  for (const char c : port_text) {
    if (c < '0' || c > '9' || port > 65535) return fail("\"{}\" is not a port", port_text);
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (port_text.empty() || port > 65535) return fail("\"{}\" is not a port", port_text);
  return tcp::endpoint(address, static_cast<std::uint16_t>(port));
}

std::string to_text(const tcp::endpoint& endpoint) {
  return fmt::format(fmt::runtime(endpoint.address().is_v6() ? "[{}]:{}" : "{}:{}"), endpoint.address().to_string(),
                     endpoint.port());
}

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  Impl(const asio::any_io_executor& executor_, HttpServerConfig config_)
      : executor(executor_), config(std::move(config_)), acceptor(executor_), tasks(executor_) {}

  struct Connection : std::enable_shared_from_this<Connection> {
    explicit Connection(tcp::socket socket) : stream(std::move(socket)) {}
    beast::tcp_stream stream;
    beast::flat_buffer buffer;
    std::string remote;
    bool busy = false;  // in the middle of a request
  };
  using ConnectionPtr = std::shared_ptr<Connection>;

  Result<void> listen();
  asio::awaitable<void> accept(std::shared_ptr<Impl> self);
  static asio::awaitable<bool> all_ended(std::shared_ptr<Impl> self);
  asio::awaitable<void> serve(std::shared_ptr<Impl> self, ConnectionPtr connection);
  /// One request and its answer; false when the connection is over.
  asio::awaitable<bool> exchange(Connection& connection);
  asio::awaitable<ServerResponse> handle(ServerRequest request);
  asio::awaitable<bool> send(Connection& connection, Answer answer);
  const Route* find(const ServerRequest& request, std::string& allowed) const;

  asio::any_io_executor executor;
  HttpServerConfig config;
  tcp::acceptor acceptor;
  std::vector<Route> routes;
  std::list<ConnectionPtr> connections;
  TaskGroup tasks;
  Stats stats;
  std::uint16_t port = 0;
  bool stopping = false;
};

void HttpServerConfig::fields(Fields& f) {
  f("listen", listen, "Where to listen: host:port or [v6]:port.");
  f("body_bytes_max", body_bytes_max, "The largest request body.").range(0, std::size_t{1} << 30);
  f("header_bytes_max", header_bytes_max, "The largest request headers, in all.").range(1024, std::size_t{1} << 20);
  f("connections_max", connections_max, "Connections at a time.").range(1, 100000);
  f("idle_timeout", idle_timeout, "How long a connection may wait for its next request.")
      .range(Duration(1), std::chrono::hours(1));
  f("request_timeout", request_timeout, "How long receiving a request, or sending its answer, may take.")
      .range(Duration(1), std::chrono::hours(1));
  f("cors_origin", cors_origin,
    "Whose pages may read the API from a browser: one origin (`https://grafana.example`), or `.*` for all.");
  f("lifecycle", lifecycle, "Whether POST /-/reload reloads; otherwise it answers 403.");
}

std::string_view ServerRequest::param(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return "";
}

std::vector<std::string_view> ServerRequest::params(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const auto& [key, value] : query) {
    if (key == name) out.push_back(value);
  }
  return out;
}

Result<void> HttpServer::Impl::listen() {
  const Result<tcp::endpoint> at = parse_listen(config.listen);
  if (!at) return tl::make_unexpected(at.error());
  const auto failed = [this](std::string_view what, const error_code& error) {
    error_code ignored;
    acceptor.close(ignored);
    return fail("cannot {} {}: {}", what, config.listen, error.message());
  };
  error_code error;
  acceptor.open(at->protocol(), error);
  if (error) return failed("open", error);
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  acceptor.bind(*at, error);
  if (error) return failed("bind", error);
  acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) return failed("listen on", error);
  port = acceptor.local_endpoint(error).port();
  return {};
}

asio::awaitable<bool> HttpServer::Impl::all_ended(std::shared_ptr<Impl> self) {
  co_await self->tasks.join();
  co_return true;
}

asio::awaitable<void> HttpServer::Impl::accept(std::shared_ptr<Impl> self) {
  asio::steady_timer pause(executor);
  while (!stopping) {
    tcp::socket socket(executor);
    error_code error;
    co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (stopping || error == asio::error::operation_aborted) break;
    if (error) {  // no more file descriptors, most likely: they come back
      log::warn("http server: cannot accept: {}", error.message());
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    ++stats.connections_total;
    if (connections.size() >= 2 * config.connections_max) {  // too many even to say so
      ++stats.refused_total;
      continue;
    }
    auto connection = std::make_shared<Connection>(std::move(socket));
    const tcp::endpoint remote = connection->stream.socket().remote_endpoint(error);
    if (error) continue;  // gone already
    connection->remote = to_text(remote);
    connection->stream.socket().set_option(tcp::no_delay(true), error);
    connections.push_back(connection);
    stats.connections = connections.size();
    tasks.spawn("http connection", serve(self, connection));
  }
}

asio::awaitable<void> HttpServer::Impl::serve(std::shared_ptr<Impl> /*keeps us*/, ConnectionPtr connection) {
  struct Leave {
    Impl& server;
    Connection* leaving;
    ~Leave() {
      server.connections.remove_if([this](const ConnectionPtr& c) { return c.get() == leaving; });
      server.stats.connections = server.connections.size();
    }
  };
  const Leave leave{*this, connection.get()};
  if (connections.size() > config.connections_max) {
    ++stats.refused_total;
    Answer answer = to_answer(ServerResponse::text(503, "too many connections\n"), false, false);
    answer.keep_alive(false);
    co_await send(*connection, std::move(answer));
  } else {
    bool more = true;
    while (more && !stopping) more = co_await exchange(*connection);
  }
  // Half-close and read on for a moment: closing with unread bytes would reset the connection and lose the answer.
  error_code ignored;
  connection->stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  connection->stream.expires_after(std::chrono::seconds(1));
  for (int i = 0; i < 64 && !ignored; ++i) {
    connection->buffer.clear();
    const auto room = connection->buffer.prepare(16384);
    co_await connection->stream.async_read_some(room, asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<bool> HttpServer::Impl::exchange(Connection& connection) {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(config.header_bytes_max));
  parser.body_limit(config.body_bytes_max);
  error_code error;
  if (connection.buffer.size() == 0) {  // nothing pipelined: wait for the first byte
    connection.stream.expires_after(config.idle_timeout);
    const auto room = connection.buffer.prepare(4096);
    const std::size_t got =
        co_await connection.stream.async_read_some(room, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return false;
    connection.buffer.commit(got);
  }
  connection.busy = true;
  connection.stream.expires_after(config.request_timeout);
  co_await http::async_read_header(connection.stream, connection.buffer, parser,
                                   asio::redirect_error(asio::use_awaitable, error));
  if (!error && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    http::response<http::empty_body> go_on{http::status::continue_, 11};
    co_await http::async_write(connection.stream, go_on, asio::redirect_error(asio::use_awaitable, error));
  }
  if (!error) {
    co_await http::async_read(connection.stream, connection.buffer, parser,
                              asio::redirect_error(asio::use_awaitable, error));
  }
  ++stats.requests_total;
  if (error) {
    int status = 400;
    if (error == http::error::body_limit) status = 413;
    if (error == http::error::header_limit) status = 431;
    if (error == beast::error::timeout) status = 408;
    const bool spoke_http = error.category() == http::make_error_code(http::error::bad_method).category();
    const bool answerable =
        status != 400 || (spoke_http && error != http::error::end_of_stream && error != http::error::partial_message);
    if (!answerable || status == 408) co_return false;
    Answer refusal = to_answer(ServerResponse::text(status, fmt::format("{}\n", error.message())), false, false);
    refusal.keep_alive(false);
    co_await send(connection, std::move(refusal));
    co_return false;
  }
  connection.stream.expires_never();
  const bool keep = parser.get().keep_alive();
  const unsigned version = parser.get().version();
  const bool gzip = takes_gzip(parser.get());
  const bool head = parser.get().method() == http::verb::head;
  Result<ServerRequest> request = to_request(parser.release(), connection.remote);
  ServerResponse response;
  if (request) {
    request->client_gone = [weak = connection.weak_from_this()] {
      const ConnectionPtr open = weak.lock();
      return open == nullptr || is_closed(open->stream.socket());
    };
    response = co_await handle(std::move(*request));
  } else {
    response = ServerResponse::text(400, request.error().message + "\n");
  }
  Answer answer = to_answer(std::move(response), gzip, head);
  answer.version(version);
  answer.keep_alive(keep && !stopping);
  const bool sent = co_await send(connection, std::move(answer));
  connection.busy = false;
  co_return sent&& keep && !stopping;
}

asio::awaitable<bool> HttpServer::Impl::send(Connection& connection, Answer answer) {
  connection.stream.expires_after(config.request_timeout);
  error_code error;
  co_await http::async_write(connection.stream, answer, asio::redirect_error(asio::use_awaitable, error));
  co_return !error;
}

const Route* HttpServer::Impl::find(const ServerRequest& request, std::string& allowed) const {
  const auto matches = [&request](const Route& route) {
    return route.prefix ? request.path.starts_with(route.path) : request.path == route.path;
  };
  // The longest path decides, an exact one before a prefix; then the method must fit.
  const Route* best = nullptr;
  for (const Route& route : routes) {
    if (!matches(route)) continue;
    const bool better = best == nullptr || (best->prefix && !route.prefix) ||
                        (best->prefix == route.prefix && route.path.size() > best->path.size());
    if (better) best = &route;
  }
  if (best == nullptr) return nullptr;
  for (const Route& route : routes) {
    if (route.path != best->path || route.prefix != best->prefix) continue;
    if (route.method == request.method || (route.method == "GET" && request.method == "HEAD")) return &route;
    allowed += (allowed.empty() ? "" : ", ") + route.method;
    if (route.method == "GET") allowed += ", HEAD";
  }
  return nullptr;
}

asio::awaitable<ServerResponse> HttpServer::Impl::handle(ServerRequest request) {
  std::string allowed;
  const Route* route = find(request, allowed);
  if (route == nullptr && !allowed.empty()) {
    ServerResponse refusal = ServerResponse::text(405, "method not allowed\n");
    refusal.headers.emplace_back("Allow", allowed);
    co_return refusal;
  }
  if (route == nullptr) co_return ServerResponse::text(404, "not found\n");
  const std::string what = fmt::format("{} {}", request.method, request.path);
  try {
    co_return co_await route->handler(std::move(request));
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted && stopping) throw;
    log::error("http server: {}: {}", what, e.what());
  } catch (const std::exception& e) {
    log::error("http server: {}: {}", what, e.what());
  }
  co_return ServerResponse::text(500, "internal error\n");
}

HttpServer::HttpServer(asio::any_io_executor executor, HttpServerConfig config)
    : impl_(std::make_shared<Impl>(executor, std::move(config))) {}

HttpServer::~HttpServer() {
  impl_->stopping = true;
  error_code ignored;
  impl_->acceptor.close(ignored);
  for (const auto& connection : impl_->connections) connection->stream.close();
}

void HttpServer::route(std::string method, std::string path, HttpHandler handler) {
  const bool prefix = path.ends_with("/*");
  if (prefix) path.pop_back();
  impl_->routes.push_back({std::move(method), std::move(path), prefix, std::move(handler)});
}

Result<void> HttpServer::start() {
  if (auto listening = impl_->listen(); !listening) return listening;
  impl_->tasks.spawn("http server", impl_->accept(impl_));
  return {};
}

std::uint16_t HttpServer::port() const {
  return impl_->port;
}
const HttpServer::Stats& HttpServer::stats() const {
  return impl_->stats;
}

asio::awaitable<void> HttpServer::stop(Deadline deadline) {
  const std::shared_ptr<Impl> impl = impl_;
  impl->stopping = true;
  error_code ignored;
  impl->acceptor.close(ignored);
  for (const auto& connection : impl->connections) {
    if (!connection->busy) connection->stream.cancel();
  }
  asio::awaitable<bool> joined = Impl::all_ended(impl);
  const std::optional<bool> in_time = co_await with_deadline(std::move(joined), deadline);
  if (in_time) co_return;
  impl->tasks.cancel();
  for (const auto& connection : impl->connections) connection->stream.close();
  co_await impl->tasks.join();
}

ServerResponse ServerResponse::text(int status, std::string body) {
  ServerResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

ServerResponse ServerResponse::json(int status, std::string body) {
  ServerResponse response = text(status, std::move(body));
  response.content_type = "application/json";
  return response;
}

ServerResponse ServerResponse::error(int status, std::string_view type, std::string_view message) {
  const nlohmann::ordered_json body = {{"status", "error"}, {"errorType", type}, {"error", message}};
  return json(status, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace tocsin
