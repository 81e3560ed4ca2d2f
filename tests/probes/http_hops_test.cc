#include "probes/http_hops.h"

#include <gtest/gtest.h>

namespace tocsin {
namespace {

using Next = HttpHops::Next;

const TimePoint kNow = *parse_rfc3339("2026-11-23T12:00:00Z");

HttpResponse answer(int status, const std::string& location, const std::string& cookie = "") {
  HttpResponse response;
  response.status = status;
  response.http_version = "1.1";
  if (!location.empty()) response.headers.emplace_back("LOCATION", location);
  if (!cookie.empty()) response.headers.emplace_back("Set-Cookie", cookie);
  return response;
}

HttpHops hops(const HttpProbeConfig& config, const std::string& url) {
  return HttpHops(config, *Url::parse(url), *http_request_headers(config), config.body);
}

struct MethodRow {
  const char* method;
  int status;
  Next next;
  const char* then_method;
  const char* then_body;
};

TEST(HttpHops, ChangeTheMethodAsGoDoes) {
  const MethodRow kTable[] = {{"GET", 301, Next::kFollow, "GET", ""},       {"POST", 301, Next::kFollow, "GET", ""},
                              {"POST", 302, Next::kFollow, "GET", ""},      {"POST", 303, Next::kFollow, "GET", ""},
                              {"HEAD", 303, Next::kFollow, "HEAD", ""},     {"PUT", 307, Next::kFollow, "PUT", "data"},
                              {"POST", 308, Next::kFollow, "POST", "data"}, {"POST", 300, Next::kDone, "POST", "data"},
                              {"POST", 304, Next::kDone, "POST", "data"},   {"POST", 200, Next::kDone, "POST", "data"}};
  for (const MethodRow& row : kTable) {
    HttpProbeConfig config;
    config.method = row.method;
    config.body = row.then_body[0] != '\0' || row.status < 304 ? "data" : "";
    HttpHops h = hops(config, "http://a/x");
    EXPECT_EQ(h.take(answer(row.status, "/y"), kNow), row.next) << row.method << row.status;
    EXPECT_EQ(h.request().method, row.then_method) << row.method << row.status;
    EXPECT_EQ(h.request().body, row.then_body) << row.method << row.status;
  }
}

TEST(HttpHops, EndAtTheEleventhRedirect) {
  HttpProbeConfig config;
  HttpHops h = hops(config, "http://a/");
  for (int i = 1; i <= 10; ++i) ASSERT_EQ(h.take(answer(302, fmt::format("/{}", i)), kNow), Next::kFollow);
  EXPECT_EQ(h.take(answer(302, "/11"), kNow), Next::kNotFollowed);
  EXPECT_EQ(h.redirects(), 11);
  EXPECT_EQ(h.url().str(), "http://a/10");
}

TEST(HttpHops, StayWhenToldTo) {
  HttpProbeConfig config;
  config.follow_redirects = false;
  HttpHops h = hops(config, "http://a/");
  EXPECT_EQ(h.take(answer(302, "/x"), kNow), Next::kNotFollowed);
  EXPECT_EQ(h.redirects(), 1);
}

TEST(HttpHops, NeedALocationToGoTo) {
  HttpProbeConfig config;
  HttpHops h = hops(config, "http://a/");
  EXPECT_EQ(h.take(answer(302, ""), kNow), Next::kDone);
  EXPECT_EQ(h.take(answer(302, "ftp://b/"), kNow), Next::kBadRedirect);
  EXPECT_NE(h.bad_location(), "");
}

TEST(HttpHops, KeepTheHostHeaderOnRelativeRedirectsOnly) {
  HttpProbeConfig config;
  config.headers["host"] = "virtual.example:8080";
  HttpHops h = hops(config, "https://192.0.2.1/");
  EXPECT_EQ(header(h.request().headers, "Host"), "virtual.example:8080");
  EXPECT_EQ(h.request().tls.server_name, "virtual.example");
  h.take(answer(302, "/x"), kNow);
  EXPECT_EQ(header(h.request().headers, "Host"), "virtual.example:8080");
  h.take(answer(302, "https://other.example/"), kNow);
  EXPECT_EQ(header(h.request().headers, "Host"), "");
  EXPECT_EQ(h.request().tls.server_name, "");
}

TEST(HttpHops, MeanTheServerNameForTheFirstHostOnly) {
  HttpProbeConfig config;
  config.tls_config.server_name = "first.example";
  HttpHops h = hops(config, "https://192.0.2.1/");
  EXPECT_EQ(h.request().tls.server_name, "first.example");
  h.take(answer(302, "https://192.0.2.2/"), kNow);
  EXPECT_EQ(h.request().tls.server_name, "");
  h.take(answer(302, "https://192.0.2.1/"), kNow);
  EXPECT_EQ(h.request().tls.server_name, "first.example");
}

TEST(HttpHops, LogOnToTheFirstHostAndWhatIsBelowIt) {
  HttpProbeConfig config;
  config.basic_auth = BasicAuth{"user", Secret::literal("pass")};
  HttpHops h = hops(config, "http://example.org/");
  EXPECT_EQ(header(h.request().headers, "authorization"), "Basic dXNlcjpwYXNz");
  h.take(answer(302, "http://www.example.org/"), kNow);
  EXPECT_EQ(header(h.request().headers, "authorization"), "Basic dXNlcjpwYXNz");
  h.take(answer(302, "http://evil-example.org/"), kNow);
  EXPECT_EQ(header(h.request().headers, "authorization"), "");
}

TEST(HttpHops, CarryCookies) {
  HttpProbeConfig config;
  config.headers["Cookie"] = "own=1";
  HttpHops h = hops(config, "http://a/");
  h.take(answer(302, "/x", "sid=7; Path=/"), kNow);
  EXPECT_EQ(header(h.request().headers, "cookie"), "own=1; sid=7");
  h.take(answer(302, "http://b/"), kNow);
  EXPECT_EQ(header(h.request().headers, "cookie"), "");
}

TEST(HttpHeaders, AreMadeOfAllTheKeys) {
  HttpProbeConfig config;
  config.headers["X-One"] = "1";
  config.http_headers["X-Two"].values = {"2a", "2b"};
  config.http_headers["X-Two"].secrets = {Secret::literal("2c")};
  config.authorization = Authorization{"Token", Secret::literal("t")};
  config.compression = Compression::kGzip;
  const HttpHeaders wanted = {{"X-One", "1"},
                              {"X-Two", "2a"},
                              {"X-Two", "2b"},
                              {"X-Two", "2c"},
                              {"Authorization", "Token t"},
                              {"Accept-Encoding", "gzip"},
                              {"User-Agent", "tocsin/" TOCSIN_VERSION}};
  EXPECT_EQ(*http_request_headers(config), wanted);
}

TEST(HttpHeaders, CannotBeBrokenOutOf) {
  HttpProbeConfig config;
  config.headers["X"] = "a\r\nEvil: 1";
  EXPECT_FALSE(http_request_headers(config));
}

}  // namespace
}  // namespace tocsin
