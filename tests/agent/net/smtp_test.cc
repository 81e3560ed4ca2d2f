#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "agent/net/http_client.h"
#include "tests/support/run.h"
#include "tests/support/smtp_server.h"
#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Mailer {
  asio::io_context io;
  HttpClient http{io.get_executor()};
  TestCa ca;
  TempDir dir;

  SmtpRequest request(const SmtpServer& server) {
    SmtpRequest out;
    out.host = "127.0.0.1";
    out.port = server.port();
    out.tls.ca_file = dir.write("ca.pem", ca.pem());
    out.from = "tocsin@example.com";
    out.to = {"a@example.com", "b@example.com"};
    out.message = "Subject: hi\r\n\r\n.dot\r\nend";
    return out;
  }
  SmtpResponse send(SmtpRequest mail, int ms = 10000) { return run(io, http.send_mail(std::move(mail), in_ms(ms))); }
};

TEST(SendMail, DeliversOverStartTls) {
  Mailer mailer;
  SmtpServer server({}, mailer.ca.issue());
  const SmtpResponse response = mailer.send(mailer.request(server));
  EXPECT_TRUE(response.ok) << response.error;
  EXPECT_EQ(response.code, 250);
  ASSERT_EQ(server.mails().size(), 1U);
  const ReceivedMail mail = server.mails()[0];
  EXPECT_TRUE(mail.tls);
  EXPECT_EQ(mail.from, "tocsin@example.com");
  EXPECT_THAT(mail.to, ElementsAre("a@example.com", "b@example.com"));
  EXPECT_EQ(mail.data, "Subject: hi\r\n\r\n.dot\r\nend\r\n");
}

TEST(SendMail, SpeaksEveryWayOfLoggingIn) {
  for (const char* mechanism : {"PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2 LOGIN"}) {
    Mailer mailer;
    SmtpServer server({.auth = mechanism, .implicit_tls = true}, mailer.ca.issue());
    SmtpRequest request = mailer.request(server);
    request.implicit_tls = true;
    request.username = "user";
    request.password = "secret";
    EXPECT_TRUE(mailer.send(request).ok) << mechanism;
    ASSERT_EQ(server.mails().size(), 1U) << mechanism;
    EXPECT_EQ(server.mails()[0].authenticated_as, "user") << mechanism;
    request.password = "wrong";
    const SmtpResponse refused = mailer.send(request);
    EXPECT_FALSE(refused.ok) << mechanism;
    EXPECT_EQ(refused.code, 535) << mechanism;
    EXPECT_THAT(refused.error, ::testing::Not(HasSubstr("wrong")));
  }
}

TEST(SendMail, InsistsOnStartTls) {
  Mailer mailer;
  SmtpServer server({.offer_starttls = false}, mailer.ca.issue());
  const SmtpResponse response = mailer.send(mailer.request(server));
  EXPECT_FALSE(response.ok);
  EXPECT_EQ(response.failure, HttpFailure::kTls);
  EXPECT_TRUE(server.mails().empty());
}

TEST(SendMail, RefusesABadCertificate) {
  Mailer mailer;
  SmtpServer server({}, mailer.ca.issue({.not_after = std::chrono::hours(-1)}));
  const SmtpResponse response = mailer.send(mailer.request(server));
  EXPECT_EQ(response.failure, HttpFailure::kCertificate) << response.error;
  EXPECT_THAT(response.error, HasSubstr("certificate has expired"));
}

TEST(SendMail, DeliversToThoseWhoAreTakenAndNamesTheOthers) {
  Mailer mailer;
  SmtpServer server({.rcpt = {{"a@example.com", "550 5.1.1 no such user"}}}, mailer.ca.issue());
  const SmtpResponse response = mailer.send(mailer.request(server));
  EXPECT_TRUE(response.ok) << response.error;
  ASSERT_EQ(response.refused.size(), 1U);
  EXPECT_EQ(response.refused[0].address, "a@example.com");
  EXPECT_EQ(response.refused[0].code, 550);
  EXPECT_THAT(server.mails().at(0).to, ElementsAre("b@example.com"));
}

TEST(SendMail, FailsWhenNobodyIsTaken) {
  Mailer mailer;
  SmtpServer server({.rcpt = {{"a@example.com", "550 5.1.1 no such user"}, {"b@example.com", "450 4.2.0 later"}}},
                    mailer.ca.issue());
  const SmtpResponse response = mailer.send(mailer.request(server));
  EXPECT_FALSE(response.ok);
  EXPECT_EQ(response.code, 450);
  EXPECT_EQ(response.refused.size(), 2U);
  EXPECT_FALSE(response.unknown_outcome);
}

TEST(SendMail, DoesNotKnowTheOutcomeWhenTheDotIsNotAnswered) {
  for (const bool hang : {true, false}) {
    Mailer mailer;
    SmtpServer server({.after_data = "", .hang_after_data = hang}, mailer.ca.issue());
    const SmtpResponse response = mailer.send(mailer.request(server), 500);
    EXPECT_FALSE(response.ok);
    EXPECT_TRUE(response.unknown_outcome);
    EXPECT_EQ(response.failure, hang ? HttpFailure::kTimeout : HttpFailure::kReceive) << response.error;
  }
}

TEST(SendMail, KnowsTheOutcomeWhenTheMessageIsRefused) {
  Mailer mailer;
  SmtpServer server({.after_data = "554 5.7.1 spam"}, mailer.ca.issue());
  const SmtpResponse response = mailer.send(mailer.request(server));
  EXPECT_FALSE(response.ok);
  EXPECT_FALSE(response.unknown_outcome);
  EXPECT_EQ(response.code, 554);
  EXPECT_EQ(response.error, "end of message: 554 5.7.1 spam");
}

TEST(SendMail, SurvivesServersThatAreNone) {
  const std::vector<RawServer::Script> scripts = {
      [](Peer& p) {
        p.write("hello there\r\n");
        p.wait_closed();
      },
      [](Peer& p) { p.write_forever("220-more\r\n"); },
      [](Peer& p) { p.write_forever(std::string(5000, 'x')); },
      [](Peer& p) {
        p.write("220 a\r\n");
        p.reset();
      },
      [](Peer& p) { p.wait_closed(); },
      [](Peer& p) {
        p.write("421 busy\r\n");
        p.wait_closed();
      },
  };
  for (std::size_t i = 0; i < scripts.size(); ++i) {
    RawServer server(scripts[i]);
    asio::io_context io;
    HttpClient http(io.get_executor());
    SmtpRequest request;
    request.host = "127.0.0.1";
    request.port = server.port();
    request.from = "a@example.com";
    request.to = {"b@example.com"};
    const SmtpResponse response = run(io, http.send_mail(request, in_ms(300)));
    EXPECT_FALSE(response.ok) << i;
    EXPECT_NE(response.failure, HttpFailure::kNone) << i;
    EXPECT_FALSE(response.unknown_outcome) << i;
  }
}

TEST(SendMail, DoesNotPutForeignLinesIntoTheSession) {
  Mailer mailer;
  SmtpServer server({}, mailer.ca.issue());
  SmtpRequest request = mailer.request(server);
  request.to = {"a@example.com>\r\nRCPT TO:<evil@example.com"};
  EXPECT_EQ(mailer.send(request).failure, HttpFailure::kInternal);
  EXPECT_EQ(server.connections(), 0);
}

}  // namespace
}  // namespace tocsin
