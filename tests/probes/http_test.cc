// Rows of (what a server says, how the probe is configured) -> (verdict, samples).

#include <gtest/gtest.h>

#include <fstream>

#include "tests/probes/probe_runner.h"
#include "tests/support/certs.h"
#include "tests/support/raw_server.h"
#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

using test::Found;
using test::Peer;
using test::ProbeRunner;
using test::RawServer;

RawServer::Script says(std::string answer) {
  return [answer = std::move(answer)](Peer& peer) {
    peer.read_http();
    peer.write(answer);
  };
}

std::string ok(const std::string& body, const std::string& headers = "") {
  return fmt::format("HTTP/1.1 200 OK\r\n{}Content-Length: {}\r\n\r\n{}", headers, body.size(), body);
}

struct Row {
  const char* what;
  std::string answer;
  const char* toml;
  const char* cause;
  std::map<std::string, double> samples;
};

const std::string kNotFound = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone";

std::string row_name(const testing::TestParamInfo<Row>& row) {
  std::string name(row.param.what);
  std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
  return name;
}

class HttpProbeTable : public testing::TestWithParam<Row> {};

TEST_P(HttpProbeTable, Judges) {
  const Row& row = GetParam();
  RawServer server(says(row.answer));
  ProbeRunner runner;
  const Found found = runner.run("http", server.url(), row.toml);
  EXPECT_EQ(found.result.cause, row.cause) << found.result.detail;
  EXPECT_EQ(found.result.success, row.cause[0] == '\0');
  EXPECT_EQ(found.result.detail.empty(), row.cause[0] == '\0') << found.result.detail;
  for (const auto& [series, value] : row.samples) EXPECT_EQ(found[series], value) << series;
}

INSTANTIATE_TEST_SUITE_P(
    Http, HttpProbeTable,
    testing::Values(
        Row{"plain",
            ok("hello"),
            "",
            "",
            {{"probe_http_status_code", 200},
             {"probe_http_content_length", 5},
             {"probe_http_uncompressed_body_length", 5},
             {"probe_http_version", 1.1},
             {"probe_http_ssl", 0},
             {"probe_http_redirects", 0},
             {"probe_failed_due_to_regex", 0},
             {"probe_ip_protocol", 4}}},
        Row{"http10",
            "HTTP/1.0 200 OK\r\n\r\nbody until the end",
            "",
            "",
            {{"probe_http_version", 1.0},
             {"probe_http_content_length", -1},
             {"probe_http_uncompressed_body_length", 18}}},
        Row{"chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "",
            "",
            {{"probe_http_content_length", -1}, {"probe_http_uncompressed_body_length", 3}}},
        Row{"no content", "HTTP/1.1 204 No Content\r\n\r\n", "", "", {{"probe_http_content_length", 0}}},
        Row{"wrong status",
            kNotFound,
            "",
            "status",
            {{"probe_http_status_code", 404},
             {"probe_http_uncompressed_body_length", 4},
             {"probe_failed_due_to_regex", 0}}},
        Row{"wanted status", kNotFound, "valid_status_codes = [404]", "", {{"probe_http_status_code", 404}}},
        Row{"wanted range", kNotFound, "valid_status_codes = [204, '4xx']", "", {}},
        Row{"unwanted range", ok(""), "valid_status_codes = '300-599'", "status", {}},
        Row{"wanted version", ok(""), "valid_http_versions = ['HTTP/1.1', 'HTTP/2.0']", "", {}},
        Row{"unwanted version",
            ok(""),
            "valid_http_versions = ['HTTP/2.0']",
            "assertion",
            {{"probe_failed_due_to_regex", 0}}},
        Row{"body matches",
            ok("could not connect"),
            "fail_if_body_matches_regexp = ['could not']",
            "assertion",
            {{"probe_failed_due_to_regex", 1}, {"probe_http_uncompressed_body_length", 17}}},
        Row{"body matches not",
            ok("fine"),
            "fail_if_body_matches_regexp = ['could not']",
            "",
            {{"probe_failed_due_to_regex", 0}}},
        Row{"body must match",
            ok("fine"),
            "fail_if_body_not_matches_regexp = ['fi', 'absent']",
            "assertion",
            {{"probe_failed_due_to_regex", 1}}},
        Row{"body is not looked at",
            kNotFound,
            "fail_if_body_matches_regexp = ['gone']",
            "status",
            {{"probe_failed_due_to_regex", 0}}},
        Row{"header matches",
            ok("", "X-A: one\r\nx-a: two\r\n"),
            "fail_if_header_matches = [{header = 'X-a', regexp = 'two'}]",
            "assertion",
            {{"probe_failed_due_to_regex", 1}}},
        Row{"header is missing",
            ok(""),
            "fail_if_header_matches = [{header = 'X-A', regexp = 'x'}]",
            "assertion",
            {{"probe_failed_due_to_regex", 1}}},
        Row{"header may be missing",
            ok(""),
            "fail_if_header_matches = [{header = 'X-A', regexp = 'x', allow_missing = true}]",
            "",
            {}},
        Row{"one header value is enough",
            ok("", "X-A: one\r\nX-A: two\r\n"),
            "fail_if_header_not_matches = [{header = 'X-A', regexp = 'two'}]",
            "",
            {{"probe_failed_due_to_regex", 0}}},
        Row{"no header value is enough",
            ok("", "X-A: one\r\n"),
            "fail_if_header_not_matches = [{header = 'X-A', regexp = 'two'}]",
            "assertion",
            {{"probe_failed_due_to_regex", 1}}},
        Row{"must be plain", ok(""), "fail_if_ssl = true", "", {}},
        Row{"must be tls", ok(""), "fail_if_not_ssl = true", "assertion", {{"probe_http_ssl", 0}}},
        Row{"last modified",
            ok("", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
            "",
            "",
            {{"probe_http_last_modified_timestamp_seconds", 784111777}}},
        Row{"size limit holds", ok("12345"), "body_size_limit = 5", "", {{"probe_http_uncompressed_body_length", 5}}},
        Row{"size limit is passed",
            ok("123456"),
            "body_size_limit = 5",
            "body_size",
            {{"probe_http_status_code", 200}}},
        Row{"status before size", kNotFound, "body_size_limit = 1", "status", {}},
        Row{"brotli",
            ok(std::string("\x0b\x02\x80hello\x03", 9)),
            "compression = 'br'",
            "",
            {{"probe_http_uncompressed_body_length", 5}, {"probe_http_content_length", 9}}},
        Row{"not gzip", ok("hello"), "compression = 'gzip'", "protocol", {}},
        Row{"identity", ok("hello"), "compression = 'identity'", "", {{"probe_http_uncompressed_body_length", 5}}},
        Row{"closed in the body",
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
            "",
            "protocol",
            {{"probe_http_status_code", 200}}},
        Row{"closed in the headers", "HTTP/1.1 200 OK\r\nConte", "", "protocol", {}},
        Row{"closed at once", "", "", "protocol", {{"probe_http_status_code", 0}, {"probe_http_version", 0}}},
        Row{"garbage", "220 mail.example.org ESMTP\r\n", "", "protocol", {}},
        Row{"64 KiB of one header", ok("", "X: " + std::string(64 << 10, 'x') + "\r\n"), "", "protocol", {}},
        Row{"no redirect",
            "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 3\r\n\r\nabc",
            "follow_redirects = false\nvalid_status_codes = 302",
            "",
            {{"probe_http_redirects", 1},
             {"probe_http_uncompressed_body_length", 0},
             {"probe_http_content_length", 3}}},
        Row{"redirect to nowhere",
            "HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\nContent-Length: 0\r\n\r\n",
            "",
            "protocol",
            {{"probe_http_redirects", 1}, {"probe_http_status_code", 0}}}),
    row_name);

TEST(HttpProbe, AsksAsConfigured) {
  std::string request;
  RawServer server([&request](Peer& peer) {
    request = peer.read_http();
    peer.write(ok(""));
  });
  test::TempDir dir;
  const std::string toml = fmt::format(
      "method = 'POST'\nbody_file = '{}'\nbearer_token = {{ file = '{}' }}\nheaders = {{ Host = 'virtual.example', "
      "'X-A' = 'b' }}",
      dir.write("body", "the body"), dir.write("token", "s3cret\n"));
  ProbeRunner runner;
  const Found found = runner.run("http", server.url("/p?q=1"), toml);
  EXPECT_TRUE(found.result.success) << found.result.detail;
  EXPECT_TRUE(request.starts_with("POST /p?q=1 HTTP/1.1\r\n")) << request;
  for (const char* wanted : {"Host: virtual.example\r\n", "X-A: b\r\n", "Authorization: Bearer s3cret\r\n",
                             "User-Agent: tocsin/", "Content-Length: 8\r\n"}) {
    EXPECT_NE(request.find(wanted), std::string::npos) << wanted << " in " << request;
  }
  EXPECT_TRUE(request.ends_with("\r\n\r\nthe body")) << request;
}

TEST(HttpProbe, FollowsRedirectsWithCookiesAndSumsThePhases) {
  std::vector<std::string> requests;
  RawServer server([&requests](Peer& peer) {
    requests.push_back(peer.read_http());
    if (requests.size() == 1) {
      peer.write("HTTP/1.1 302 Found\r\nLocation: /two\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n");
    } else {
      peer.write(ok("end"));
    }
  });
  ProbeRunner runner;
  const Found found = runner.run("http", fmt::format("localhost:{}", server.port()), "preferred_ip_protocol = 'ip4'");
  EXPECT_TRUE(found.result.success) << found.result.detail;
  EXPECT_EQ(found["probe_http_redirects"], 1);
  EXPECT_EQ(found["probe_http_status_code"], 200);
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_TRUE(requests[1].starts_with("GET /two ")) << requests[1];
  EXPECT_NE(requests[1].find("Cookie: a=1\r\n"), std::string::npos);
  EXPECT_GT(found["probe_dns_lookup_time_seconds"], 0);
  EXPECT_EQ(found["probe_http_duration_seconds{phase=\"resolve\"}"], found["probe_dns_lookup_time_seconds"]);
  for (const char* phase : {"connect", "processing"}) {
    EXPECT_GT(found[fmt::format("probe_http_duration_seconds{{phase=\"{}\"}}", phase)], 0) << phase;
  }
  EXPECT_EQ(found["probe_http_duration_seconds{phase=\"tls\"}"], 0);
  EXPECT_GE(found["probe_http_duration_seconds{phase=\"transfer\"}"], 0);
}

TEST(HttpProbe, NamesTheTlsItSaw) {
  const test::TestCa ca;
  const test::TempDir dir;
  RawServer server(says(ok("hi")), ca.issue({.common_name = "localhost", .serial = 0x0abc}));
  ProbeRunner runner;
  const Found found =
      runner.run("http", server.url(), fmt::format("tls_config = {{ ca_file = '{}' }}", dir.write("ca", ca.pem())));
  EXPECT_TRUE(found.result.success) << found.result.detail;
  EXPECT_EQ(found["probe_http_ssl"], 1);
  EXPECT_EQ(found["probe_tls_version_info{version=\"TLS 1.3\"}"], 1);
  EXPECT_TRUE(found.has("probe_tls_cipher_info"));
  EXPECT_GT(found["probe_ssl_earliest_cert_expiry"], to_seconds(runner.clock.now()) + 89 * 86400);
  EXPECT_GT(found["probe_ssl_last_chain_expiry_timestamp_seconds"], to_seconds(runner.clock.now()) + 89 * 86400);
  EXPECT_EQ(found.label("probe_ssl_last_chain_info", "subject"), "CN=localhost");
  EXPECT_EQ(found.label("probe_ssl_last_chain_info", "subjectalternative"), "localhost");
  EXPECT_EQ(found.label("probe_ssl_last_chain_info", "serialnumber"), "0abc");
  EXPECT_EQ(found.label("probe_ssl_last_chain_info", "fingerprint_sha256").size(), 64U);
  EXPECT_GT(found["probe_http_duration_seconds{phase=\"tls\"}"], 0);
  EXPECT_FALSE(found.has("probe_tls_verify_error"));
}

TEST(HttpProbe, TellsTheCertificateAlsoWhenItIsRefused) {
  const test::TestCa ca;
  const test::TempDir dir;
  const std::string trust = fmt::format("tls_config = {{ ca_file = '{}' }}", dir.write("ca", ca.pem()));
  const std::pair<test::Identity, const char*> kTable[] = {
      {ca.issue({.not_before = std::chrono::hours(-48), .not_after = std::chrono::hours(-1)}), "expired"},
      {ca.issue({.names = {"other.example"}, .addresses = {}}), "mismatch"},
      {test::self_signed(), "self-signed"}};
  for (const auto& [identity, reason] : kTable) {
    RawServer server(says(ok("hi")), identity);
    ProbeRunner runner;
    const Found found = runner.run("http", server.url(), trust);
    EXPECT_EQ(found.result.cause, "certificate") << reason << ": " << found.result.detail;
    EXPECT_TRUE(found.has("probe_ssl_earliest_cert_expiry")) << reason;
    EXPECT_TRUE(found.has("probe_ssl_last_chain_info")) << reason;
    EXPECT_FALSE(found.has("probe_ssl_last_chain_expiry_timestamp_seconds")) << reason;
    EXPECT_NE(found.label("probe_tls_verify_error", "reason").find(reason), std::string::npos)
        << found.label("probe_tls_verify_error", "reason");
    EXPECT_EQ(found["probe_http_ssl"], 0);

    const Found lax = runner.run("http", server.url(), "tls_config = { insecure_skip_verify = true }");
    EXPECT_TRUE(lax.result.success) << lax.result.detail;
    EXPECT_TRUE(lax.has("probe_ssl_earliest_cert_expiry"));
  }
}

TEST(HttpProbe, SaysWhereTheTimeWentWhenItIsUp) {
  ProbeRunner runner;
  const auto run = [&runner](RawServer& server) { return runner.run("http", server.url(), "", 300); };
  RawServer mute([](Peer& peer) { peer.wait_closed(); });
  Found found = run(mute);
  EXPECT_EQ(found.result.cause, "timeout");
  EXPECT_NE(found.result.detail.find("before the answer"), std::string::npos) << found.result.detail;

  RawServer slow([](Peer& peer) {
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    peer.drip(std::string(1000, 'x'), 50);
  });
  found = run(slow);
  EXPECT_EQ(found.result.cause, "timeout");
  EXPECT_EQ(found["probe_http_status_code"], 200);
  EXPECT_NE(found.result.detail.find("middle of the answer"), std::string::npos) << found.result.detail;

  RawServer no_tls([](Peer& peer) { peer.wait_closed(); });
  found = runner.run("http", fmt::format("https://127.0.0.1:{}/", no_tls.port()), "", 300);
  EXPECT_EQ(found.result.cause, "timeout");
  EXPECT_NE(found.result.detail.find("TLS"), std::string::npos) << found.result.detail;
}

TEST(HttpProbe, EndsAnEndlessBody) {
  RawServer server([](Peer& peer) {
    peer.read_http();
    peer.write("HTTP/1.1 200 OK\r\n\r\n");
    peer.write_forever(std::string(64 << 10, 'x'));
  });
  ProbeRunner runner;
  const Found found = runner.run("http", server.url());
  EXPECT_EQ(found.result.cause, "body_size");
  EXPECT_EQ(found["probe_http_uncompressed_body_length"], 10 << 20);
}

TEST(HttpProbe, TellsWhyItCouldNotConnect) {
  ProbeRunner runner;
  const Found refused = runner.run("http", fmt::format("http://127.0.0.1:{}/", test::closed_port()));
  EXPECT_EQ(refused.result.cause, "connect");
  EXPECT_EQ(refused["probe_http_status_code"], 0);
  EXPECT_EQ(refused["probe_http_content_length"], 0);
  const Found unknown = runner.run("http", "http://no-such-host.invalid/");
  EXPECT_EQ(unknown.result.cause, "dns") << unknown.result.detail;
  EXPECT_EQ(unknown["probe_ip_protocol"], 0);
  EXPECT_FALSE(unknown.has("no such"));
}

TEST(HttpProbe, GoesThroughAProxy) {
  std::string request;
  RawServer proxy([&request](Peer& peer) {
    request = peer.read_http();
    peer.write(ok("from the proxy"));
  });
  ProbeRunner runner;
  const std::string toml = fmt::format("proxy_url = '{}'", proxy.url(""));
  Found found = runner.run("http", "http://127.0.0.1:9/x", toml);
  EXPECT_TRUE(found.result.success) << found.result.detail;
  EXPECT_TRUE(request.starts_with("GET http://127.0.0.1:9/x HTTP/1.1\r\n")) << request;
  EXPECT_TRUE(found.has("probe_ip_protocol"));

  found = runner.run("http", "http://no-such-host.invalid/x", toml + "\nskip_resolve_phase_with_proxy = true");
  EXPECT_TRUE(found.result.success) << found.result.detail;
  EXPECT_TRUE(request.starts_with("GET http://no-such-host.invalid/x HTTP/1.1\r\n")) << request;
  EXPECT_FALSE(found.has("probe_ip_protocol"));
  EXPECT_TRUE(std::isnan(found["probe_http_duration_seconds{phase=\"resolve\"}"]));
}

struct Mistake {
  const char* toml;
  const char* target;
  const char* said;
};

TEST(HttpProbe, RefusesAConfigurationThatCannotBeMeant) {
  const Mistake kTable[] = {{"valid_status_codes = [99]", "h", "status code"},
                            {"valid_status_codes = ['6xx']", "h", "status code"},
                            {"valid_http_versions = ['1.1']", "h", "HTTP/1.1"},
                            {"body = 'a'\nbody_file = 'b'", "h", "both"},
                            {"bearer_token = 'x'\nbasic_auth = { username = 'u' }", "h", "Only one"},
                            {"compression = 'zip'", "h", "gzip"},
                            {"body_size_limit = '5 apples'", "h", "bytes"},
                            {"fail_if_body_matches_regexp = ['(']", "h", "regular expression"},
                            {"fail_if_header_matches = [{regexp = 'x'}]", "h", "header"},
                            {"methd = 'GET'", "h", "did you mean \"method\""},
                            {"", "http://", "target"}};
  for (const Mistake& row : kTable) {
    ProbeRunner runner;
    EXPECT_EQ(runner.make("http", row.target, row.toml), nullptr) << row.toml;
    EXPECT_NE(runner.diagnostics.str().find(row.said), std::string::npos) << runner.diagnostics.str();
  }
}

}  // namespace
}  // namespace tocsin
