#include "notifiers/http_result.h"

#include <gmock/gmock.h>

namespace tocsin {
namespace {

using namespace std::chrono_literals;
using Kind = SendResult::Kind;
using ::testing::HasSubstr;
using ::testing::Not;

const TimePoint kNow = *parse_rfc3339("2026-11-23T20:00:00Z");

TEST(RetryAfter, ReadsSecondsAndDates) {
  struct Case {
    std::string text;
    std::optional<Duration> wait;
  };
  const std::vector<Case> cases{
      {"0", 0s},
      {"7", 7s},
      {"1.5", 1500ms},
      {"-3", 0s},
      {"1000000000", 1h},
      {"99999999999999999999999", 1h},
      {"Mon, 23 Nov 2026 20:00:30 GMT", 30s},
      {"Monday, 23-Nov-26 20:00:30 GMT", 30s},
      {"Mon Nov 23 20:00:30 2026", 30s},
      {"Mon, 23 Nov 2026 19:00:00 GMT", 0s},
      {"Wed, 23 Dec 2026 20:00:00 GMT", 1h},
      {"soon", std::nullopt},
      {"7 apples", std::nullopt},
      {"", std::nullopt},
  };
  for (const Case& c : cases) EXPECT_EQ(retry_after({{"retry-after", c.text}}, kNow), c.wait) << c.text;
  EXPECT_EQ(retry_after({}, kNow), std::nullopt);
}

TEST(HttpResult, ClassifiesByStatus) {
  for (const auto& [status, kind] : std::vector<std::pair<int, Kind>>{{200, Kind::kOk},
                                                                      {202, Kind::kOk},
                                                                      {204, Kind::kOk},
                                                                      {301, Kind::kPermanent},
                                                                      {400, Kind::kPermanent},
                                                                      {401, Kind::kPermanent},
                                                                      {404, Kind::kPermanent},
                                                                      {408, Kind::kTransient},
                                                                      {410, Kind::kPermanent},
                                                                      {425, Kind::kTransient},
                                                                      {429, Kind::kThrottled},
                                                                      {500, Kind::kTransient},
                                                                      {503, Kind::kTransient},
                                                                      {599, Kind::kTransient}}) {
    HttpResponse response;
    response.status = status;
    response.request_sent = true;
    EXPECT_EQ(http_result(response, "https://h/", {}, kNow).kind, kind) << status;
  }
}

TEST(HttpResult, ClassifiesByWhereItBroke) {
  struct Case {
    HttpFailure failure;
    bool sent;
    int status;
    Kind kind;
  };
  const std::vector<Case> cases{
      {HttpFailure::kResolve, false, 0, Kind::kTransient},  {HttpFailure::kConnect, false, 0, Kind::kTransient},
      {HttpFailure::kTls, false, 0, Kind::kTransient},      {HttpFailure::kCertificate, false, 0, Kind::kTransient},
      {HttpFailure::kTimeout, false, 0, Kind::kTransient},  {HttpFailure::kTimeout, true, 0, Kind::kUnknown},
      {HttpFailure::kReceive, true, 0, Kind::kUnknown},     {HttpFailure::kReceive, true, 200, Kind::kUnknown},
      {HttpFailure::kReceive, true, 503, Kind::kTransient}, {HttpFailure::kReceive, true, 400, Kind::kPermanent},
      {HttpFailure::kBodyTooLarge, true, 200, Kind::kOk},   {HttpFailure::kProtocol, true, 0, Kind::kUnknown},
      {HttpFailure::kBadUrl, false, 0, Kind::kPermanent},   {HttpFailure::kSend, false, 0, Kind::kTransient},
  };
  for (const Case& c : cases) {
    HttpResponse response;
    response.failure = c.failure;
    response.error = "it broke";
    response.request_sent = c.sent;
    response.status = c.status;
    EXPECT_EQ(http_result(response, "https://h/", {}, kNow).kind, c.kind)
        << to_string(c.failure) << " " << c.sent << " " << c.status;
  }
}

TEST(HttpResult, SaysWhoSaidWhatWithoutSecrets) {
  HttpResponse response;
  response.status = 429;
  response.headers = {{"Retry-After", "5"}};
  response.body = "rate_limited\n";
  const SendResult plain = http_result(response, "https://hooks.slack.com/services/T0/B0/xyz", {}, kNow);
  EXPECT_EQ(plain.detail, "HTTP 429 from hooks.slack.com: rate_limited");
  EXPECT_EQ(plain.retry_after, 5s);

  response.body = std::string(190, '.') + "/services/T0/B0/xyz Bearer t0ken-0123 \x01" + std::string(1000, '.');
  const std::vector<std::string> secrets{"t0ken-0123"};
  const SendResult masked = http_result(response, "https://user:pw@hooks.slack.com/services/T0/B0/xyz", secrets, kNow);
  EXPECT_THAT(masked.detail, HasSubstr("from hooks.slack.com: "));
  EXPECT_THAT(masked.detail, Not(HasSubstr("/services")));
  EXPECT_THAT(masked.detail, Not(HasSubstr("t0ken")));
  EXPECT_LE(masked.detail.size(), 300U);
}

TEST(SafeDetail, IsShortAndOneLine) {
  const std::string detail = safe_detail("a\nb" + std::string(497, 'x') + "ä", {});
  EXPECT_EQ(detail.substr(0, 3), "a b");
  EXPECT_EQ(detail.size(), 500U);
  const std::string cut = safe_detail(std::string(499, 'x') + "ä", {});
  EXPECT_EQ(cut.size(), 499U) << "not in the middle of a character";
}

}  // namespace
}  // namespace tocsin
