#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "agent/net/http_client.h"
#include "notifiers/notifier.h"
#include "tests/notifiers/sample.h"
#include "tests/support/raw_server.h"
#include "tests/support/run.h"

namespace tocsin {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// The request that a webhook with these options makes of the sample.
std::string request(const std::string& options, std::uint32_t attempt = 1) {
  std::string seen;
  {
    test::RawServer server([&](test::Peer& peer) {
      seen = peer.read_http();
      peer.write("HTTP/1.1 204 No Content\r\n\r\n");
    });
    Diagnostics diagnostics;
    const ConfigNode node = parse_toml("url = '" + server.url("/hook") + "'\n" + options, "t.toml", diagnostics);
    Fields fields(node, diagnostics);
    const NotifierFactory make = find_notifier_type("webhook")->read(fields);
    EXPECT_EQ(diagnostics.str(), "");
    boost::asio::io_context io;
    SystemClock clock;
    HttpClient http(io.get_executor());
    NotifierServices services{clock, http};
    const auto notifier = make(services);
    const Notification notification = test::sample_notification();
    SendContext context;
    context.attempt = attempt;
    boost::asio::awaitable<SendResult> sending = notifier->send(notification, context, test::in_ms(5000));
    EXPECT_EQ(test::run(io, std::move(sending)).kind, SendResult::Kind::kOk);
  }
  return seen;
}

json body(const std::string& request_text) {
  return json::parse(request_text.substr(request_text.find("\r\n\r\n") + 4));
}

TEST(Webhook, SendsAlertmanagersVersion4) {
  const json expected = json::parse(R"({
    "receiver": "on\\.call",
    "status": "firing",
    "alerts": [
      {"status": "resolved", "labels": {"alertname": "Down", "instance": "a:80", "job": "api"},
       "annotations": {"runbook": "https://wiki.example/down?a=1&b=<2>", "summary": "a is back"},
       "startsAt": "2026-02-02T02:39:00Z", "endsAt": "2026-02-02T02:40:30Z",
       "generatorURL": "http://prometheus.example/graph?g0.expr=up", "fingerprint": "00000000000000a0"},
      {"status": "firing", "labels": {"alertname": "Down", "instance": "b:80", "job": "api"},
       "annotations": {"runbook": "https://wiki.example/down?a=1&b=<2>", "summary": "b ist \"weg\" – 停"},
       "startsAt": "2026-02-02T02:40:00Z", "endsAt": "0001-01-01T00:00:00Z",
       "generatorURL": "http://prometheus.example/graph?g0.expr=up", "fingerprint": "00000000000000b0"}],
    "notification_reason": "some alerts resolved",
    "groupLabels": {"alertname": "Down"},
    "commonLabels": {"alertname": "Down", "job": "api"},
    "commonAnnotations": {"runbook": "https://wiki.example/down?a=1&b=<2>"},
    "routeLabels": {},
    "externalURL": "https://tocsin.example",
    "version": "4",
    "groupKey": "{}/{severity=\"page\"}:{alertname=\"Down\"}",
    "truncatedAlerts": 0})");
  EXPECT_EQ(body(request("")), expected);
}

TEST(Webhook, SaysInHeadersWhichMessageItIs) {
  const Notification n = test::sample_notification();
  const std::string first = request(""), third = request("", 3);
  EXPECT_THAT(first, ::testing::StartsWith("POST /hook HTTP/1.1\r\n"));
  EXPECT_THAT(first, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(first, HasSubstr("X-Tocsin-Idempotency-Key: " + n.idempotency_key + "\r\n"));
  EXPECT_THAT(first, HasSubstr("X-Tocsin-Incident: 0123456789abcdef\r\n"));
  EXPECT_THAT(first, HasSubstr("X-Tocsin-Sequence: 2\r\n"));
  EXPECT_THAT(first, HasSubstr("X-Tocsin-Attempt: 1\r\n"));
  EXPECT_THAT(third, HasSubstr("X-Tocsin-Idempotency-Key: " + n.idempotency_key + "\r\n"));
  EXPECT_THAT(third, HasSubstr("X-Tocsin-Attempt: 3\r\n"));
}

TEST(Webhook, LeavesOutResolvedAlertsFirst) {
  const json sent = body(request("max_alerts = 1"));
  ASSERT_EQ(sent["alerts"].size(), 1U);
  EXPECT_EQ(sent["alerts"][0]["status"], "firing");
  EXPECT_EQ(sent["truncatedAlerts"], 1);
}

TEST(Webhook, SaysWhoItIs) {
  EXPECT_THAT(request("username = 'ann'\npassword = 'p:w'"), HasSubstr("Authorization: Basic YW5uOnA6dw==\r\n"));
  EXPECT_THAT(request("bearer_token = 'abc'"), HasSubstr("Authorization: Bearer abc\r\n"));
}

}  // namespace
}  // namespace tocsin
