#include <gtest/gtest.h>

#include "tests/probes/probe_runner.h"
#include "tests/support/raw_server.h"

namespace tocsin {
namespace {

using test::Peer;
using test::ProbeRunner;
using test::RawServer;

std::string answer(std::string_view body, std::string_view type = "text/plain; version=0.0.4",
                   std::string_view status = "200 OK") {
  return fmt::format("HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", status,
                     type, body.size(), body);
}

RawServer::Script says(std::string text) {
  return [text](Peer& peer) {
    peer.read_http();
    peer.write(text);
  };
}

std::string address(const RawServer& server) {
  return fmt::format("127.0.0.1:{}", server.port());
}

TEST(Scrape, MakesSamplesOfAnExposition) {
  const RawServer server(says(answer("# HELP a Help.\n# TYPE a counter\na{b=\"c\"} 3\na 4 1700000000000\n")));
  ProbeRunner runner;
  const test::Found found = runner.run("scrape", address(server));
  EXPECT_TRUE(found.result.success) << found.result.detail;
  EXPECT_EQ(found["a{b=\"c\"}"], 3);
  EXPECT_EQ(found["a"], 4);
  EXPECT_EQ(found["scrape_samples_scraped"], 2);
  EXPECT_EQ(found.result.samples[1].at, TimePoint(Duration(1700000000000)));
  ASSERT_EQ(found.result.metrics->size(), 1U);
  EXPECT_EQ(found.result.metrics->front().help, "Help.");
  EXPECT_FALSE(found.result.honor_labels);
}

TEST(Scrape, AsksAsPrometheusAsks) {
  std::string request;
  const RawServer server([&](Peer& peer) {
    request = peer.read_http();
    peer.write(answer("a 1\n"));
  });
  ProbeRunner runner;
  const test::Found found = runner.run("scrape", address(server), R"(
metrics_path = "/federate"
params = { "match[]" = ["{job=\"a b\"}", "up"], x = "y" }
headers = { X-Extra = "1" }
basic_auth = { username = "u", password = "p" })");
  EXPECT_TRUE(found.result.success) << found.result.detail;
  EXPECT_TRUE(request.starts_with("GET /federate?match%5B%5D=%7Bjob%3D%22a%20b%22%7D&match%5B%5D=up&x=y HTTP/1.1\r\n"))
      << request;
  for (const char* line : {"\r\nAccept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,",
                           "\r\nAccept-Encoding: gzip", "\r\nX-Prometheus-Scrape-Timeout-Seconds: ",
                           "\r\nX-Extra: 1\r\n", "\r\nAuthorization: Basic dTpw\r\n", "\r\nUser-Agent: tocsin/"}) {
    EXPECT_NE(request.find(line), std::string::npos) << line << "\n" << request;
  }
}

TEST(Scrape, TakesAUrlAsItIs) {
  std::string request;
  const RawServer server([&](Peer& peer) {
    request = peer.read_http();
    peer.write(answer("a 1\n"));
  });
  ProbeRunner runner;
  EXPECT_TRUE(runner.run("scrape", server.url("/probe?target=x"), "params = { module = \"m\" }").result.success);
  EXPECT_TRUE(request.starts_with("GET /probe?target=x&module=m HTTP/1.1\r\n")) << request;
}

struct Failure {
  std::string given;
  std::string config;
  std::string_view cause;
  std::string_view detail;  // some of it
};

TEST(Scrape, FailsAsAWhole) {
  const std::vector<Failure> cases = {
      {answer("a 1\n", "text/plain", "503 Busy"), "", "status", "answered with HTTP status 503"},
      {answer("ok 1\na\n"), "", "protocol", "line 2: expected a value"},
      {answer("a 1\n", "application/openmetrics-text; version=1.0.0"), "", "protocol", "does not end with # EOF"},
      {answer("<html>", "text/html"), "", "protocol", "Content-Type \"text/html\""},
      {answer("a 1\n", ""), "", "protocol", "Content-Type \"\""},
      {answer("a 1\nb 1\nc 1\n"), "sample_limit = 2", "sample_limit", "has 3 samples, 2 are allowed"},
      {answer("a{b=\"1\",c=\"2\"} 1\n"), "label_limit = 2", "label_limit", "3 labels, 2 are allowed"},
      {answer("a{bbbb=\"1\"} 1\n"), "label_name_length_limit = 3", "label_limit", "longer than 3 bytes"},
      {answer("a{b=\"1234\"} 1\n"), "label_value_length_limit = 3", "label_limit", "longer than 3 bytes"},
      {answer(std::string(5000, '#') + "\n"), "body_size_limit = 4096", "body_size", "4096"},
      {"HTTP/1.1 302 Found\r\nLocation: gopher://x/\r\nContent-Length: 0\r\n\r\n", "", "protocol", "redirects nowhere"},
      {"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "follow_redirects = false", "status", "302"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\na 1\n", "", "protocol", "127.0.0.1"},
  };
  for (const Failure& wanted : cases) {
    const RawServer server(says(wanted.given));
    ProbeRunner runner;
    const test::Found found = runner.run("scrape", address(server), wanted.config);
    EXPECT_FALSE(found.result.success) << wanted.given;
    EXPECT_EQ(found.result.cause, wanted.cause) << found.result.detail;
    EXPECT_NE(found.result.detail.find(wanted.detail), std::string::npos) << found.result.detail;
    EXPECT_EQ(found.result.samples.size(), 1U);
  }
}

TEST(Scrape, CountsTheSamplesItDoesNotTake) {
  const RawServer server(says(answer("a 1\nb 1\nc 1\n")));
  ProbeRunner runner;
  EXPECT_EQ(runner.run("scrape", address(server), "sample_limit = 1")["scrape_samples_scraped"], 3);
}

TEST(Scrape, CountsNativeHistogramsAndLeavesThemOut) {
  const RawServer server(says(answer("# TYPE h histogram\nh{a=\"b\"} {count:2,sum:3,schema:0} 1.5\nup 1\n# EOF\n",
                                     "application/openmetrics-text; version=1.0.0")));
  ProbeRunner runner;
  const test::Found found = runner.run("scrape", address(server));
  EXPECT_TRUE(found.result.success) << found.result.detail;
  EXPECT_EQ(found.result.histograms_skipped, 1U);
  EXPECT_EQ(found["scrape_samples_scraped"], 1);
}

TEST(Scrape, FollowsARedirect) {
  const RawServer server([](Peer& peer) {
    const std::string request = peer.read_http();
    peer.write(request.starts_with("GET /metrics ")
                   ? "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                   : answer("a 1\n"));
  });
  ProbeRunner runner;
  EXPECT_TRUE(runner.run("scrape", address(server)).result.success);
}

TEST(Scrape, ReadsWhatTheFallbackSays) {
  const RawServer server(says(answer("a 1\n# EOF\n", "application/octet-stream")));
  ProbeRunner runner;
  EXPECT_TRUE(
      runner.run("scrape", address(server), "fallback_scrape_protocol = \"OpenMetricsText1.0.0\"").result.success);
  EXPECT_TRUE(
      runner.run("scrape", address(server), "fallback_scrape_protocol = \"PrometheusText0.0.4\"").result.success);
}

TEST(Scrape, LeavesTimestampsOutWhenToldTo) {
  const RawServer server(says(answer("a 4 1700000000000\n")));
  ProbeRunner runner;
  const test::Found found = runner.run("scrape", address(server), "honor_timestamps = false\nhonor_labels = true");
  EXPECT_FALSE(found.result.samples[0].at);
  EXPECT_TRUE(found.result.honor_labels);
}

TEST(Scrape, KeepsTheLabelsOfSeriesItHasSeen) {
  const RawServer server(says(answer("# TYPE h histogram\nh_bucket{le=\"1\"} 3\na{b=\"c\"} 4\n")));
  ProbeRunner runner;
  const auto probe = runner.make("scrape", address(server), "");
  ASSERT_NE(probe, nullptr);
  const test::Found first = runner.run(*probe);
  const test::Found second = runner.run(*probe);
  ASSERT_EQ(second.result.samples.size(), 3U);
  EXPECT_EQ(second["h_bucket{le=\"1.0\"}"], 3);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(first.result.samples[i].labels.same_block(second.result.samples[i].labels));
  }
  EXPECT_EQ(first.result.metrics, second.result.metrics);
}

TEST(Scrape, SaysThatNobodyListens) {
  ProbeRunner runner;
  const test::Found found = runner.run("scrape", fmt::format("127.0.0.1:{}", test::closed_port()));
  EXPECT_FALSE(found.result.success);
  EXPECT_EQ(found.result.cause, "connect");
  EXPECT_EQ(found["scrape_samples_scraped"], 0);
}

TEST(Scrape, EndsAtItsDeadline) {
  const RawServer server([](Peer& peer) { peer.wait_closed(); });
  ProbeRunner runner;
  EXPECT_EQ(runner.run("scrape", address(server), "", 100).result.cause, "timeout");
}

TEST(Scrape, RefusesAConfigThatCannotWork) {
  const std::pair<const char*, const char*> cases[] = {
      {"metrics_path = \"metrics\"", "must begin with /"},
      {"sample_limit = 0", "must be at least 1"},
      {"scheme = \"ftp\"", "http"},
      {"bearer_token = \"x\"\nbasic_auth = { username = \"u\" }", "Only one of"},
      {"sample_limits = 1", "sample_limit"},
  };
  for (const auto& [config, wanted] : cases) {
    ProbeRunner runner;
    EXPECT_EQ(runner.make("scrape", "localhost:1", config), nullptr) << config;
    EXPECT_NE(runner.diagnostics.str().find(wanted), std::string::npos) << runner.diagnostics.str();
  }
  ProbeRunner runner;
  EXPECT_EQ(runner.make("scrape", "local host:1", ""), nullptr);
  EXPECT_NE(runner.diagnostics.str().find("cannot be scraped"), std::string::npos);
}

}  // namespace
}  // namespace tocsin
