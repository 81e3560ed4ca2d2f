// The channels against fakes that hold every message against the vendor's published contract.

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <nlohmann/json.hpp>

#include "agent/core/config/fields.h"
#include "agent/net/http_client.h"
#include "notifiers/registry.h"
#include "tests/support/fake_vendor.h"
#include "tests/support/smtp_server.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using nlohmann::json;
using test::FakeAnswer;
using test::FakePagerDuty;
using test::FakeSlack;
using namespace std::chrono_literals;

constexpr const char* kRoutingKey = "0123456789abcdef0123456789abcdef";
constexpr const char* kToken = "xoxb-very-secret";

NotifiedAlert alert(const std::string& instance, bool resolved) {
  NotifiedAlert a;
  a.labels = Labels{{"alertname", "ApiDown"}, {"instance", instance}, {"severity", "page"}};
  a.annotations = {{"summary", "<api> & \"friends\" on " + instance + " are down"},
                   {"runbook_url", "https://runbooks.example/api|x"}};
  a.starts_at = *parse_rfc3339("2026-11-23T03:00:00Z");
  a.generator_url = "http://tocsin.example/graph?g0.expr=up%3D%3D0&g0.tab=1";
  a.resolved = resolved;
  if (resolved) a.ends_at = a.starts_at + 5min;
  return a;
}

Notification notification(std::size_t alerts, bool resolved = false, std::int64_t sequence = 1) {
  Notification n;
  n.incident = "incident-1";
  n.receiver = "oncall";
  n.channel = "oncall/x/0";
  n.sequence = sequence;
  n.idempotency_key = idempotency_key(n.incident, n.channel, sequence);
  n.group_labels = Labels{{"alertname", "ApiDown"}};
  n.common_labels = Labels{{"alertname", "ApiDown"}, {"severity", "page"}};
  for (std::size_t i = 0; i < alerts; ++i) n.alerts.push_back(alert("host-" + std::to_string(i), resolved));
  n.external_url = "http://tocsin.example:8627";
  return n;
}

class Vendors : public testing::Test {
 protected:
  std::unique_ptr<Notifier> make(const NotifierType& type, const std::string& toml) {
    Diagnostics diagnostics;
    const ConfigNode node = parse_toml(toml, "test.toml", diagnostics);
    Fields fields(node, diagnostics);
    const NotifierFactory factory = type.read(fields);
    fields.reject_unknown_keys();
    EXPECT_TRUE(diagnostics.empty()) << diagnostics.str();
    return factory(services_);
  }

  SendResult send(Notifier& notifier, const Notification& n, const std::string& ref = "") {
    SendContext context;
    context.provider_ref = ref;
    SendResult result;
    asio::awaitable<SendResult> sending = notifier.send(n, context, clock_.steady() + 10s);
    asio::co_spawn(io_, std::move(sending), [&](std::exception_ptr failure, SendResult got) {
      EXPECT_FALSE(failure);
      result = std::move(got);
      io_.stop();
    });
    io_.restart();
    io_.run();
    return result;
  }

  asio::io_context io_;
  SystemClock clock_;
  HttpClient http_{io_.get_executor()};
  NotifierServices services_{clock_, http_};
  FakePagerDuty pager_{kRoutingKey};
  FakeSlack slack_{kToken};
};

class PagerDuty : public Vendors {
 protected:
  std::unique_ptr<Notifier> notifier_ =
      make(kPagerDutyNotifier, fmt::format("routing_key = \"{}\"\nurl = \"{}\"", kRoutingKey, pager_.url()));
};

TEST_F(PagerDuty, OpensOneIncidentAndResolvesIt) {
  EXPECT_EQ(send(*notifier_, notification(2)).kind, SendResult::Kind::kOk);
  EXPECT_EQ(send(*notifier_, notification(2)).kind, SendResult::Kind::kOk) << "a copy opens nothing new";
  EXPECT_EQ(send(*notifier_, notification(2, true, 2)).kind, SendResult::Kind::kOk);
  EXPECT_EQ(pager_.breaches(), std::vector<std::string>{});
  ASSERT_EQ(pager_.incidents().size(), 1U);
  EXPECT_EQ(pager_.incidents()[0].dedup_key, "incident-1");
  EXPECT_EQ(pager_.incidents()[0].severity, "critical");
  EXPECT_FALSE(pager_.incidents()[0].open);
}

TEST_F(PagerDuty, AnyNumberOfAlertsFits) {
  Notification n = notification(20'000);
  n.alerts[0].annotations["summary"] = std::string(100'000, 'x') + "ü";
  EXPECT_EQ(send(*notifier_, n).kind, SendResult::Kind::kOk);
  EXPECT_EQ(pager_.breaches(), std::vector<std::string>{});
}

TEST_F(PagerDuty, AnswersAreJudgedByTheContract) {
  struct Case {
    FakeAnswer answer;
    SendResult::Kind kind;
  };
  const Case cases[] = {
      {{400, R"({"status":"invalid event"})"}, SendResult::Kind::kPermanent},
      {{429, ""}, SendResult::Kind::kThrottled},
      {{500, ""}, SendResult::Kind::kTransient},
      {{503, ""}, SendResult::Kind::kTransient},
      {{200, "hello, I am a captive portal"}, SendResult::Kind::kTransient},
      {{200, "", {}, true}, SendResult::Kind::kUnknown},
  };
  for (const Case& c : cases) {
    pager_.fail_next(1, c.answer);
    const SendResult result = send(*notifier_, notification(1));
    EXPECT_EQ(result.kind, c.kind) << c.answer.status << " " << result.detail;
    EXPECT_EQ(result.detail.find(kRoutingKey), std::string::npos);
    if (c.answer.status == 429) {
      EXPECT_EQ(result.retry_after, 30s);
    }
  }
}

class Slack : public Vendors {
 protected:
  std::unique_ptr<Notifier> webhook_ = make(kSlackNotifier, fmt::format("webhook_url = \"{}\"", slack_.webhook_url()));
  std::unique_ptr<Notifier> api_ =
      make(kSlackNotifier, fmt::format("token = \"{}\"\nchannel = \"#ops\"\napi_url = \"{}\"\nmention = \"<!here>\"",
                                       kToken, slack_.api_url()));
};

TEST_F(Slack, AWebhookGetsEachMessage) {
  EXPECT_EQ(send(*webhook_, notification(2)).kind, SendResult::Kind::kOk);
  EXPECT_EQ(send(*webhook_, notification(2, true, 2)).kind, SendResult::Kind::kOk);
  EXPECT_EQ(slack_.breaches(), std::vector<std::string>{});
  ASSERT_EQ(slack_.messages().size(), 2U);
  const json body = json::parse(slack_.messages()[0].body);
  EXPECT_NE(body.dump().find("&lt;api&gt; &amp; "), std::string::npos) << "Slack's special characters are escaped";
  EXPECT_EQ(body["attachments"][0]["color"], "#e01e5a");
  EXPECT_EQ(body["attachments"][0]["blocks"].size(), 4U);
  EXPECT_EQ(json::parse(slack_.messages()[1].body)["attachments"][0]["color"], "#2eb67d");
}

TEST_F(Slack, TheApiKeepsOneMessagePerIncidentAndTellsChangesInItsThread) {
  const SendResult first = send(*api_, notification(1));
  ASSERT_EQ(first.kind, SendResult::Kind::kOk) << first.detail;
  EXPECT_EQ(first.provider_ref, "C024BE91L:1503435956.100000");
  const SendResult second = send(*api_, notification(1, true, 2), first.provider_ref);
  ASSERT_EQ(second.kind, SendResult::Kind::kOk) << second.detail;
  EXPECT_EQ(second.provider_ref, first.provider_ref);
  const auto messages = slack_.messages();
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[0].updates, 1);
  EXPECT_TRUE(messages[0].text.starts_with("[RESOLVED] ")) << messages[0].text;
  EXPECT_EQ(messages[1].thread_ts, messages[0].ts);
  EXPECT_EQ(slack_.breaches(), std::vector<std::string>{});
}

TEST_F(Slack, AMessageThatIsGoneIsPostedAnew) {
  const SendResult result = send(*api_, notification(1, false, 2), "C1:1.0");
  EXPECT_EQ(result.kind, SendResult::Kind::kOk) << result.detail;
  EXPECT_EQ(slack_.messages().size(), 1U);
  EXPECT_TRUE(slack_.messages()[0].text.starts_with("<!here> [FIRING:1]")) << slack_.messages()[0].text;
}

TEST_F(Slack, AnyNumberOfAlertsFits) {
  Notification n = notification(5000);
  for (NotifiedAlert& a : n.alerts) a.annotations["description"] = std::string(3000, 'x');
  EXPECT_EQ(send(*webhook_, n).kind, SendResult::Kind::kOk);
  EXPECT_EQ(send(*api_, n).kind, SendResult::Kind::kOk);
  EXPECT_EQ(slack_.breaches(), std::vector<std::string>{});
  EXPECT_NE(slack_.messages()[0].body.find(" more alerts"), std::string::npos);
}

TEST_F(Slack, AnswersAreJudgedByTheContract) {
  struct Case {
    FakeAnswer answer;
    SendResult::Kind kind;
  };
  const Case api_cases[] = {
      {{200, R"({"ok":false,"error":"channel_not_found"})"}, SendResult::Kind::kPermanent},
      {{200, R"({"ok":false,"error":"invalid_auth"})"}, SendResult::Kind::kPermanent},
      {{200, R"({"ok":false,"error":"ratelimited"})"}, SendResult::Kind::kThrottled},
      {{200, R"({"ok":false,"error":"fatal_error"})"}, SendResult::Kind::kTransient},
      {{200, "<html>"}, SendResult::Kind::kTransient},
      {{429, R"({"ok":false,"error":"ratelimited"})", {{"Retry-After", "7"}}}, SendResult::Kind::kThrottled},
      {{503, ""}, SendResult::Kind::kTransient},
  };
  for (const Case& c : api_cases) {
    slack_.fail_next(1, c.answer);
    const SendResult result = send(*api_, notification(1));
    EXPECT_EQ(result.kind, c.kind) << c.answer.body << " " << result.detail;
    EXPECT_EQ(result.detail.find(kToken), std::string::npos);
    if (c.answer.status == 429) {
      EXPECT_EQ(result.retry_after, 7s);
    }
  }
  const Case webhook_cases[] = {
      {{404, "no_service"}, SendResult::Kind::kPermanent},
      {{410, "channel_is_archived"}, SendResult::Kind::kPermanent},
      {{500, "rollup_error"}, SendResult::Kind::kTransient},
      {{200, "<html>"}, SendResult::Kind::kTransient},
  };
  for (const Case& c : webhook_cases) {
    slack_.fail_next(1, c.answer);
    const SendResult result = send(*webhook_, notification(1));
    EXPECT_EQ(result.kind, c.kind) << c.answer.body << " " << result.detail;
    EXPECT_EQ(result.detail.find("XXXXsecret"), std::string::npos) << "the webhook's URL is a secret";
  }
}

class Email : public Vendors {
 protected:
  std::unique_ptr<Notifier> notifier(const test::SmtpServer& server) {
    return make(
        kEmailNotifier,
        fmt::format("to = [\"a@example.test\", \"b@example.test\"]\nfrom = \"tocsin <t@example.test>\"\n"
                    "smarthost = \"127.0.0.1:{}\"\nrequire_tls = false\nusername = \"user\"\npassword = \"secret\"",
                    server.port()));
  }
};

TEST_F(Email, OneMailGoesToAllAndIsTheSameOnEveryAttempt) {
  test::SmtpServer server({.auth = "PLAIN"});
  const auto email = notifier(server);
  const SendResult first = send(*email, notification(2));
  ASSERT_EQ(first.kind, SendResult::Kind::kOk) << first.detail;
  EXPECT_EQ(send(*email, notification(2)).provider_ref, first.provider_ref) << "a copy has the same Message-ID";
  ASSERT_EQ(server.mails().size(), 2U);
  EXPECT_EQ(server.mails()[0].to, (std::vector<std::string>{"a@example.test", "b@example.test"}));
  EXPECT_EQ(server.mails()[0].authenticated_as, "user");
  EXPECT_NE(server.mails()[0].data.find("Message-ID: <incident-1.1.oncall-x-0@example.test>"), std::string::npos)
      << server.mails()[0].data;
}

TEST_F(Email, ARecipientWhoIsRefusedForNowGetsItLaterAndOnlyTheyDo) {
  test::SmtpServer busy({.auth = "PLAIN", .rcpt = {{"b@example.test", "450 greylisted"}}});
  const auto email = notifier(busy);
  EXPECT_EQ(send(*email, notification(1)).kind, SendResult::Kind::kTransient);
  ASSERT_EQ(busy.mails().size(), 1U);
  EXPECT_EQ(busy.mails()[0].to, (std::vector<std::string>{"a@example.test"}));
  EXPECT_EQ(send(*email, notification(1)).kind, SendResult::Kind::kTransient);
  EXPECT_EQ(busy.mails().size(), 1U) << "the first one has it";
}

TEST_F(Email, ARecipientWhoIsRefusedForGoodDoesNotKeepItFromTheOthers) {
  test::SmtpServer server({.auth = "PLAIN", .rcpt = {{"b@example.test", "550 no such mailbox"}}});
  EXPECT_EQ(send(*notifier(server), notification(1)).kind, SendResult::Kind::kOk);
  ASSERT_EQ(server.mails().size(), 1U);
}

TEST_F(Email, AnswersAreJudgedByTheirCode) {
  struct Case {
    test::SmtpOptions options;
    SendResult::Kind kind;
  };
  const Case cases[] = {
      {{.auth = "PLAIN", .password = "other"}, SendResult::Kind::kPermanent},
      {{.auth = "PLAIN", .greeting = "421 busy"}, SendResult::Kind::kTransient},
      {{.auth = "PLAIN", .after_data = "452 disk full"}, SendResult::Kind::kTransient},
      {{.auth = "PLAIN", .after_data = "554 spam"}, SendResult::Kind::kPermanent},
      {{.auth = "PLAIN", .after_data = ""}, SendResult::Kind::kUnknown},
  };
  for (const Case& c : cases) {
    test::SmtpServer server(c.options);
    const SendResult result = send(*notifier(server), notification(1));
    EXPECT_EQ(result.kind, c.kind) << c.options.greeting << " " << c.options.after_data << ": " << result.detail;
    EXPECT_EQ(result.detail.find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace tocsin
