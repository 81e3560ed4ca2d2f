#include "agent/net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "agent/net/compression.h"
#include "agent/net/stream.h"
#include "tests/support/run.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace test;
using ::testing::HasSubstr;
using ::testing::StartsWith;

asio::awaitable<ServerResponse> echo(ServerRequest request) {
  std::string text = request.method + " " + request.path + "\n";
  for (const auto& [name, value] : request.query) text += name + "=" + value + "\n";
  co_return ServerResponse::text(200, text);
}

asio::awaitable<ServerResponse> large(ServerRequest) {
  co_return ServerResponse::text(200, std::string(5000, 'x'));
}
asio::awaitable<ServerResponse> broken(ServerRequest) {
  throw std::runtime_error("a bug");
}

asio::awaitable<ServerResponse> slow(ServerRequest) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(std::chrono::milliseconds(200));
  co_await timer.async_wait(asio::use_awaitable);
  co_return ServerResponse::text(200, "done");
}

struct Served {
  explicit Served(HttpServerConfig config = {}) : server(io.get_executor(), at_any_port(std::move(config))) {
    server.route("GET", "/echo", echo);
    server.route("POST", "/echo", echo);
    server.route("GET", "/tree/*", echo);
    server.route("GET", "/large", large);
    server.route("GET", "/broken", broken);
    server.route("GET", "/slow", slow);
    const auto started = server.start();
    if (!started) throw std::runtime_error(started.error().message);
  }
  ~Served() { run(io, server.stop(in_ms(0))); }

  static HttpServerConfig at_any_port(HttpServerConfig config) {
    config.listen = "127.0.0.1:0";
    return config;
  }
  asio::ip::tcp::endpoint endpoint() const { return {asio::ip::address_v4::loopback(), server.port()}; }

  HttpResponse send(const std::string& method, const std::string& path, std::string body = "",
                    HttpHeaders headers = {}) {
    HttpRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(server.port()) + path;
    request.body = std::move(body);
    request.headers = std::move(headers);
    return run(io, client.fetch(std::move(request), in_ms(5000)));
  }

  asio::awaitable<std::string> exchange(std::string bytes, int ms) {
    Stream stream(io.get_executor());
    co_await stream.connect(endpoint(), "", in_ms(1000));
    co_await stream.write(std::move(bytes), in_ms(1000));
    std::string all;
    std::string one;
    while (true) {
      const StreamResult result = co_await stream.read_exactly(one, 1, in_ms(ms));
      if (!result.ok()) co_return all + (result.failure == StreamFailure::kTimeout ? "[timeout]" : "[closed]");
      all += one;
    }
  }
  /// What comes back for these bytes until the server closes, or is silent for so long.
  std::string raw(std::string bytes, int ms = 2000) { return run(io, exchange(std::move(bytes), ms)); }

  asio::io_context io;
  HttpClient client{io.get_executor()};
  HttpServer server;
};

TEST(HttpServer, AnswersByPathAndMethod) {
  Served served;
  EXPECT_EQ(served.send("GET", "/echo?a=1&b=x%20y+z&a=2").body, "GET /echo\na=1\nb=x y z\na=2\n");
  EXPECT_EQ(served.send("GET", "/tree/a%20b/c").body, "GET /tree/a b/c\n");
  EXPECT_EQ(served.send("GET", "/nothing").status, 404);
  const HttpResponse refused = served.send("DELETE", "/echo");
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(header(refused.headers, "Allow"), "GET, HEAD, POST");
  EXPECT_EQ(served.send("GET", "/broken").status, 500);
  EXPECT_EQ(served.send("GET", "/echo?a=%zz").status, 400);
  EXPECT_EQ(served.server.stats().requests_total, 6U);
}

TEST(HttpServer, AddsFormFieldsToTheQuery) {
  Served served;
  const HttpHeaders form = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
  EXPECT_EQ(served.send("POST", "/echo?a=1", "query=up%7Bx%3D%22y%22%7D", form).body,
            "POST /echo\na=1\nquery=up{x=\"y\"}\n");
}

TEST(HttpServer, AnswersHeadWithTheLengthAndWithoutTheBody) {
  Served served;
  EXPECT_THAT(served.raw("HEAD /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              ::testing::AllOf(HasSubstr("Content-Length: 5000\r\n"), ::testing::EndsWith("\r\n\r\n[closed]")));
}

TEST(HttpServer, CompressesLargeBodiesForThoseWhoTakeIt) {
  Served served;
  const HttpResponse packed = served.send("GET", "/large", "", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(header(packed.headers, "Content-Encoding"), "gzip");
  EXPECT_LT(packed.body.size(), 200U);
  EXPECT_EQ(decompress(Compression::kGzip, packed.body, 10000).bytes, std::string(5000, 'x'));
  EXPECT_TRUE(decompress(Compression::kGzip, packed.body, 100).too_large);
  EXPECT_FALSE(decompress(Compression::kGzip, packed.body.substr(0, 20), 10000).ok());
  EXPECT_EQ(served.send("GET", "/large", "", {{"Accept-Encoding", "gzip;q=0"}}).body.size(), 5000U);
  EXPECT_EQ(served.send("GET", "/large").body.size(), 5000U);
}

TEST(HttpServer, KeepsConnectionsAndServesPipelinedRequests) {
  Served served;
  const std::string two =
      "GET /echo HTTP/1.1\r\nHost: a\r\n\r\nGET /tree/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  EXPECT_THAT(served.raw(two), ::testing::AllOf(HasSubstr("GET /echo\n"), HasSubstr("GET /tree/x\n")));
  EXPECT_EQ(served.server.stats().connections_total, 1U);
}

TEST(HttpServer, RefusesWhatIsTooLargeOrNoHttp) {
  HttpServerConfig config;
  config.body_bytes_max = 100;
  config.header_bytes_max = 1024;
  Served served(config);
  EXPECT_EQ(served.send("POST", "/echo", std::string(101, 'x')).status, 413);
  EXPECT_EQ(served.send("GET", "/echo", "", {{"X-Long", std::string(2000, 'x')}}).status, 431);
  EXPECT_THAT(served.raw("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" +
                         std::string(255, 'x') + "\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(served.raw("\x16\x03\x01 is this TLS?\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(served.raw("GET /ec", 100), "[timeout]");
}

TEST(HttpServer, ClosesIdleAndSlowConnections) {
  HttpServerConfig config;
  config.idle_timeout = std::chrono::milliseconds(50);
  config.request_timeout = std::chrono::milliseconds(100);
  Served served(config);
  EXPECT_EQ(served.raw(""), "[closed]");
  EXPECT_EQ(served.raw("GET /echo HTT"), "[closed]");
  EXPECT_THAT(served.raw("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"), ::testing::EndsWith("GET /echo\n[closed]"));
}

TEST(HttpServer, TurnsAwayConnectionsAboveTheLimit) {
  HttpServerConfig config;
  config.connections_max = 1;
  Served served(config);
  Stream first(served.io.get_executor());
  run(served.io, first.connect(served.endpoint(), "", in_ms(1000)));
  EXPECT_THAT(served.raw(""), StartsWith("HTTP/1.1 503"));
  EXPECT_EQ(served.server.stats().refused_total, 1U);
}

asio::awaitable<std::string> stop_in_the_middle(Served& served, int grace_ms) {
  const auto executor = co_await asio::this_coro::executor;
  HttpRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(served.server.port()) + "/slow";
  std::string body = "running";
  const auto done = [&body](std::exception_ptr, HttpResponse response) {
    body = response.ok() ? response.body : response.error;
  };
  asio::co_spawn(executor, served.client.fetch(request, in_ms(5000)), done);
  asio::steady_timer timer(executor);
  timer.expires_after(std::chrono::milliseconds(50));
  co_await timer.async_wait(asio::use_awaitable);
  co_await served.server.stop(in_ms(grace_ms));
  timer.expires_after(std::chrono::milliseconds(20));
  co_await timer.async_wait(asio::use_awaitable);
  co_return body;
}

TEST(HttpServer, LetsRequestsInFlightFinishWhenItStops) {
  Served patient;
  EXPECT_EQ(run(patient.io, stop_in_the_middle(patient, 5000)), "done");
  Served hasty;
  EXPECT_THAT(run(hasty.io, stop_in_the_middle(hasty, 20)), ::testing::Not("done"));
  EXPECT_EQ(hasty.server.stats().connections, 0U);
}

TEST(HttpServer, SaysWhyItCannotListen) {
  Served served;
  for (const std::string& listen :
       {std::string("127.0.0.1:") + std::to_string(served.server.port()), std::string("nonsense"),
        std::string("127.0.0.1:99999"), std::string("no.such.host:80")}) {
    HttpServerConfig config;
    config.listen = listen;
    HttpServer second(served.io.get_executor(), config);
    EXPECT_FALSE(second.start()) << listen;
  }
}

}  // namespace
}  // namespace tocsin
