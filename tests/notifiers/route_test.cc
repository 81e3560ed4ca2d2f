#include "notifiers/route.h"

#include <gmock/gmock.h>

#include "notifiers/notifier.h"
#include "tests/notifiers/timeline.h"

namespace tocsin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Strings = std::vector<std::string>;

// The tree most examples of routing are told with.
constexpr const char* kTree = R"(
[route]
receiver = "default"
group_by = ["alertname", "job"]
[[route.routes]]
receiver = "page"
matchers = ['severity="page"', 'env!~"test|dev"']
group_wait = "10s"
continue = true
  [[route.routes.routes]]
  matchers = ['team="db"']
  receiver = "dba"
  group_by = ["..."]
  repeat_interval = "1h"
  [[route.routes.routes]]
  matchers = ['team="web"']
[[route.routes]]
receiver = "audit"
matchers = 'severity=~"page|ticket"'
[[route.routes]]
receiver = "rest"
matchers = ['severity="page"']
[[receiver]]
name = "default"
[[receiver]]
name = "page"
[[receiver]]
name = "dba"
[[receiver]]
name = "audit"
[[receiver]]
name = "rest"
)";

Strings receivers(const Route& root, const Labels& labels) {
  Strings out;
  for (const Route* route : root.match(labels)) out.push_back(route->receiver);
  return out;
}

TEST(Route, TakesTheDeepestChildAndGoesOnOnlyAfterContinue) {
  const auto config = test::notify_config(kTree);
  const Route& root = config->root;
  EXPECT_THAT(receivers(root, {{"a", "b"}}), ElementsAre("default"));
  EXPECT_THAT(receivers(root, {{"severity", "ticket"}}), ElementsAre("audit"));
  EXPECT_THAT(receivers(root, {{"severity", "page"}}), ElementsAre("page", "audit"));
  EXPECT_THAT(receivers(root, {{"severity", "page"}, {"team", "db"}}), ElementsAre("dba", "audit"));
  EXPECT_THAT(receivers(root, {{"severity", "page"}, {"team", "web"}}), ElementsAre("page", "audit"));
  EXPECT_THAT(receivers(root, {{"severity", "page"}, {"env", "test"}}), ElementsAre("audit"));
}

TEST(Route, InheritsWhatItDoesNotSay) {
  const auto config = test::notify_config(kTree);
  const Route& root = config->root;
  EXPECT_EQ(root.group_wait, std::chrono::seconds(30));
  EXPECT_EQ(root.group_interval, std::chrono::minutes(5));
  EXPECT_EQ(root.repeat_interval, std::chrono::hours(4));
  const Route& page = root.routes.at(0);
  EXPECT_EQ(page.group_wait, std::chrono::seconds(10));
  EXPECT_EQ(page.group_by, (Strings{"alertname", "job"}));
  const Route& dba = page.routes.at(0);
  EXPECT_EQ(dba.group_wait, std::chrono::seconds(10));
  EXPECT_EQ(dba.repeat_interval, std::chrono::hours(1));
  EXPECT_TRUE(dba.group_by_all);
  EXPECT_FALSE(dba.continue_) << "continue is not inherited";
  EXPECT_EQ(page.routes.at(1).receiver, "page");
  EXPECT_FALSE(page.routes.at(1).group_by_all);
}

TEST(Route, GroupsByTheLabelsThatAreThere) {
  const auto config = test::notify_config(kTree);
  const Labels labels{{"alertname", "a"}, {"x", "y"}};
  EXPECT_EQ(config->root.group_labels(labels).str(), R"({alertname="a"})");
  EXPECT_EQ(config->root.routes[0].routes[0].group_labels(labels), labels);
}

TEST(Route, PrintsItsKeyAsAlertmanagerDoes) {
  const auto config = test::notify_config(R"(
[route]
receiver = "r"
[[route.routes]]
matchers = ['z="1"', 'a=~"x.*"', '"sp ace"!="q\"uote"']
  [[route.routes.routes]]
  matchers = ['foo🙂="bar"']
[[route.routes]]
matchers = ['a="b"']
[[route.routes]]
matchers = ['a="b"']
[[receiver]]
name = "r"
)");
  EXPECT_EQ(config->root.key, "{}");
  EXPECT_EQ(config->root.routes[0].key, R"({}/{a=~"x.*","sp ace"!="q\"uote",z="1"})");
  EXPECT_EQ(config->root.routes[0].routes[0].key, R"({}/{a=~"x.*","sp ace"!="q\"uote",z="1"}/{foo🙂="bar"})");
  EXPECT_EQ(config->root.routes[1].key, config->root.routes[2].key);
  EXPECT_EQ(config->root.routes[1].id, R"({}/{a="b"}@r)");
  EXPECT_EQ(config->root.routes[2].id, R"({}/{a="b"}@r#2)");
}

TEST(NotifyConfig, WithoutARouteEverythingIsLogged) {
  const auto config = test::notify_config("");
  EXPECT_EQ(config->root.receiver, "default");
  const ReceiverConfig& receiver = config->receivers.at("default");
  ASSERT_EQ(receiver.channels.size(), 1U);
  EXPECT_EQ(receiver.channels[0].id, "default/log/0");
  EXPECT_EQ(receiver.channels[0].type, find_notifier_type("log"));
}

TEST(NotifyConfig, NumbersChannelsWithinTheirType) {
  const auto config = test::notify_config(R"(
[route]
receiver = "r"
[[receiver]]
name = "r"
[[receiver.log]]
send_resolved = false
[[receiver.webhook]]
url = "http://localhost/a"
[[receiver.webhook]]
url = "http://localhost/b"
)");
  Strings ids;
  for (const ChannelConfig& c : config->receivers.at("r").channels) ids.push_back(c.id);
  EXPECT_THAT(ids, ElementsAre("r/log/0", "r/webhook/0", "r/webhook/1"));
  EXPECT_FALSE(config->receivers.at("r").channels[0].send_resolved);
  EXPECT_TRUE(config->receivers.at("r").channels[1].send_resolved);
}

std::string mistakes(const std::string& toml) {
  Diagnostics diagnostics;
  const ConfigNode node = parse_toml(toml, "t.toml", diagnostics);
  Fields f(node, diagnostics);
  read_notify_config(f);
  f.reject_unknown_keys();
  return diagnostics.str();
}

TEST(NotifyConfig, TellsAllMistakesAtOnce) {
  const std::string text = mistakes(R"([route]
receiver = "oncal"
matchers = ['a="b"']
continue = true
group_by = ["...", "job"]
group_interval = "0s"
[[route.routes]]
receiver = "nobody at all"
matchers = ['a=~"("']
repeat_interval = "soon"
[[route.routes]]
group_by = ["a", "a"]
gruop_wait = "1s"
[[receiver]]
name = "oncall"
[[receiver.webhok]]
url = "http://x/"
[[receiver.webhook]]
send_resolved = "yes"
[[receiver]]
name = "oncall"
)");
  const std::vector<std::string> wanted{
      "t.toml:2:12: There is no receiver \"oncal\"; did you mean \"oncall\"?",
      "must not have \"matchers\"",
      "\"continue\" must not be set",
      "t.toml:5:12: \"...\" means all labels and must stand alone.",
      "\"group_interval\" must be longer than 0",
      "t.toml:8:12: There is no receiver \"nobody at all\".",
      "t.toml:9:",
      "t.toml:10:19: not a valid duration string: \"soon\"",
      "\"a\" stands here twice",
      "\"gruop_wait\" is not a known key here; did you mean \"group_wait\"?",
      "\"webhok\" is not a known key here; did you mean \"webhook\"?",
      "\"url\" is missing",
      "t.toml:19:17: This must be a boolean",
      "There is already a receiver \"oncall\"",
  };
  for (const std::string& mistake : wanted) EXPECT_THAT(text, HasSubstr(mistake));
}

TEST(NotifyConfig, WantsARouteWhenThereAreReceivers) {
  EXPECT_THAT(mistakes("[[receiver]]\nname = \"a\"\n"), HasSubstr("no [route]"));
  EXPECT_THAT(mistakes("[route]\n[[receiver]]\nname = \"a\"\n"), HasSubstr("The root route needs a \"receiver\""));
  EXPECT_THAT(mistakes("[route]\nreceiver = \"a\"\n[[receiver]]\nname = \"\"\n"), HasSubstr("must not be empty"));
}

TEST(NotifyConfig, DocumentsAndPrintsItself) {
  std::vector<FieldDoc> docs;
  Fields document(docs);
  read_notify_config(document);
  Strings names;
  for (const FieldDoc& d : docs) names.push_back(d.name);
  EXPECT_THAT(names, ElementsAre("external_url", "resolve_timeout", "alert_limits", "inhibit_rule", "time_interval",
                                 "route", "receiver"));
  EXPECT_FALSE(docs[5].children.empty());

  Diagnostics diagnostics;
  const ConfigNode node = parse_toml(kTree, "t.toml", diagnostics);
  RouteConfig route;
  ASSERT_TRUE(read_config(*node.find("route"), route, diagnostics)) << diagnostics.str();
  RouteConfig again;
  ASSERT_TRUE(read_config(write_config(route), again, diagnostics)) << diagnostics.str();
  EXPECT_EQ(to_toml(write_config(again)), to_toml(write_config(route)));
}

}  // namespace
}  // namespace tocsin
