#include "agent/net/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "tests/support/raw_server.h"
#include "tests/support/run.h"
#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace test;
using ::testing::HasSubstr;

struct Line {
  asio::io_context io;
  Stream stream{io.get_executor()};

  StreamResult connect(std::uint16_t port, const std::string& source = "") {
    return run(io, stream.connect({asio::ip::address_v4::loopback(), port}, source, in_ms(5000)));
  }
  StreamResult read_line(std::string& line, std::size_t most = 1000, int ms = 5000) {
    return run(io, stream.read_line(line, most, in_ms(ms)));
  }
};

TEST(Stream, ReadsLinesAndBytesAndWrites) {
  RawServer server([](Peer& p) {
    p.write("one\r\ntwo\n12345");
    if (p.read_line() == "hello") p.write("last");
  });
  Line line;
  ASSERT_TRUE(line.connect(server.port(), "127.0.0.1").ok());
  std::string text;
  EXPECT_TRUE(line.read_line(text).ok());
  EXPECT_EQ(text, "one");
  EXPECT_TRUE(line.read_line(text).ok());
  EXPECT_EQ(text, "two");
  EXPECT_TRUE(run(line.io, line.stream.read_exactly(text, 5, in_ms(5000))).ok());
  EXPECT_EQ(text, "12345");
  EXPECT_TRUE(run(line.io, line.stream.write("hello\n", in_ms(5000))).ok());
  EXPECT_TRUE(line.read_line(text).ok());
  EXPECT_EQ(text, "last");
  EXPECT_EQ(line.read_line(text).failure, StreamFailure::kClosed);
}

TEST(Stream, SaysHowItFailed) {
  Line refused;
  const std::uint16_t port = closed_port();
  const StreamResult result = refused.connect(port);
  EXPECT_EQ(result.failure, StreamFailure::kConnect);
  EXPECT_EQ(result.error, "connect to 127.0.0.1:" + std::to_string(port) + ": Connection refused");

  std::string text;
  RawServer silent([](Peer& p) { p.wait_closed(); });
  Line waiting;
  ASSERT_TRUE(waiting.connect(silent.port()).ok());
  EXPECT_EQ(waiting.read_line(text, 100, 50).failure, StreamFailure::kTimeout);

  RawServer rude([](Peer& p) {
    p.read_line();
    p.reset();
  });
  Line cut;
  ASSERT_TRUE(cut.connect(rude.port()).ok());
  ASSERT_TRUE(run(cut.io, cut.stream.write("x\n", in_ms(1000))).ok());
  EXPECT_EQ(cut.read_line(text).failure, StreamFailure::kReset);

  RawServer endless([](Peer& p) { p.write_forever(std::string(65536, 'x')); });
  Line flooded;
  ASSERT_TRUE(flooded.connect(endless.port()).ok());
  EXPECT_EQ(flooded.read_line(text, 65536).failure, StreamFailure::kTooLong);

  Line elsewhere;
  EXPECT_EQ(elsewhere.connect(silent.port(), "192.0.2.77").failure, StreamFailure::kConnect);
}

TEST(Stream, BecomesTlsOnRequest) {
  const TestCa ca;
  const TempDir dir;
  RawServer server(
      [](Peer& p) {
        p.read_line();
        p.write("go\n");
        if (p.start_tls()) p.write("secret\n");
      },
      ca.issue(), RawServer::Tls::kOnRequest);
  TlsConfig config;
  config.ca_file = dir.write("ca.pem", ca.pem());
  const auto context = make_tls_context(config);
  ASSERT_TRUE(context) << context.error().message;
  Line line;
  std::string text;
  ASSERT_TRUE(line.connect(server.port()).ok());
  ASSERT_TRUE(run(line.io, line.stream.write("STARTTLS\n", in_ms(1000))).ok());
  ASSERT_TRUE(line.read_line(text).ok());
  const StreamResult secured = run(line.io, line.stream.start_tls(*context, "localhost", true, in_ms(5000)));
  ASSERT_TRUE(secured.ok()) << secured.error;
  EXPECT_TRUE(line.read_line(text).ok());
  EXPECT_EQ(text, "secret");
  ASSERT_TRUE(line.stream.tls_info().has_value());
  EXPECT_EQ(line.stream.tls_info()->version, "TLS 1.3");
  EXPECT_EQ(line.stream.tls_info()->chain.size(), 1U);
  EXPECT_TRUE(line.stream.tls_info()->verified_expiry.has_value());
}

struct Handshake {
  CertOptions options;
  std::string name;
  bool verify;
  StreamFailure failure;
  std::string error;
};

TEST(Stream, DescribesCertificatesThatItRefuses) {
  const TestCa ca;
  const TempDir dir;
  TlsConfig config;
  config.ca_file = dir.write("ca.pem", ca.pem());
  const auto context = make_tls_context(config).value();
  const CertOptions expired{.not_after = std::chrono::hours(-1)};
  const std::vector<Handshake> table = {
      {{}, "localhost", true, StreamFailure::kNone, ""},
      {{}, "127.0.0.1", true, StreamFailure::kNone, ""},
      {{}, "other.example", true, StreamFailure::kCertificate, "hostname mismatch"},
      {{}, "other.example", false, StreamFailure::kNone, ""},
      {expired, "localhost", true, StreamFailure::kCertificate, "certificate has expired"},
      {expired, "localhost", false, StreamFailure::kNone, ""},
  };
  for (const Handshake& row : table) {
    RawServer server([](Peer& p) { p.wait_closed(); }, ca.issue(row.options));
    Line line;
    ASSERT_TRUE(line.connect(server.port()).ok());
    const StreamResult result = run(line.io, line.stream.start_tls(context, row.name, row.verify, in_ms(5000)));
    EXPECT_EQ(result.failure, row.failure) << row.name << ": " << result.error;
    ASSERT_TRUE(line.stream.tls_info().has_value());
    EXPECT_EQ(line.stream.tls_info()->verify_error, row.error);
    EXPECT_EQ(line.stream.tls_info()->chain.size(), 1U);
  }
}

TEST(Stream, DoesNotHangInAHandshakeWithAPeerThatSpeaksNoTls) {
  const auto context = make_tls_context({}).value();
  const std::vector<RawServer::Script> scripts = {[](Peer& p) {
                                                    p.write("220 hi\r\n");
                                                    p.wait_closed();
                                                  },
                                                  [](Peer&) {}, [](Peer& p) { p.wait_closed(); }};
  const std::vector<StreamFailure> failures = {StreamFailure::kTls, StreamFailure::kTls, StreamFailure::kTimeout};
  for (std::size_t i = 0; i < scripts.size(); ++i) {
    RawServer server(scripts[i]);
    Line line;
    ASSERT_TRUE(line.connect(server.port()).ok());
    const StreamResult result = run(line.io, line.stream.start_tls(context, "a.example", true, in_ms(200)));
    EXPECT_EQ(result.failure, failures[i]) << i << ": " << result.error;
  }
}

TEST(TlsFiles, AreCheckedAllAtOnce) {
  const TestCa ca;
  const TempDir dir;
  const Identity one = ca.issue();
  TlsConfig config;
  EXPECT_FALSE(check_tls_files(config).has_value());
  config.ca_file = dir.write("ca.pem", ca.pem());
  config.cert_file = dir.write("cert.pem", one.certificate_pem);
  config.key_file = dir.write("key.pem", one.key_pem);
  EXPECT_FALSE(check_tls_files(config).has_value());
  config.ca_file = dir.path("missing.pem");
  config.key_file = dir.write("other.pem", ca.issue().key_pem);
  const auto mistakes = check_tls_files(config);
  ASSERT_TRUE(mistakes.has_value());
  EXPECT_THAT(mistakes->message, ::testing::AllOf(HasSubstr("missing.pem"), HasSubstr("other.pem")));
}

}  // namespace
}  // namespace tocsin
