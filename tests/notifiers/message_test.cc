#include "notifiers/message.h"

#include <gtest/gtest.h>

namespace tocsin::message {
namespace {

NotifiedAlert alert(const std::string& instance, bool resolved = false) {
  NotifiedAlert a;
  a.labels = Labels{{"alertname", "ApiDown"}, {"instance", instance}, {"severity", "page"}};
  a.annotations = {{"summary", instance + " is down"}, {"runbook_url", "https://runbooks.example/api"}};
  a.starts_at = *parse_rfc3339("2026-11-23T03:00:00Z");
  a.resolved = resolved;
  if (resolved) a.ends_at = *parse_rfc3339("2026-11-23T03:04:30.7Z");
  return a;
}

Notification notification(std::vector<NotifiedAlert> alerts) {
  Notification n;
  n.receiver = "oncall";
  n.group_labels = Labels{{"alertname", "ApiDown"}};
  n.common_labels = Labels{{"alertname", "ApiDown"}, {"severity", "page"}};
  n.alerts = std::move(alerts);
  n.external_url = "http://tocsin.example:8627";
  return n;
}

TEST(Message, SubjectCountsWhatFires) {
  EXPECT_EQ(subject(notification({alert("a"), alert("b"), alert("c", true)})), "[FIRING:2] ApiDown (page)");
  EXPECT_EQ(subject(notification({alert("a", true)})), "[RESOLVED] ApiDown (page)");
}

TEST(Message, SubjectOfATestSaysSo) {
  Notification n = notification({alert("a")});
  n.reason = NotifyReason::kTest;
  EXPECT_TRUE(subject(n).starts_with("[TEST] "));
}

TEST(Message, TextSaysWhatSinceWhenAndWhatToDo) {
  const std::string text = message::text(notification({alert("a"), alert("b", true)}), 10000);
  EXPECT_NE(text.find("FIRING a is down\n"), std::string::npos) << text;
  EXPECT_NE(text.find("firing since 2026-11-23 03:00:00 UTC"), std::string::npos);
  EXPECT_NE(text.find("resolved at 2026-11-23 03:04:30 UTC, after 4m30s"), std::string::npos) << text;
  EXPECT_NE(text.find("What to do: https://runbooks.example/api"), std::string::npos);
  EXPECT_NE(text.find("All alerts: http://tocsin.example:8627"), std::string::npos);
}

TEST(Message, TextFitsAndCountsWhatIsLeftOut) {
  std::vector<NotifiedAlert> alerts(500, alert("a"));
  Notification n = notification(alerts);
  n.truncated_alerts = 7;
  for (const std::size_t most : {400U, 1000U, 5000U, 20000U}) {
    const std::string text = message::text(n, most);
    EXPECT_LE(text.size(), most);
    std::size_t shown = 0;
    for (std::size_t at = text.find("FIRING a"); at != std::string::npos; at = text.find("FIRING a", at + 1)) ++shown;
    EXPECT_NE(text.find("and " + std::to_string(507 - shown) + " more alerts"), std::string::npos) << text;
  }
}

TEST(Message, HtmlEscapesWhatAlertsSay) {
  Notification n = notification({alert("<script>alert(1)</script>")});
  n.alerts[0].annotations["runbook_url"] = "javascript:alert(1)";
  n.alerts[0].generator_url = "https://x/\"onmouseover=1";
  const std::string page = html(n, 10);
  EXPECT_EQ(page.find("<script>"), std::string::npos);
  EXPECT_EQ(page.find("javascript:"), std::string::npos);
  EXPECT_EQ(page.find("\"onmouseover"), std::string::npos);
}

TEST(Message, CutKeepsWholeCharacters) {
  EXPECT_EQ(cut("abc", 3), "abc");
  EXPECT_EQ(cut("abcd", 3), "ab…");
  EXPECT_EQ(cut("äöüß", 3), "äö…");
  EXPECT_EQ(cut("äöü", 3), "äöü");
  EXPECT_EQ(cut("\xff"
                "a",
                5),
            "\xEF\xBF\xBD"
            "a");
  EXPECT_EQ(cut("x", 0), "");
}

TEST(Message, SeverityIsTheWorstOfWhatFires) {
  Notification n = notification({alert("a"), alert("b")});
  n.alerts[0].labels = Labels{{"severity", "warning"}};
  n.alerts[1].labels = Labels{{"severity", "info"}};
  EXPECT_EQ(severity(n), "warning");
  n.alerts[1].labels = Labels{{"severity", "page"}};
  EXPECT_EQ(severity(n), "critical");
  n.alerts[1].resolved = true;
  EXPECT_EQ(severity(n), "warning") << "what is resolved does not count";
  n.alerts[0].labels = Labels{{"severity", "sev-9000"}};
  EXPECT_EQ(severity(n), "error");
}

TEST(Message, NoHeadlineIsEmpty) {
  Notification n = notification({alert("a"), alert("b")});
  EXPECT_EQ(headline(n), "a is down and 1 more");
  n.common_annotations = {{"summary", "The API is down"}};
  EXPECT_EQ(headline(n), "The API is down");
}

}  // namespace
}  // namespace tocsin::message
