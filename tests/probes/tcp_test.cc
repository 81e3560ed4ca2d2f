// Rows of (what a server does, how the probe is configured) -> (verdict, samples).

#include <gtest/gtest.h>

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

std::string address(const RawServer& server) {
  return fmt::format("127.0.0.1:{}", server.port());
}

struct Row {
  const char* what;
  RawServer::Script script;
  const char* toml;
  const char* cause;
  std::map<std::string, double> samples;
};

std::string row_name(const testing::TestParamInfo<Row>& row) {
  std::string name(row.param.what);
  std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
  return name;
}

class TcpProbeTable : public testing::TestWithParam<Row> {};

TEST_P(TcpProbeTable, Judges) {
  const Row& row = GetParam();
  RawServer server(row.script);
  ProbeRunner runner;
  const Found found = runner.run("tcp", address(server), row.toml, 1000);
  EXPECT_EQ(found.result.cause, row.cause) << found.result.detail;
  EXPECT_EQ(found.result.success, row.cause[0] == '\0');
  EXPECT_EQ(found.result.detail.empty(), row.cause[0] == '\0') << found.result.detail;
  for (const auto& [series, value] : row.samples) EXPECT_EQ(found[series], value) << series;
}

void ssh(Peer& peer) {
  peer.write("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
  peer.wait_closed();
}

void irc(Peer& peer) {
  peer.write(":ircd.example NOTICE AUTH :*** Looking up\n");
  const std::string nick = peer.read_line();
  const std::string user = peer.read_line();
  peer.write(":ircd.example PING :17\n");
  const std::string pong = peer.read_line();
  if (nick == "NICK prober" && user == "USER prober prober prober :prober" && pong == "PONG 17") {
    peer.write(":ircd.example 001\n");
  }
}

constexpr const char* kIrc =
    "query_response = [{ send = 'NICK prober' }, { send = 'USER prober prober prober :prober' }, "
    "{ expect = 'PING :([^ ]+)', send = 'PONG ${1}' }, { expect = '^:[^ ]+ 001' }]";

void silent(Peer& peer) {
  peer.wait_closed();
}
void closes(Peer&) {}
void resets(Peer& peer) {
  peer.read_line();
  peer.reset();
}
void endless(Peer& peer) {
  peer.write_forever(std::string(8192, 'x'));
}
void dribbles(Peer& peer) {
  peer.write("ab");
  peer.drip("cd", 20);
  peer.wait_closed();
}
void line_and_bytes(Peer& peer) {
  peer.write("hello\nbytes");
  peer.wait_closed();
}
void last_line_without_end(Peer& peer) {
  peer.write("bye");
}

INSTANTIATE_TEST_SUITE_P(
    Tcp, TcpProbeTable,
    testing::Values(
        Row{"connects",
            silent,
            "",
            "",
            {{"probe_failed_due_to_regex", 0}, {"probe_failed_due_to_bytes", 0}, {"probe_ip_protocol", 4}}},
        Row{"expects", ssh, "query_response = [{ expect = '^SSH-2.0-' }]", "", {{"probe_failed_due_to_regex", 0}}},
        Row{"labels",
            ssh,
            "query_response = [{ expect = '^SSH-2.0-([^ ]+) (?P<os>.*)$', labels = [{ name = 'version', value = '$1' "
            "}, "
            "{ name = 'os', value = '${os}' }] }]",
            "",
            {{"probe_expect_info{os=\"Debian-2\",version=\"OpenSSH_9.2p1\"}", 1}}},
        Row{"talks", irc, kIrc, "", {{"probe_failed_due_to_regex", 0}}},
        Row{"waits in vain",
            ssh,
            "query_response = [{ expect = 'nothing' }]",
            "timeout",
            {{"probe_failed_due_to_regex", 0}}},
        Row{"closed first",
            closes,
            "query_response = [{ expect = 'x' }]",
            "assertion",
            {{"probe_failed_due_to_regex", 1}}},
        Row{"last line without end", last_line_without_end, "query_response = [{ expect = '^bye$' }]", "", {}},
        Row{"last line is another",
            last_line_without_end,
            "query_response = [{ expect = 'hi' }]",
            "assertion",
            {{"probe_failed_due_to_regex", 1}}},
        Row{"reset",
            resets,
            "query_response = [{ send = 'x' }, { expect = 'x' }]",
            "protocol",
            {{"probe_failed_due_to_regex", 0}}},
        Row{"endless line", endless, "query_response = [{ expect = 'y' }]", "protocol", {}},
        Row{"bytes", dribbles, "query_response = [{ expect_bytes = 'abcd' }]", "", {{"probe_failed_due_to_bytes", 0}}},
        Row{"other bytes",
            dribbles,
            "query_response = [{ expect_bytes = 'abce' }]",
            "assertion",
            {{"probe_failed_due_to_bytes", 1}}},
        Row{"too few bytes",
            dribbles,
            "query_response = [{ expect_bytes = 'abcdef' }]",
            "timeout",
            {{"probe_failed_due_to_bytes", 0}}},
        Row{"bytes behind a line",
            line_and_bytes,
            "query_response = [{ expect = 'hello' }, { expect_bytes = 'bytes' }]",
            "",
            {}},
        Row{"no tls there", silent, "tls = true", "timeout", {}},
        Row{"closed in the handshake", closes, "tls = true", "tls", {}}),
    row_name);

TEST(TcpProbe, SpeaksTls) {
  const test::TestCa ca;
  const test::TempDir dir;
  RawServer server([](Peer& peer) { peer.write("hello\n"); }, ca.issue());
  ProbeRunner runner;
  const std::string trust = fmt::format("\ntls_config = {{ ca_file = '{}' }}", dir.write("ca", ca.pem()));
  Found found = runner.run("tcp", address(server), "tls = true\nquery_response = { expect = 'hello' }" + trust);
  EXPECT_TRUE(found.result.success) << found.result.detail;
  EXPECT_TRUE(found.has("probe_ssl_earliest_cert_expiry"));
  EXPECT_TRUE(found.has("probe_ssl_last_chain_expiry_timestamp_seconds"));
  EXPECT_EQ(found["probe_tls_version_info{version=\"TLS 1.3\"}"], 1);

  found = runner.run("tcp", address(server), "tls = true");
  EXPECT_EQ(found.result.cause, "certificate") << found.result.detail;
  EXPECT_TRUE(found.has("probe_ssl_earliest_cert_expiry"));
  EXPECT_TRUE(found.has("probe_tls_verify_error"));
  EXPECT_FALSE(found.has("probe_ssl_last_chain_expiry_timestamp_seconds"));
}

TEST(TcpProbe, BeginsTlsInTheMiddle) {
  const test::TestCa ca;
  const test::TempDir dir;
  RawServer server(
      [](Peer& peer) {
        peer.write("220 ready\r\n");
        if (peer.read_line() != "STARTTLS") return;
        peer.write("220 go ahead\r\n");
        if (peer.start_tls() && peer.read_line() == "EHLO x") peer.write("250 secret\r\n");
      },
      ca.issue(), RawServer::Tls::kOnRequest);
  ProbeRunner runner;
  const std::string toml = fmt::format(
      "query_response = [{{ expect = '^220', send = 'STARTTLS' }}, {{ expect = '^220', starttls = true }}, {{ send = "
      "'EHLO x' }}, "
      "{{ expect = '^250' }}]\ntls_config = {{ ca_file = '{}' }}",
      dir.write("ca", ca.pem()));
  const Found found = runner.run("tcp", address(server), toml);
  EXPECT_TRUE(found.result.success) << found.result.detail;
  EXPECT_TRUE(found.has("probe_ssl_earliest_cert_expiry"));
}

TEST(TcpProbe, TellsWhyItCouldNotConnect) {
  ProbeRunner runner;
  const Found refused = runner.run("tcp", fmt::format("127.0.0.1:{}", test::closed_port()));
  EXPECT_EQ(refused.result.cause, "connect");
  EXPECT_NE(refused.result.detail.find("refused"), std::string::npos) << refused.result.detail;
  const Found unknown = runner.run("tcp", "no-such-host.invalid:1");
  EXPECT_EQ(unknown.result.cause, "dns");
  EXPECT_EQ(unknown["probe_failed_due_to_regex"], 0);
}

TEST(TcpProbe, RefusesAConfigurationThatCannotBeMeant) {
  const std::tuple<const char*, const char*, const char*> kTable[] = {
      {"", "host", "port"},
      {"", "host:0", "port"},
      {"", "::1:80", "brackets"},
      {"query_response = { expect = '(' }", "h:1", "regular expression"},
      {"query_response = { expect = 'a', expect_bytes = 'b' }", "h:1", "both"},
      {"query_response = { expect = 'a', labels = [{ name = '1', value = '' }] }", "h:1", "label name"},
      {"query_response = { send = 'a', labels = [{ name = 'a', value = '' }] }", "h:1", "expect"},
      {"tls = true\nquery_response = { starttls = true }", "h:1", "once"},
      {"tls_confg = {}", "h:1", "did you mean \"tls_config\""}};
  for (const auto& [toml, target, said] : kTable) {
    ProbeRunner runner;
    EXPECT_EQ(runner.make("tcp", target, toml), nullptr) << toml << target;
    EXPECT_NE(runner.diagnostics.str().find(said), std::string::npos) << runner.diagnostics.str();
  }
}

}  // namespace
}  // namespace tocsin
