// The channels that are one HTTP call each, against what their vendors publish: shapes, limits, and what answers mean.

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "agent/core/url.h"
#include "agent/net/hmac.h"
#include "agent/net/http_client.h"
#include "notifiers/registry.h"
#include "tests/notifiers/sample.h"
#include "tests/support/fake_vendor.h"
#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using nlohmann::json;
using test::FakeAnswer;
using test::FakeHttp;
using test::SeenRequest;
using Kind = SendResult::Kind;
using namespace std::chrono_literals;

/// Many alerts with long texts in a script where a character is three bytes.
Notification storm() {
  Notification n = test::sample_notification();
  std::string wide;
  for (int i = 0; i < 3000; ++i) wide += "警";
  const NotifiedAlert one = n.alerts[0];
  n.alerts.clear();
  for (int i = 0; i < 3000; ++i) {
    n.alerts.push_back(one);
    n.alerts.back().annotations = {{"summary", wide}, {"description", wide + "<&>\""}};
    n.alerts.back().labels =
        Labels{{"alertname", "Down"}, {"severity", "critical"}, {"instance", std::to_string(i)}, {"wide", wide}};
  }
  n.common_annotations = {};
  return n;
}

Notification resolved(Notification n) {
  for (NotifiedAlert& a : n.alerts) {
    a.resolved = true;
    a.ends_at = a.starts_at + 1min;
  }
  n.sequence = 3;
  return n;
}

Notification critical() {
  Notification n = test::sample_notification();
  n.alerts[0].labels = Labels{{"alertname", "Down"}, {"severity", "critical"}};
  return n;
}

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

/// A kind of channel, pointed at a server of ours that answers what `answers` says, in turn, and then `usual`.
class Channels : public testing::Test {
 protected:
  void answer(std::vector<FakeAnswer> answers, FakeAnswer usual) {
    answers_ = std::move(answers);
    usual_ = std::move(usual);
  }

  SendResult send(const NotifierType& type, const std::string& toml, const Notification& n,
                  const std::string& ref = "") {
    Diagnostics diagnostics;
    const ConfigNode node = parse_toml(toml, "test.toml", diagnostics);
    Fields fields(node, diagnostics);
    const NotifierFactory factory = type.read(fields);
    fields.reject_unknown_keys();
    EXPECT_TRUE(diagnostics.empty()) << diagnostics.str();
    const std::unique_ptr<Notifier> notifier = factory(services_);
    SendContext context;
    context.provider_ref = ref;
    SendResult result;
    asio::awaitable<SendResult> sending = notifier->send(n, context, clock_.steady() + 10s);
    asio::co_spawn(io_, std::move(sending), [&](std::exception_ptr failure, SendResult got) {
      EXPECT_FALSE(failure);
      result = std::move(got);
      io_.stop();
    });
    io_.restart();
    io_.run();
    return result;
  }

  json last() const { return json::parse(http_.seen().back().body, nullptr, false); }
  std::map<std::string, std::string> last_form() const {
    const QueryPairs pairs = *parse_query(http_.seen().back().body);
    return {pairs.begin(), pairs.end()};
  }

  asio::io_context io_;
  SystemClock clock_;
  HttpClient http_client_{io_.get_executor()};
  NotifierServices services_{clock_, http_client_};
  std::vector<FakeAnswer> answers_;
  FakeAnswer usual_{200, "{}"};
  std::size_t asked_ = 0;
  FakeHttp http_{[this](const SeenRequest&) {
    const std::size_t at = asked_++;
    return at < answers_.size() ? answers_[at] : usual_;
  }};
};

TEST_F(Channels, TeamsGetsACardThatFits) {
  const std::string toml = fmt::format("webhook_url = '{}'", http_.url("/flow/secret"));
  answer({}, {202, ""});
  EXPECT_EQ(send(kTeamsNotifier, toml, critical()).kind, Kind::kOk);
  json card = last()["attachments"][0];
  EXPECT_EQ(card["contentType"], "application/vnd.microsoft.card.adaptive");
  EXPECT_EQ(card["content"]["body"][0]["color"], "Attention");
  EXPECT_EQ(card["content"]["body"].size(), 3U);
  EXPECT_EQ(send(kTeamsNotifier, toml, storm()).kind, Kind::kOk);
  EXPECT_LE(http_.seen().back().body.size(), 28U * 1024);
  EXPECT_NE(http_.seen().back().body.find(" more alerts"), std::string::npos);
}

TEST_F(Channels, TeamsSaysInABodyOf200ThatItRefused) {
  const std::string toml = fmt::format("webhook_url = '{}'", http_.url("/flow/secret"));
  answer({},
         {200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with …"});
  EXPECT_EQ(send(kTeamsNotifier, toml, critical()).kind, Kind::kThrottled);
  answer({}, {200, "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 500"});
  EXPECT_EQ(send(kTeamsNotifier, toml, critical()).kind, Kind::kTransient);
  answer({}, {200, "1"});
  EXPECT_EQ(send(kTeamsNotifier, toml, critical()).kind, Kind::kOk);
}

TEST_F(Channels, DiscordStaysWithinItsLimitsAndWaitsFractionsOfASecond) {
  const std::string toml = fmt::format("webhook_url = '{}'", http_.url("/api/webhooks/1/secret"));
  answer({}, {200, R"({"id":"99"})"});
  EXPECT_EQ(send(kDiscordNotifier, toml, storm()).provider_ref, "99");
  EXPECT_EQ(http_.seen().back().path, "/api/webhooks/1/secret?wait=true");
  std::size_t total = 0;
  const json body = last();
  EXPECT_LE(characters(body["content"]), 2000U);
  EXPECT_GE(body["embeds"].size(), 1U);
  EXPECT_LE(body["embeds"].size(), 10U);
  for (const json& embed : body["embeds"]) {
    EXPECT_LE(characters(embed["title"]), 256U);
    EXPECT_LE(characters(embed["description"]), 4096U);
    total += characters(embed["title"]) + characters(embed["description"]);
  }
  EXPECT_LE(total, 6000U);
  EXPECT_EQ(body["allowed_mentions"]["parse"], json::array()) << "an alert's text mentions nobody";
  answer({}, {429, R"({"message":"You are being rate limited.","retry_after":1.337,"global":false})"});
  const SendResult throttled = send(kDiscordNotifier, toml, critical());
  EXPECT_EQ(throttled.kind, Kind::kThrottled);
  EXPECT_EQ(throttled.retry_after, 1337ms);
}

TEST_F(Channels, MattermostGetsAttachments) {
  const std::string toml = fmt::format("webhook_url = '{}'\nmention = '@here'", http_.url("/hooks/secret"));
  answer({}, {200, "ok"});
  EXPECT_EQ(send(kMattermostNotifier, toml, critical()).kind, Kind::kOk);
  EXPECT_TRUE(last()["text"].get<std::string>().starts_with("@here **[FIRING:1]"));
  EXPECT_EQ(last()["attachments"][0]["color"], "#e01e5a");
  EXPECT_EQ(send(kMattermostNotifier, toml, storm()).kind, Kind::kOk);
  EXPECT_LE(http_.seen().back().body.size(), 20'000U);
  EXPECT_LE(characters(last()["text"]), 16'383U);
}

TEST_F(Channels, TelegramAnswersToTheFirstMessageOfAnIncident) {
  const std::string toml = fmt::format("token = '1:secret'\nchat_id = '-100'\napi_url = '{}'", http_.url());
  answer({}, {200, R"({"ok":true,"result":{"message_id":7}})"});
  const SendResult first = send(kTelegramNotifier, toml, critical());
  EXPECT_EQ(first.provider_ref, "-100:7");
  EXPECT_EQ(http_.seen().back().path, "/bot1:secret/sendMessage");
  EXPECT_FALSE(last().contains("reply_parameters"));
  answer({}, {200, R"({"ok":true,"result":{"message_id":8}})"});
  EXPECT_EQ(send(kTelegramNotifier, toml, resolved(critical()), first.provider_ref).provider_ref, "-100:7");
  EXPECT_EQ(last()["reply_parameters"]["message_id"], 7);
  EXPECT_EQ(last()["disable_notification"], true);
  EXPECT_EQ(send(kTelegramNotifier, toml, storm()).kind, Kind::kOk);
  EXPECT_LE(characters(last()["text"]), 4096U);
}

TEST_F(Channels, TelegramFollowsAMovedGroupAndGivesUpMarkupThatIsRefused) {
  const std::string toml = fmt::format("token = '1:secret'\nchat_id = '-5'\napi_url = '{}'", http_.url());
  const FakeAnswer good{200, R"({"ok":true,"result":{"message_id":9}})"};
  answer(
      {{400,
        R"({"ok":false,"error_code":400,"description":"group migrated","parameters":{"migrate_to_chat_id":-1005}})"}},
      good);
  EXPECT_EQ(send(kTelegramNotifier, toml, critical()).provider_ref, "-1005:9");
  EXPECT_EQ(last()["chat_id"], "-1005");
  asked_ = 0;
  answer({{400, R"({"ok":false,"error_code":400,"description":"Bad Request: can't parse entities: tag"})"}}, good);
  EXPECT_EQ(send(kTelegramNotifier, toml, critical()).kind, Kind::kOk);
  EXPECT_FALSE(last().contains("parse_mode"));
  answer({}, {429, R"({"ok":false,"error_code":429,"parameters":{"retry_after":5}})"});
  const SendResult throttled = send(kTelegramNotifier, toml, critical());
  EXPECT_EQ(throttled.kind, Kind::kThrottled);
  EXPECT_EQ(throttled.retry_after, 5s);
  answer({}, {403, R"({"ok":false,"description":"Forbidden: bot was blocked by the user"})"});
  EXPECT_EQ(send(kTelegramNotifier, toml, critical()).kind, Kind::kPermanent);
}

TEST_F(Channels, OpsgenieOpensByAliasAndClosesIt) {
  const std::string toml = fmt::format(
      "api_key = 'k-secret'\napi_url = '{}'\nresponders = [{{ type = 'team', name = 'ops' }}]\ntags = ['a']",
      http_.url());
  answer({}, {202, R"({"result":"Request will be processed","took":0.3,"requestId":"r"})"});
  EXPECT_EQ(send(kOpsgenieNotifier, toml, storm()).kind, Kind::kOk);
  EXPECT_EQ(http_.seen().back().headers.at("authorization"), "GenieKey k-secret");
  EXPECT_EQ(last()["alias"], "0123456789abcdef");
  EXPECT_EQ(last()["priority"], "P1");
  EXPECT_EQ(last()["responders"], json::parse(R"([{"type":"team","name":"ops"}])"));
  EXPECT_LE(characters(last()["message"]), 130U);
  EXPECT_LE(characters(last()["description"]), 15'000U);
  EXPECT_EQ(send(kOpsgenieNotifier, toml, resolved(critical())).kind, Kind::kOk);
  EXPECT_EQ(http_.seen().back().path, "/v2/alerts/0123456789abcdef/close?identifierType=alias");
  answer({}, {404, "{}"});
  EXPECT_EQ(send(kOpsgenieNotifier, toml, resolved(critical())).kind, Kind::kOk) << "closed already";
  answer({}, {422, R"({"message":"Request body is not processable"})"});
  EXPECT_EQ(send(kOpsgenieNotifier, toml, critical()).kind, Kind::kPermanent);
}

TEST_F(Channels, NtfyPublishesJson) {
  const std::string toml =
      fmt::format("url = '{}'\ntopic = 'secret-topic'\nusername = 'u'\npassword = 'pw'", http_.url("/"));
  answer({}, {200, R"({"id":"1","event":"message"})"});
  EXPECT_EQ(send(kNtfyNotifier, toml, storm()).kind, Kind::kOk);
  EXPECT_EQ(last()["topic"], "secret-topic");
  EXPECT_EQ(last()["priority"], 5);
  EXPECT_LE(last()["message"].get<std::string>().size(), 4096U);
  EXPECT_EQ(http_.seen().back().headers.at("authorization"), "Basic dTpwdw==");
  answer({}, {429, R"({"code":42901,"http":429,"error":"limit reached"})"});
  EXPECT_EQ(send(kNtfyNotifier, toml, critical()).kind, Kind::kThrottled);
}

TEST_F(Channels, PushoverRepeatsWhatIsCriticalUntilItIsOver) {
  const std::string toml = fmt::format("token = 't-secret'\nuser_key = 'u-secret'\napi_url = '{}'", http_.url());
  answer({}, {200, R"({"status":1,"request":"r","receipt":"R1"})"});
  const SendResult first = send(kPushoverNotifier, toml, critical());
  EXPECT_EQ(first.provider_ref, "R1");
  EXPECT_EQ(last_form()["priority"], "2");
  EXPECT_EQ(last_form()["retry"], "60");
  EXPECT_EQ(last_form()["expire"], "3600");
  answer({}, {200, R"({"status":1,"request":"r"})"});
  EXPECT_EQ(send(kPushoverNotifier, toml, resolved(critical()), first.provider_ref).kind, Kind::kOk);
  ASSERT_EQ(http_.seen().size(), 3U);
  EXPECT_EQ(http_.seen()[1].path, "/1/receipts/R1/cancel.json");
  EXPECT_EQ(last_form()["priority"], "0");
  EXPECT_EQ(send(kPushoverNotifier, toml, storm()).kind, Kind::kOk);
  EXPECT_LE(characters(last_form()["message"]), 1024U);
  EXPECT_LE(characters(last_form()["title"]), 250U);
  answer({}, {400, R"({"status":0,"errors":["user identifier is invalid"]})"});
  EXPECT_EQ(send(kPushoverNotifier, toml, critical()).kind, Kind::kPermanent);
  answer({}, {200, "<html>"});
  EXPECT_EQ(send(kPushoverNotifier, toml, critical()).kind, Kind::kTransient);
}

TEST_F(Channels, ATextMessageIsShort) {
  const std::string toml = fmt::format(
      "account_sid = 'AC1'\nauth_token = 'secret'\nfrom = '+1555'\nto = '+49170123'\ncharacters_max = 160\napi_url = "
      "'{}'",
      http_.url());
  answer({}, {201, R"({"sid":"SM1","status":"queued"})"});
  EXPECT_EQ(send(kSmsNotifier, toml, storm()).provider_ref, "SM1");
  EXPECT_EQ(http_.seen().back().path, "/2010-04-01/Accounts/AC1/Messages.json");
  EXPECT_LE(characters(last_form()["Body"]), 160U);
  EXPECT_EQ(last_form()["To"], "+49170123");
  answer({}, {400, R"({"code":21211,"message":"Invalid 'To' Phone Number"})"});
  EXPECT_EQ(send(kSmsNotifier, toml, critical()).kind, Kind::kPermanent);
}

TEST_F(Channels, AnyServiceCanBeToldByTemplates) {
  const std::string toml = fmt::format(
      "method = 'PUT'\nurl = '{}/v1/{{{{ .Incident }}}}'\nheaders = {{ X-Status = '{{{{ .Status }}}}' }}\n"
      "body = '''{{{{ len .Alerts.Firing }}}} of {{{{ len .Alerts }}}}: {{{{ range .Alerts }}}}{{{{ .Labels.alertname "
      "}}}}"
      "@{{{{ .StartsAt.Unix }}}} {{{{ end }}}}{{{{ toJson .CommonLabels }}}}'''\nresolved_body = 'over'\n",
      http_.url());
  EXPECT_EQ(send(kHttpNotifier, toml, critical()).kind, Kind::kOk);
  const SeenRequest seen = http_.seen().back();
  EXPECT_EQ(seen.method, "PUT");
  EXPECT_EQ(seen.path, "/v1/0123456789abcdef");
  EXPECT_EQ(seen.headers.at("x-status"), "firing");
  EXPECT_EQ(seen.body, R"(1 of 2: Down@1770000000 Down@1769999940 {"alertname":"Down","job":"api"})");
  EXPECT_EQ(send(kHttpNotifier, toml, resolved(critical())).kind, Kind::kOk);
  EXPECT_EQ(http_.seen().back().body, "over");
  const std::string breaks = fmt::format("url = '{}'\nbody = '{{{{ index .Alerts 99 }}}}'\n", http_.url());
  EXPECT_EQ(send(kHttpNotifier, breaks, critical()).kind, Kind::kPermanent);
  EXPECT_EQ(send(kHttpNotifier, fmt::format("url = '{}'\n", http_.url()), critical()).kind, Kind::kOk);
  EXPECT_EQ(last()["version"], "4");
}

TEST_F(Channels, AWebhookIsSignedWithItsTime) {
  const std::string toml = fmt::format("url = '{}'\nsigning_key = 'key'\n", http_.url("/hook"));
  EXPECT_EQ(send(kWebhookNotifier, toml, critical()).kind, Kind::kOk);
  const SeenRequest seen = http_.seen().back();
  EXPECT_EQ(seen.headers.at("x-tocsin-signature"),
            "v1=" + hmac_sha256_hex("key", seen.headers.at("x-tocsin-timestamp") + "." + seen.body));
}

TEST_F(Channels, AProgramSaysByItsExitCodeWhatBecameOfTheMessage) {
  const test::TempDir dir;
  const auto script = [&](const std::string& body) {
    return fmt::format("command = ['sh', '-c', '''{}''']\nenvironment = {{ OUT = '{}' }}", body, dir.path("out"));
  };
  const SendResult good = send(kExecNotifier, script("cat > $OUT; echo ref-$TOCSIN_SEQUENCE"), critical());
  EXPECT_EQ(good.kind, Kind::kOk);
  EXPECT_EQ(good.provider_ref, "ref-2");
  EXPECT_EQ(send(kExecNotifier, script("echo $TOCSIN_REFERENCE"), critical(), "r").provider_ref, "r");
  const SendResult again = send(kExecNotifier, script("echo no route >&2; exit 75"), critical());
  EXPECT_EQ(again.kind, Kind::kTransient);
  EXPECT_NE(again.detail.find("no route"), std::string::npos);
  EXPECT_EQ(send(kExecNotifier, script("exit 1"), critical()).kind, Kind::kPermanent);
  EXPECT_EQ(send(kExecNotifier, script("kill -9 $$"), critical()).kind, Kind::kTransient);
  EXPECT_EQ(send(kExecNotifier, "command = ['/does/not/exist']", critical()).kind, Kind::kPermanent);
}

}  // namespace
}  // namespace tocsin
