#include "agent/net/dns_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "tests/support/raw_server.h"
#include "tests/support/run.h"
#include "tests/support/temp_dir.h"
#include "tests/support/udp_server.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace test;
using ::testing::ElementsAre;

/// The question turned into an answer: flags, counts, then the records as they go over the wire.
std::string answer_to(std::string question, int rcode, const std::string& answer, const std::string& authority = "",
                      const std::string& additional = "", bool truncated = false) {
  question[2] = static_cast<char>(0x84 | (question[2] & 1) | (truncated ? 2 : 0));
  question[3] = static_cast<char>(0x80 | rcode);
  question[7] = static_cast<char>(answer.empty() ? 0 : 1);
  question[9] = static_cast<char>(authority.empty() ? 0 : 1);
  question[11] = static_cast<char>(additional.empty() ? 0 : 1);
  return question + answer + authority + additional;
}

// The owner is a pointer to the question's name.
const std::string kA("\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xc0\x00\x02\x01", 16);
const std::string kSoa =
    std::string("\xc0\x0c\x00\x06\x00\x01\x00\x00\x0e\x10\x00\x20", 12) + std::string("\x02ns\xc0\x0c", 5) +
    std::string("\x04root\xc0\x0c", 7) +
    std::string("\x78\xa4\x3b\x01\x00\x00\x1c\x20\x00\x00\x0e\x10\x00\x12\x75\x00\x00\x00\x0e\x10", 20);

DnsResult ask(const DnsServer& server, DnsQuery query = {"example.com", "A", "IN", true}, int ms = 2000) {
  asio::io_context io;
  return run(io, ask_dns(std::move(query), server, in_ms(ms)));
}

DnsServer at(std::uint16_t port, bool tcp = false) {
  DnsServer server;
  server.address = asio::ip::address_v4::loopback();
  server.port = port;
  server.tcp = tcp;
  return server;
}

TEST(DnsQuery, ReadsEverySectionOfAnAnswer) {
  UdpServer server([](const std::string& q) { return std::vector{answer_to(q, 0, kA, kSoa, kA)}; });
  const DnsResult result = ask(at(server.port()));
  ASSERT_TRUE(result.ok()) << result.error;
  EXPECT_EQ(result.answer.rcode, "NOERROR");
  EXPECT_THAT(result.answer.answer, ElementsAre("example.com.\t300\tIN\tA\t192.0.2.1"));
  EXPECT_THAT(
      result.answer.authority,
      ElementsAre("example.com.\t3600\tIN\tSOA\tns.example.com. root.example.com. 2024028929 7200 3600 1209600 3600"));
  EXPECT_EQ(result.answer.additional.size(), 1U);
  EXPECT_TRUE(result.answer.authoritative);
  EXPECT_TRUE(result.answer.recursion_available);
  EXPECT_FALSE(result.answer.truncated);
  EXPECT_FALSE(result.answer.soa_serial.has_value());
  EXPECT_GT(result.request_seconds, 0);
}

TEST(DnsQuery, FindsTheSerialOfAZone) {
  UdpServer server([](const std::string& q) { return std::vector{answer_to(q, 0, kSoa)}; });
  const DnsResult result = ask(at(server.port()), {"example.com.", "SOA", "IN", false});
  ASSERT_TRUE(result.ok()) << result.error;
  EXPECT_EQ(result.answer.soa_serial, 2024028929U);
}

TEST(DnsQuery, ReturnsOtherCodesAndTruncatedAnswersAsTheyAre) {
  for (const auto& [code, name] : std::vector<std::pair<int, std::string>>{
           {2, "SERVFAIL"}, {3, "NXDOMAIN"}, {4, "NOTIMP"}, {5, "REFUSED"}, {15, "RCODE15"}}) {
    UdpServer server([code = code](const std::string& q) { return std::vector{answer_to(q, code, "", "", "", true)}; });
    const DnsResult result = ask(at(server.port()));
    ASSERT_TRUE(result.ok()) << result.error;
    EXPECT_EQ(result.answer.rcode, name);
    EXPECT_TRUE(result.answer.truncated);
  }
}

TEST(DnsQuery, PassesOverForgedAndBrokenDatagrams) {
  UdpServer server([](const std::string& q) {
    std::string other_id = answer_to(q, 3, "");
    other_id[0] = static_cast<char>(other_id[0] ^ 1);
    std::string other_name = answer_to(q, 3, "");
    other_name[13] = 'x';
    return std::vector<std::string>{"", "garbage", other_id, other_name, q, answer_to(q, 0, kA)};
  });
  EXPECT_EQ(ask(at(server.port())).answer.rcode, "NOERROR");
}

TEST(DnsQuery, SaysHowAnExchangeFailed) {
  UdpServer garbage([](const std::string&) { return std::vector<std::string>{std::string(600, '\xff')}; });
  EXPECT_EQ(ask(at(garbage.port()), {"a.example", "A", "IN", true}, 100).failure, DnsFailure::kMalformed);
  UdpServer silent([](const std::string&) { return std::vector<std::string>{}; });
  EXPECT_EQ(ask(at(silent.port()), {"a.example", "A", "IN", true}, 100).failure, DnsFailure::kTimeout);
  EXPECT_EQ(ask(at(closed_port())).failure, DnsFailure::kConnect);
  EXPECT_EQ(ask(at(closed_port(), true)).failure, DnsFailure::kConnect);
  EXPECT_EQ(ask(at(1), {"a.example", "NOTYPE", "IN", true}).failure, DnsFailure::kBadQuery);
  EXPECT_EQ(ask(at(1), {"a.example", "A", "NOCLASS", true}).failure, DnsFailure::kBadQuery);
  EXPECT_EQ(ask(at(1), {std::string(300, 'a'), "A", "IN", true}).failure, DnsFailure::kBadQuery);
  RawServer closing([](Peer& p) { p.read_exactly(2); });
  EXPECT_EQ(ask(at(closing.port(), true)).failure, DnsFailure::kClosed);
  RawServer broken([](Peer& p) {
    p.write(std::string("\x00\x05hello", 7));
    p.wait_closed();
  });
  EXPECT_EQ(ask(at(broken.port(), true)).failure, DnsFailure::kMalformed);
}

void serve_tcp(Peer& peer) {
  const std::string length = peer.read_exactly(2);
  if (length.size() < 2) return;
  const std::string question = peer.read_exactly(static_cast<unsigned char>(length[1]));
  const std::string answer = answer_to(question, 0, kA);
  peer.write(std::string{'\0', static_cast<char>(answer.size())} + answer);
}

TEST(DnsQuery, AsksOverTcpAndTls) {
  RawServer plain(serve_tcp);
  EXPECT_EQ(ask(at(plain.port(), true)).answer.answer.size(), 1U);
  const TestCa ca;
  const TempDir dir;
  TlsConfig config;
  config.ca_file = dir.write("ca.pem", ca.pem());
  RawServer secure(serve_tcp, ca.issue());
  DnsServer server = at(secure.port(), true);
  server.tls_context = make_tls_context(config).value();
  server.tls_server_name = "localhost";
  const DnsResult result = ask(server);
  ASSERT_TRUE(result.ok()) << result.error;
  EXPECT_EQ(result.answer.answer.size(), 1U);
  EXPECT_TRUE(result.tls.has_value());
  server.tls_server_name = "other.example";
  EXPECT_EQ(ask(server).failure, DnsFailure::kCertificate);
}

TEST(DnsQuery, KnowsTypesAndClasses) {
  for (const char* type : {"A", "AAAA", "ANY", "SOA", "MX", "TYPE65", "CAA"}) EXPECT_TRUE(is_dns_type(type)) << type;
  for (const char* type : {"", "NONSENSE"}) EXPECT_FALSE(is_dns_type(type)) << type;
  for (const char* one : {"IN", "CH", "ANY"}) EXPECT_TRUE(is_dns_class(one)) << one;
  EXPECT_FALSE(is_dns_class("NONSENSE"));
}

}  // namespace
}  // namespace tocsin
