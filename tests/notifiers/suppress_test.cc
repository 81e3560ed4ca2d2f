// Silences, inhibition and time intervals in the alert manager, in virtual time: what is not told, and what is told
// after all. Scenarios run in one life, and killed and started anew after every step.

#include <gmock/gmock.h>

#include "notifiers/alert_manager.h"
#include "notifiers/alertmanager_config.h"
#include "tests/notifiers/timeline.h"

namespace tocsin {
namespace {

using test::at;
using test::Timeline;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string config(const std::string& interval, const std::string& repeat, const std::string& more = "") {
  return fmt::format(R"(
resolve_timeout = "10m"
[route]
receiver = "hook"
group_by = []
group_wait = "1s"
group_interval = "{}"
repeat_interval = "{}"
[[receiver]]
name = "hook"
[[receiver.log]]
{}
)",
                     interval, repeat, more);
}

constexpr const char* kInhibit = R"(
[[inhibit_rule]]
source_matchers = ['alertname="JobDown"']
target_matchers = ['alertname="InstanceDown"']
equal = ["job", "zone"]
)";

class Suppressed : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(OneAndMany, Suppressed, ::testing::Bool(),
                         [](const auto& i) { return i.param ? "restarted_after_every_step" : "in_one_life"; });

TEST_P(Suppressed, SilencedAlertsAreNotThereUntilTheSilenceEnds) {
  Timeline t(config("1s", "1ms"), GetParam());
  t.push(1, {{"test1", "", 1}, {"test2", "", 1}});
  t.silence(2.3, "alertname=test1", 2.5, 4.5);
  t.run_until(5.5);
  EXPECT_THAT(t.told,
              ElementsAre("2 hook first notification: test1[1-] test2[1-]", "3 hook repeat interval elapsed: test2[1-]",
                          "4 hook repeat interval elapsed: test2[1-]", "5 hook new alerts added: test1[1-] test2[1-]"));
}

TEST_P(Suppressed, ASilenceThatIsEndedEarlySilencesNoMore) {
  Timeline t(config("1s", "1ms"), GetParam());
  const std::string id = t.silence(1, "alertname=~\".+\"", 1, 100);
  t.push(1.5, {{"test1", "", 1.5}, {"test2", "", 1.5}});
  EXPECT_EQ(t.expire(3.2, id), "");
  t.run_until(3.6);
  EXPECT_THAT(t.told, ElementsAre("3.5 hook first notification: test1[1.5-] test2[1.5-]"));
  EXPECT_THAT(t.expire(4, id), HasSubstr("already expired"));
  EXPECT_EQ(t.expire(4, "nobody"), "silence not found");
}

TEST_P(Suppressed, TheEndOfWhatWasToldIsToldDespiteASilence) {
  Timeline t(config("5s", "1h"), GetParam());
  t.push(1, {{"a", "", 1}});
  t.run_until(2);
  t.silence(3, "alertname=a", 3, 1000);
  t.push(4, {{"a", "", 1, 4}});
  t.push(20, {{"a", "", 20}});
  t.push(30, {{"a", "", 20, 30}});
  t.run_until(60);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: a[1-]", "7 hook all alerts resolved: a[1-4]"));
}

TEST_P(Suppressed, TargetsComeBackWhenTheSourceIsResolved) {
  Timeline t(config("1s", "1s", kInhibit), GetParam());
  t.push(1, {{"InstanceDown", "aa", 1, -1, {{"job", "x"}, {"zone", "aa"}}},
             {"InstanceDown", "ab", 1, -1, {{"job", "x"}, {"zone", "ab"}}}});
  t.push(2.2, {{"JobDown", "", 2.2, -1, {{"job", "x"}, {"zone", "aa"}}}});
  t.push(3.6, {{"JobDown", "", 2.2, 3.6, {{"job", "x"}, {"zone", "aa"}}}});
  t.run_until(4.5);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: InstanceDown[1-]aa InstanceDown[1-]ab",
                                  "3 hook new alerts added: InstanceDown[1-]ab JobDown[2.2-]",
                                  "4 hook new alerts added: InstanceDown[1-]aa InstanceDown[1-]ab JobDown[2.2-3.6]"));
}

TEST_P(Suppressed, AlwaysInhibiting) {
  Timeline t(config("1s", "1s", kInhibit), GetParam());
  const std::map<std::string, std::string> labels{{"job", "x"}};
  t.push(1, {{"InstanceDown", "", 1, -1, labels}, {"JobDown", "", 1, -1, labels}});
  t.push(2.6, {{"InstanceDown", "", 1, 2.6, labels}, {"JobDown", "", 1, 2.6, labels}});
  t.run_until(4.5);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: JobDown[1-]",
                                  "3 hook all alerts resolved: InstanceDown[1-2.6] JobDown[1-2.6]"));
}

TEST(Inhibition, AnAlertThatIsBothSourceAndTargetIsNotInhibitedByItsLike) {
  Timeline t(
      config("1s", "1h", "[[inhibit_rule]]\nsource_matchers = ['severity=page']\ntarget_matchers = ['job=x']\n"));
  const std::map<std::string, std::string> both{{"severity", "page"}, {"job", "x"}};
  t.push(1, {{"a", "", 1, -1, both}, {"b", "", 1, -1, both}, {"c", "", 1, -1, {{"job", "x"}}}});
  t.run_until(3);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: a[1-] b[1-]")) << "c is inhibited by a";
  const auto alerts = t.manager().alerts(t.now());
  ASSERT_EQ(alerts.size(), 3U);
  EXPECT_EQ(alerts[2].state, "suppressed");
  EXPECT_THAT(alerts[2].inhibited_by, ElementsAre(alerts[0].alert.fingerprint()));
}

TEST(Inhibition, AnEmptyRuleInhibitsNothing) {
  Timeline t(config("1s", "1h", "[[inhibit_rule]]\n"));
  t.push(1, {{"a", "", 1}, {"b", "", 1}});
  t.run_until(2);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: a[1-] b[1-]"));
}

TEST(Silences, ShowAtOnceInTheStateOfAlerts) {
  Timeline t(config("10m", "1h"));
  t.push(1, {{"a", "", 1}});
  t.run_until(2);
  EXPECT_EQ(t.manager().alerts(t.now())[0].state, "active");
  const std::string id = t.silence(3, "alertname=a", 3, 100);
  EXPECT_EQ(t.manager().alerts(t.now())[0].state, "suppressed");
  EXPECT_THAT(t.manager().alerts(t.now())[0].silenced_by, ElementsAre(id));
  t.expire(4, id);
  EXPECT_EQ(t.manager().alerts(t.now())[0].state, "active");
}

TEST(Silences, KeepTheirIdOnlyWhileNothingThatHasGoneByChanges) {
  Timeline t(config("10m", "1h"));
  const std::string id = t.silence(1, "a=b", 1, 100);
  EXPECT_EQ(id.size(), 36U);
  EXPECT_EQ(t.silence(2, "a=b", 1, 200, id), id) << "longer";
  const std::string other = t.silence(3, "a=c", 1, 200, id);
  EXPECT_NE(other, id);
  EXPECT_EQ(t.manager().silences().find(id)->state(t.now()), SilenceState::kExpired);
  EXPECT_EQ(t.manager().silences().find(other)->starts_at, at(3)) << "not in the past";
  EXPECT_EQ(t.silence(4, "a=c", 1, 200, "nobody"), "silence not found");
  EXPECT_EQ(t.silence(4, "a=~\".*\"", 4, 200), "invalid silence: at least one matcher must not match the empty string");
  EXPECT_NE(t.silence(5, "a=b", 5, 200, id), id) << "what has expired does not come back";
}

TEST(Silences, AreForgottenAfterTheRetention) {
  Timeline t(config("10m", "1h", "[alert_limits]\nsilence_retention = \"1h\"\nsilences_max = 2\n"));
  const std::string id = t.silence(1, "a=b", 1, 100);
  t.silence(1, "a=c", 1, 100);
  EXPECT_THAT(t.silence(1, "a=d", 1, 100), HasSubstr("exceeded maximum number of silences"));
  EXPECT_TRUE(t.manager().maintain(at(3699)).empty());
  const StateChange changes = t.manager().maintain(at(3700));
  EXPECT_EQ(changes.drop_silences.size(), 2U);
  EXPECT_EQ(t.manager().silences().find(id), nullptr);
}

TEST(Silences, ARefusalLeavesNoTrace) {
  Timeline t(config("10m", "1h"));
  StateChange changes;
  EXPECT_FALSE(t.manager().set_silence({"", {}, at(1), at(2), {}, "", "", {}}, at(1), changes));
  EXPECT_TRUE(changes.empty());
}

TEST_P(Suppressed, ARouteIsQuietOutsideItsActiveTimes) {
  // The timeline begins on 2019-12-20, a Friday, at 00:00 UTC.
  Timeline t(config("1h", "4h", R"(
[[route.routes]]
active_time_intervals = ["office"]
[[time_interval]]
name = "office"
[[time_interval.time_intervals]]
weekdays = ["monday:friday"]
times = [{ start_time = "09:00", end_time = "17:00" }]
location = "Europe/Berlin"
)"),
             GetParam());
  t.push(1, {{"a", "", 1, 1e6}});
  t.run_until(24 * 3600);
  ASSERT_EQ(t.told.size(), 2U);
  EXPECT_EQ(t.told[0], "28802 hook first notification: a[1-]") << "09:00 in Berlin is 08:00 UTC";
  EXPECT_EQ(t.told[1], "43202 hook repeat interval elapsed: a[1-]");
}

TEST(AlertLimits, WhatIsTooManyIsRefusedAndCounted) {
  Timeline t(config("1s", "1h", "[alert_limits]\nalerts_max = 2\n"));
  std::vector<Alert> alerts;
  for (const char* name : {"a", "b", "c"}) alerts.push_back(test::Push{name}.alert());
  std::size_t refused = 0;
  t.manager().apply(alerts, at(1), &refused);
  EXPECT_EQ(refused, 1U);
  t.manager().apply(alerts, at(1), &refused);
  EXPECT_EQ(refused, 2U) << "those that are known are still heard";
  EXPECT_EQ(t.manager().stats(at(1)).limited_total, 2U);
}

TEST(AlertmanagerConfig, HoldsRoutesAndNoChannels) {
  const auto parsed = test::notify_config(R"(
[route]
receiver = "hook"
[[route.routes]]
matchers = ['a="b"']
mute_time_intervals = ["night"]
[[time_interval]]
name = "night"
[[time_interval.time_intervals]]
days_of_month = ["-3:-1"]
[[receiver]]
name = "hook"
[[receiver.log]]
)");
  Diagnostics diagnostics;
  const ConfigNode yaml = parse_yaml(alertmanager_config(*parsed), "out", diagnostics);
  EXPECT_TRUE(diagnostics.empty());
  const ConfigNode& child = yaml.find("route")->find("routes")->as_list()->front();
  EXPECT_EQ(*child.find("matchers")->as_list()->front().as_string(), "a=\"b\"");
  EXPECT_EQ(yaml.find("receivers")->as_list()->front().as_map()->size(), 1U);
}

}  // namespace
}  // namespace tocsin
