#include "agent/net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "agent/core/async.h"
#include "tests/support/raw_server.h"
#include "tests/support/run.h"
#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace test;
using ::testing::HasSubstr;

/// A client on a loop of its own.
struct Client {
  asio::io_context io;
  HttpClient http{io.get_executor()};

  HttpResponse fetch(HttpRequest request, int ms = 10000) { return run(io, http.fetch(std::move(request), in_ms(ms))); }
  HttpResponse get(const std::string& url, int ms = 10000) {
    HttpRequest request;
    request.url = url;
    return fetch(std::move(request), ms);
  }
};

void answer_ok(Peer& peer) {
  peer.read_http();
  peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Test: a b \r\n\r\nhello");
}

TEST(HttpClient, FetchesABodyAndTellsHowItWas) {
  RawServer server(answer_ok);
  Client client;
  const HttpResponse response = client.get(server.url());
  EXPECT_TRUE(response.ok()) << response.error;
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "hello");
  EXPECT_EQ(response.http_version, "1.1");
  EXPECT_EQ(header(response.headers, "x-test"), "a b");
  EXPECT_EQ(response.wire_bytes, 5U);
  EXPECT_EQ(response.remote_address, "127.0.0.1");
  EXPECT_TRUE(response.request_sent);
  EXPECT_GT(response.timings.connect, 0);
  EXPECT_GE(response.timings.first_byte, response.timings.connect);
  EXPECT_GE(response.timings.total, response.timings.first_byte);
  EXPECT_EQ(client.http.in_flight(), 0U);
}

TEST(HttpClient, SendsMethodHeadersAndBodyAndNothingOfItsOwn) {
  std::string seen;
  Client client;
  {
    RawServer server([&seen](Peer& peer) {
      seen = peer.read_http();
      peer.write("HTTP/1.1 204 No Content\r\n\r\n");
    });
    HttpRequest request;
    request.method = "POST";
    request.url = server.url("/hook?a=1");
    request.headers = {{"Content-Type", "application/json"}, {"X-Key", "k"}};
    request.body = "{\"a\":1}";
    EXPECT_EQ(client.fetch(request).status, 204);
  }
  EXPECT_THAT(seen, ::testing::StartsWith("POST /hook?a=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
  EXPECT_THAT(seen, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(seen, HasSubstr("X-Key: k\r\n"));
  EXPECT_THAT(seen, HasSubstr("Content-Length: 7\r\n"));
  EXPECT_THAT(seen, ::testing::EndsWith("\r\n\r\n{\"a\":1}"));
  EXPECT_THAT(seen, ::testing::Not(HasSubstr("Expect")));
}

struct BadPeer {
  std::string name;
  RawServer::Script script;
  HttpFailure failure;
  int ms = 10000;
};

class BadPeers : public ::testing::TestWithParam<BadPeer> {};

TEST_P(BadPeers, GiveAClassifiedFailure) {
  RawServer server(GetParam().script);
  Client client;
  const HttpResponse response = client.get(server.url(), GetParam().ms);
  EXPECT_EQ(to_string(response.failure), to_string(GetParam().failure)) << response.error;
  EXPECT_NE(response.error, "");
  EXPECT_LT(response.error.size(), 400U);
}

INSTANTIATE_TEST_SUITE_P(
    HttpClient, BadPeers,
    ::testing::Values(BadPeer{"Garbage",
                              [](Peer& p) {
                                p.read_http();
                                p.write("\x01\x02 what is this?\r\n\r\n");
                              },
                              HttpFailure::kProtocol},
                      BadPeer{"Silence", [](Peer& p) { p.wait_closed(); }, HttpFailure::kTimeout, 150},
                      BadPeer{"ClosesBeforeTheAnswer", [](Peer& p) { p.read_http(); }, HttpFailure::kReceive},
                      BadPeer{"ResetsBeforeTheAnswer",
                              [](Peer& p) {
                                p.read_http();
                                p.reset();
                              },
                              HttpFailure::kReceive},
                      BadPeer{"ClosesInTheBody",
                              [](Peer& p) {
                                p.read_http();
                                p.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
                              },
                              HttpFailure::kReceive},
                      BadPeer{"ResetsInTheBody",
                              [](Peer& p) {
                                p.read_http();
                                p.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
                                p.reset();
                              },
                              HttpFailure::kReceive},
                      BadPeer{"EndlessBody",
                              [](Peer& p) {
                                p.read_http();
                                p.write("HTTP/1.1 200 OK\r\n\r\n");
                                p.write_forever(std::string(65536, 'x'));
                              },
                              HttpFailure::kBodyTooLarge},
                      BadPeer{"EndlessHeaders",
                              [](Peer& p) {
                                p.read_http();
                                p.write("HTTP/1.1 200 OK\r\n");
                                p.write_forever("X-A: " + std::string(1000, 'x') + "\r\n");
                              },
                              HttpFailure::kProtocol},
                      BadPeer{"OneEndlessHeader",
                              [](Peer& p) {
                                p.read_http();
                                p.write("HTTP/1.1 200 OK\r\nX-A: ");
                                p.write_forever(std::string(65536, 'x'));
                              },
                              HttpFailure::kProtocol},
                      BadPeer{"AThousandHeaders",
                              [](Peer& p) {
                                p.read_http();
                                p.write("HTTP/1.1 200 OK\r\n");
                                for (int i = 0; i < 1000; ++i) p.write("A: b\r\n");
                                p.write("Content-Length: 0\r\n\r\n");
                              },
                              HttpFailure::kProtocol},
                      BadPeer{"BrokenChunks",
                              [](Peer& p) {
                                p.read_http();
                                p.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
                              },
                              HttpFailure::kProtocol},
                      BadPeer{"SlowDrip",
                              [](Peer& p) {
                                p.read_http();
                                p.drip("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + std::string(100000, 'x'),
                                       5);
                              },
                              HttpFailure::kTimeout, 400}),
    [](const auto& param) { return param.param.name; });

TEST(HttpClient, TellsWhyItCouldNotConnect) {
  Client client;
  const std::uint16_t port = closed_port();
  const HttpResponse response = client.get("http://127.0.0.1:" + std::to_string(port) + "/");
  EXPECT_EQ(response.failure, HttpFailure::kConnect);
  EXPECT_EQ(response.error, "connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused");
  EXPECT_FALSE(response.request_sent);
}

TEST(HttpClient, RefusesUrlsThatItCannotFetch) {
  Client client;
  for (const char* url : {"", "ftp://127.0.0.1/", "http://", "http://a b/", "file:///etc/passwd", "127.0.0.1:80"}) {
    EXPECT_EQ(client.get(url).failure, HttpFailure::kBadUrl) << url;
  }
}

TEST(HttpClient, ReusesAConnectionOnlyWhenAsked) {
  RawServer server([](Peer& peer) {
    while (!peer.read_http().empty()) peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  Client client;
  HttpRequest request;
  request.url = server.url();
  request.reuse_connection = true;
  EXPECT_TRUE(client.fetch(request).ok());
  EXPECT_TRUE(client.fetch(request).ok());
  EXPECT_EQ(server.connections(), 1);
  request.reuse_connection = false;
  EXPECT_TRUE(client.fetch(request).ok());
  EXPECT_TRUE(client.fetch(request).ok());
  EXPECT_EQ(server.connections(), 3);
}

TEST(HttpClient, PinsTheAddressAndKeepsTheHostHeader) {
  std::string seen;
  Client client;
  {
    RawServer server([&seen](Peer& peer) {
      seen = peer.read_http();
      peer.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    HttpRequest request;
    request.url = "http://shop.example:" + std::to_string(server.port()) + "/";
    request.pinned_address = "127.0.0.1";
    EXPECT_TRUE(client.fetch(request).ok());
  }
  EXPECT_THAT(seen, HasSubstr("Host: shop.example:"));
}

TEST(HttpClient, LooksUpNamesByItself) {
  RawServer server(answer_ok);
  Client client;
  const HttpResponse response = client.get("http://localhost:" + std::to_string(server.port()) + "/");
  EXPECT_TRUE(response.ok()) << response.error;
}

asio::awaitable<std::string> cancelled_fetch(HttpClient& http, HttpRequest request) {
  try {
    co_await http.fetch(std::move(request), Deadline::max());
  } catch (const boost::system::system_error& e) {
    co_return e.code() == asio::error::operation_aborted ? "aborted" : e.what();
  }
  co_return "ended";
}

TEST(HttpClient, StopsWhenCancelled) {
  RawServer server([](Peer& peer) { peer.wait_closed(); });
  Client client;
  HttpRequest request;
  request.url = server.url();
  // with_deadline() cancels the work and waits for it.
  const auto outcome = run(client.io, with_deadline(cancelled_fetch(client.http, request), in_ms(100)));
  EXPECT_EQ(outcome, "aborted");
  EXPECT_EQ(client.http.in_flight(), 0U);
}

struct BadCertificate {
  std::string name;
  CertOptions options;
  bool signed_by_ca = true;
  std::string error;
};

class BadCertificates : public ::testing::TestWithParam<BadCertificate> {};

TEST_P(BadCertificates, AreRefusedButDescribed) {
  const TestCa ca;
  const TempDir dir;
  RawServer server(answer_ok, GetParam().signed_by_ca ? ca.issue(GetParam().options) : self_signed(GetParam().options));
  Client client;
  HttpRequest request;
  request.url = server.url();
  request.want_tls_info = true;
  request.tls.ca_file = dir.write("ca.pem", ca.pem());
  const HttpResponse response = client.fetch(request);
  EXPECT_EQ(response.failure, HttpFailure::kCertificate);
  EXPECT_EQ(response.error, "certificate: " + GetParam().error);
  EXPECT_FALSE(response.request_sent);
  ASSERT_TRUE(response.tls.has_value());
  EXPECT_EQ(response.tls->verify_error, GetParam().error);
  EXPECT_EQ(response.tls->version, "TLS 1.3");
  EXPECT_EQ(response.tls->cipher, "TLS_AES_256_GCM_SHA384");
  EXPECT_FALSE(response.tls->verified_expiry.has_value());
  ASSERT_EQ(response.tls->chain.size(), 1U);
  EXPECT_EQ(response.tls->chain[0].subject, "CN=localhost");
  EXPECT_EQ(response.tls->chain[0].serial, "1234");
}

INSTANTIATE_TEST_SUITE_P(
    HttpClient, BadCertificates,
    ::testing::Values(BadCertificate{"Expired", {.not_after = std::chrono::hours(-1)}, true, "certificate has expired"},
                      BadCertificate{
                          "WrongHost", {.names = {"other.example"}, .addresses = {}}, true, "IP address mismatch"},
                      BadCertificate{"SelfSigned", {}, false, "self-signed certificate"}),
    [](const auto& param) { return param.param.name; });

TEST(HttpClient, TakesAGoodCertificateAndDescribesIt) {
  const TestCa ca;
  const TempDir dir;
  RawServer server(answer_ok, ca.issue({.organization = "Example, Inc"}));
  Client client;
  HttpRequest request;
  request.url = "https://localhost:" + std::to_string(server.port()) + "/";
  request.want_tls_info = true;
  request.tls.ca_file = dir.write("ca.pem", ca.pem());
  const HttpResponse response = client.fetch(request);
  ASSERT_TRUE(response.ok()) << response.error;
  ASSERT_TRUE(response.tls.has_value());
  EXPECT_EQ(response.tls->verify_error, "");
  ASSERT_EQ(response.tls->chain.size(), 1U);
  EXPECT_EQ(response.tls->chain[0].subject, "CN=localhost,O=Example\\, Inc");
  EXPECT_EQ(response.tls->chain[0].issuer, "CN=tocsin test CA");
  EXPECT_EQ(response.tls->chain[0].dns_names, std::vector<std::string>{"localhost"});
  EXPECT_EQ(response.tls->chain[0].fingerprint_sha256.size(), 64U);
  EXPECT_EQ(response.tls->verified_expiry, response.tls->chain[0].not_after);
  EXPECT_GT(response.timings.tls, response.timings.connect);
}

TEST(HttpClient, SkipsVerificationWhenToldTo) {
  RawServer server(answer_ok, self_signed({.not_after = std::chrono::hours(-1)}));
  Client client;
  HttpRequest request;
  request.url = server.url();
  request.want_tls_info = true;
  request.tls.insecure_skip_verify = true;
  const HttpResponse response = client.fetch(request);
  EXPECT_TRUE(response.ok()) << response.error;
  ASSERT_TRUE(response.tls.has_value());
  EXPECT_EQ(response.tls->chain.size(), 1U);
  EXPECT_FALSE(response.tls->verified_expiry.has_value());
}

TEST(HttpClient, ChecksTheCertificateForServerName) {
  const TestCa ca;
  const TempDir dir;
  RawServer server(answer_ok, ca.issue({.names = {"inner.example"}, .addresses = {}}));
  Client client;
  HttpRequest request;
  request.url = server.url();
  request.tls.ca_file = dir.write("ca.pem", ca.pem());
  EXPECT_EQ(client.fetch(request).failure, HttpFailure::kCertificate);
  request.tls.server_name = "inner.example";
  const HttpResponse response = client.fetch(request);
  EXPECT_TRUE(response.ok()) << response.error;
}

TEST(HttpClient, SaysThatAPlainPeerDoesNotSpeakTls) {
  RawServer server([](Peer& peer) {
    peer.write("220 hello\r\n");
    peer.wait_closed();
  });
  Client client;
  const HttpResponse response = client.get("https://127.0.0.1:" + std::to_string(server.port()) + "/");
  EXPECT_EQ(response.failure, HttpFailure::kTls) << response.error;
}

}  // namespace
}  // namespace tocsin
