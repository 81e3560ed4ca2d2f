// Rows of (what a DNS server answers, how the probe is configured) -> (verdict, samples).

#include <gtest/gtest.h>

#include "tests/probes/probe_runner.h"
#include "tests/support/certs.h"
#include "tests/support/raw_server.h"
#include "tests/support/temp_dir.h"
#include "tests/support/udp_server.h"

namespace tocsin {
namespace {

using test::Found;
using test::Peer;
using test::ProbeRunner;
using test::RawServer;
using test::UdpServer;

/// Records as they go over the wire; the owner is a pointer to the question's name.
std::string record(int type, const std::string& data) {
  std::string out("\xc0\x0c\x00", 3);
  out += static_cast<char>(type);
  out += std::string("\x00\x01\x00\x00\x01\x2c\x00", 7);
  return out + static_cast<char>(data.size()) + data;
}
std::string a(const std::string& address) {
  return record(1, address);
}
const std::string kLocal = a(std::string("\x7f\0\0\1", 4));
const std::string kOther = a(std::string("\x7f\0\0\2", 4));
const std::string kDocumentation = a("\xc0\x01\x02\x01");
const std::string kSoa =
    record(6, std::string("\x02ns\xc0\x0c\x04root\xc0\x0c\0\0\3\xe8\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1", 32));

struct Zone {
  int rcode = 0;
  std::vector<std::string> answer;
  std::vector<std::string> authority;
  std::vector<std::string> additional;
};

std::string reply(std::string question, const Zone& zone) {
  question[2] = static_cast<char>(0x84 | (question[2] & 1));
  question[3] = static_cast<char>(0x80 | zone.rcode);
  question[7] = static_cast<char>(zone.answer.size());
  question[9] = static_cast<char>(zone.authority.size());
  question[11] = static_cast<char>(zone.additional.size());
  for (const auto* section : {&zone.answer, &zone.authority, &zone.additional}) {
    for (const std::string& one : *section) question += one;
  }
  return question;
}

struct Row {
  const char* what;
  Zone zone;
  const char* toml;
  const char* cause;
  std::map<std::string, double> samples;
};

void answer_over_tcp(Peer& peer, const Zone& zone) {
  const std::string length = peer.read_exactly(2);
  if (length.size() < 2) return;
  const std::size_t size = static_cast<unsigned char>(length[0]) * 256U + static_cast<unsigned char>(length[1]);
  const std::string answer = reply(peer.read_exactly(size), zone);
  peer.write(std::string{static_cast<char>(answer.size() >> 8), static_cast<char>(answer.size() & 0xff)} + answer);
  peer.wait_closed();
}

void check(const Row& row, const Found& found) {
  EXPECT_EQ(found.result.cause, row.cause) << row.what << ": " << found.result.detail;
  EXPECT_EQ(found.result.success, row.cause[0] == '\0') << row.what;
  EXPECT_EQ(found.result.detail.empty(), row.cause[0] == '\0') << row.what << found.result.detail;
  for (const auto& [series, value] : row.samples) EXPECT_EQ(found[series], value) << row.what << " " << series;
}

TEST(DnsProbe, JudgesOverUdpAndTcpAlike) {
  const Zone two{0, {kLocal, kOther}, {kSoa}, {kDocumentation}};
  const Zone empty{};
  const Row kTable[] = {
      {"answers",
       two,
       "query_type = 'A'",
       "",
       {{"probe_dns_answer_rrs", 2},
        {"probe_dns_authority_rrs", 1},
        {"probe_dns_additional_rrs", 1},
        {"probe_dns_query_succeeded", 1},
        {"probe_ip_protocol", 4}}},
      {"any", two, "", "", {{"probe_dns_answer_rrs", 2}}},
      {"soa", {0, {kSoa}, {}, {}}, "query_type = 'SOA'", "", {{"probe_dns_serial", 1000}}},
      {"no soa", empty, "query_type = 'SOA'", "", {{"probe_dns_serial", 0}}},
      {"wrong code",
       {3, {}, {kSoa}, {}},
       "",
       "status",
       {{"probe_dns_query_succeeded", 1}, {"probe_dns_authority_rrs", 1}}},
      {"wanted code", {2, {}, {}, {}}, "valid_rcodes = ['NOERROR', 'SERVFAIL']", "", {}},
      {"one matches", two, "validate_answer_rrs = { fail_if_matches_regexp = ['127.0.0.2'] }", "assertion", {}},
      {"none matches", two, "validate_answer_rrs = { fail_if_matches_regexp = ['127.0.0.3'] }", "", {}},
      {"all match", two, "validate_answer_rrs = { fail_if_all_match_regexp = ['127.0.0'] }", "", {}},
      {"not all match", two, "validate_answer_rrs = { fail_if_all_match_regexp = ['127.0.0.1'] }", "assertion", {}},
      {"nothing to match", empty, "validate_answer_rrs = { fail_if_all_match_regexp = ['zzz'] }", "", {}},
      {"one does not match",
       two,
       "validate_answer_rrs = { fail_if_not_matches_regexp = ['127.0.0.1'] }",
       "assertion",
       {}},
      {"each matches", two, "validate_answer_rrs = { fail_if_not_matches_regexp = ['A\t127.0.0.[12]$'] }", "", {}},
      {"empty cannot match", empty, "validate_answer_rrs = { fail_if_not_matches_regexp = ['.'] }", "assertion", {}},
      {"some match", two, "validate_answer_rrs = { fail_if_none_matches_regexp = ['zzz', '127.0.0.2'] }", "", {}},
      {"no match", two, "validate_answer_rrs = { fail_if_none_matches_regexp = ['zzz'] }", "assertion", {}},
      {"empty has none", empty, "validate_answer_rrs = { fail_if_none_matches_regexp = ['zzz'] }", "assertion", {}},
      {"authority", two, "validate_authority_rrs = { fail_if_matches_regexp = ['SOA'] }", "assertion", {}},
      {"additional", two, "validate_additional_rrs = { fail_if_not_matches_regexp = ['192.1.2.1'] }", "", {}}};
  for (const Row& row : kTable) {
    const std::string toml = std::string("query_name = 'example.org'\n") + row.toml;
    ProbeRunner runner;
    UdpServer udp([&row](const std::string& question) { return std::vector{reply(question, row.zone)}; });
    check(row, runner.run("dns", fmt::format("127.0.0.1:{}", udp.port()), toml));
    RawServer tcp([&row](Peer& peer) { answer_over_tcp(peer, row.zone); });
    check(row, runner.run("dns", fmt::format("127.0.0.1:{}", tcp.port()), "transport_protocol = 'tcp'\n" + toml));
  }
}

TEST(DnsProbe, AsksOverTls) {
  const test::TestCa ca;
  const test::TempDir dir;
  const Zone zone{0, {kLocal}, {}, {}};
  RawServer server([&zone](Peer& peer) { answer_over_tcp(peer, zone); }, ca.issue());
  ProbeRunner runner;
  const std::string toml = "query_name = 'example.org'\ntransport_protocol = 'tcp'\ndns_over_tls = true\n";
  const std::string target = fmt::format("127.0.0.1:{}", server.port());
  Found found =
      runner.run("dns", target, toml + fmt::format("tls_config = {{ ca_file = '{}' }}", dir.write("ca", ca.pem())));
  EXPECT_TRUE(found.result.success) << found.result.detail;
  EXPECT_TRUE(found.has("probe_ssl_earliest_cert_expiry"));
  found = runner.run("dns", target, toml);
  EXPECT_EQ(found.result.cause, "certificate") << found.result.detail;
}

TEST(DnsProbe, TellsWhyThereWasNoAnswer) {
  ProbeRunner runner;
  const std::string toml = "query_name = 'example.org'";
  UdpServer silent([](const std::string&) { return std::vector<std::string>{}; });
  Found found = runner.run("dns", fmt::format("127.0.0.1:{}", silent.port()), toml, 200);
  EXPECT_EQ(found.result.cause, "timeout");
  EXPECT_EQ(found["probe_dns_query_succeeded"], 0);
  EXPECT_EQ(found["probe_dns_answer_rrs"], 0);
  found = runner.run("dns", fmt::format("127.0.0.1:{}", test::closed_port()), toml);
  EXPECT_EQ(found.result.cause, "connect") << found.result.detail;
  found = runner.run("dns", "no-such-host.invalid", toml);
  EXPECT_EQ(found.result.cause, "dns");
}

TEST(DnsProbe, RefusesAConfigurationThatCannotBeMeant) {
  const std::pair<const char*, const char*> kTable[] = {{"", "query_name"},
                                                        {"query_name = 'a'\nquery_type = 'B'", "type"},
                                                        {"query_name = 'a'\nquery_class = 'X'", "class"},
                                                        {"query_name = 'a'\nvalid_rcodes = ['NOPE']", "NXDOMAIN"},
                                                        {"query_name = 'a'\ndns_over_tls = true", "tcp"},
                                                        {"query_name = 'a'\ntransport_protocol = 'sctp'", "udp"},
                                                        {"query_name = 'a..b'", "a..b"}};
  for (const auto& [toml, said] : kTable) {
    ProbeRunner runner;
    EXPECT_EQ(runner.make("dns", "h", toml), nullptr) << toml;
    EXPECT_NE(runner.diagnostics.str().find(said), std::string::npos) << runner.diagnostics.str();
  }
}

}  // namespace
}  // namespace tocsin
