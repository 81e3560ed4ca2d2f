// Alertmanager's acceptance scenarios, and what a restart, a reload and a dead letter must not change, in virtual time.
// Where the name says so a scenario runs twice: in one life, and killed and started anew after every step.

#include "notifiers/alert_manager.h"

#include <gmock/gmock.h>

#include "tests/notifiers/timeline.h"

namespace tocsin {
namespace {

using test::at;
using test::Push;
using test::Timeline;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Strings = std::vector<std::string>;

std::string config(const std::string& wait, const std::string& interval, const std::string& repeat,
                   const std::string& more = "") {
  return fmt::format(R"(
resolve_timeout = "{}"
[route]
receiver = "hook"
group_by = []
group_wait = "{}"
group_interval = "{}"
repeat_interval = "{}"
{}
[[receiver]]
name = "hook"
[[receiver.log]]
)",
                     "10s", wait, interval, repeat, more);
}

class Lives : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(OneAndMany, Lives, ::testing::Bool(),
                         [](const auto& i) { return i.param ? "restarted_after_every_step" : "in_one_life"; });

TEST_P(Lives, MergeAlerts) {
  Timeline t(config("1s", "1s", "1ms"), GetParam());
  t.push(1, {{"test", "", 1.1}});
  t.push(1.2, {{"test", "", 1}});
  t.push(2.1, {{"test", "v1", 1}});
  t.push(3.6, {{"test", "v2", 1.5}});
  t.push(4.6, {{"test", "v3", 3, 4.5}});
  t.push(4.8, {{"test", "v3", 2.9, 4.8}});
  t.push(4.8, {{"test", "v3", 2.9, 4.1}});
  t.push(5.3, {{"test", "", 5}});
  t.run_until(6.5);
  EXPECT_THAT(t.told,
              ElementsAre("2 hook first notification: test[1-]", "3 hook repeat interval elapsed: test[1-]v1",
                          "4 hook repeat interval elapsed: test[1-]v2", "5 hook all alerts resolved: test[1-4.8]v3",
                          "6.3 hook first notification: test[5-]"));
}

TEST_P(Lives, MergeAlertsWithEnds) {
  Timeline t(config("1s", "1s", "1ms"), GetParam());
  t.push(1, {{"test", "", 1.1, 300}});
  t.push(1.2, {{"test", "", 1, 300}});
  t.push(2.1, {{"test", "v1", 1, 300}});
  t.push(3.6, {{"test", "v2", 1.5, 200}});
  t.push(4.6, {{"test", "v3", 3, 4.5}});
  t.run_until(5.5);
  EXPECT_THAT(t.told,
              ElementsAre("2 hook first notification: test[1-]", "3 hook repeat interval elapsed: test[1-]v1",
                          "4 hook repeat interval elapsed: test[1-]v2", "5 hook all alerts resolved: test[1-4.5]v3"));
}

TEST_P(Lives, Repeat) {
  Timeline t(config("1s", "1s", "1ms"), GetParam());
  t.push(1, {{"test", "", 1}});
  t.push(3.5, {{"test", "", 1, 3}});
  t.run_until(20);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: test[1-]", "3 hook repeat interval elapsed: test[1-]",
                                  "4 hook all alerts resolved: test[1-3]"));
  EXPECT_EQ(t.state.alerts(), 0U);
  EXPECT_EQ(t.state.open_incidents(), 0U);
  EXPECT_EQ(t.manager().next_due(), TimePoint::max());
}

TEST_P(Lives, Batching) {
  Timeline t(config("1s", "1s", "5s"), GetParam());
  t.push(1.1, {{"test1", "", 1}});
  t.push(1.7, {{"test5", "", 1}});
  t.push(3.3, {{"test2", "", 1.5}, {"test3", "", 1.5}, {"test4", "", 1.6}});
  for (int s = 4; s < 10; s += 4) {
    t.push(s, {{"test1", "", 1}, {"test5", "", 1}, {"test2", "", 1.5}, {"test3", "", 1.5}, {"test4", "", 1.6}});
  }
  t.run_until(10);
  const std::string all = "test1[1-] test2[1.5-] test3[1.5-] test4[1.6-] test5[1-]";
  // test5 is heard of late enough that it has been firing for longer than group_wait: nobody waits for 2.1.
  EXPECT_THAT(t.told, ElementsAre("2.1 hook first notification: test1[1-] test5[1-]",
                                  "4.1 hook new alerts added: " + all, "9.1 hook repeat interval elapsed: " + all));
}

TEST(AlertManager, ResolvesWhatIsNotHeardOfAgain) {
  for (int round = 0; round < 2; ++round) {
    Timeline t(config("1s", "5s", "1h"));
    t.push(1, {{"a"}, {"b"}, {"c"}});
    t.run_until(30);
    EXPECT_THAT(t.told, ElementsAre("2 hook first notification: a[1-] b[1-] c[1-]",
                                    "12 hook all alerts resolved: a[1-11] b[1-11] c[1-11]"));
  }
}

TEST(AlertManager, TellsOfTheEndOnlyWhereResolvesAreSent) {
  Timeline t(R"(
resolve_timeout = "10s"
[route]
receiver = "hook"
group_wait = "1s"
group_interval = "5s"
repeat_interval = "1h"
[[receiver]]
name = "hook"
[[receiver.log]]
[[receiver.log]]
send_resolved = false
)");
  t.push(1, {{"a"}, {"b"}});
  t.run_until(40);
  t.push(41, {{"a"}});
  t.run_until(43);
  ASSERT_EQ(t.rows.size(), 5U);
  EXPECT_EQ(t.rows[0].channel, "hook/log/0");
  EXPECT_EQ(t.rows[1].channel, "hook/log/1");
  EXPECT_EQ(t.told[2], "12 hook all alerts resolved: a[1-11] b[1-11]");
  EXPECT_EQ(t.rows[2].channel, "hook/log/0");
  EXPECT_EQ(t.told[3], "42 hook first notification: a[41-]");
  EXPECT_EQ(t.told[4], "42 hook first notification: a[41-]");
}

TEST_P(Lives, AChannelWithoutResolvesHearsNothingOfResolvedAlerts) {
  Timeline t(R"(
[route]
receiver = "hook"
group_wait = "1s"
group_interval = "5s"
repeat_interval = "1h"
[[receiver]]
name = "hook"
[[receiver.log]]
send_resolved = false
)",
             GetParam());
  t.push(1, {{"a", "", 1}, {"b", "", 1}});
  t.push(3, {{"b", "", 1, 3}});
  t.push(8, {{"c", "", 8}});
  t.run_until(20);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: a[1-] b[1-]", "12 hook new alerts added: a[1-] c[8-]"));
}

TEST_P(Lives, SomeResolved) {
  Timeline t(config("1s", "5s", "1h"), GetParam());
  t.push(1, {{"a", "", 1, 100}, {"b", "", 1, 100}});
  t.push(3, {{"b", "", 1, 3}});
  t.push(8, {{"b", "", 8, 100}});
  t.run_until(13);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: a[1-] b[1-]", "7 hook some alerts resolved: a[1-] b[1-3]",
                                  "12 hook new alerts added: a[1-] b[8-]"));
}

TEST_P(Lives, SaysNothingOfAnAlertThatEndsBeforeGroupWait) {
  Timeline t(config("5s", "5s", "1h"), GetParam());
  t.push(1, {{"a", "", 1}});
  t.push(3, {{"a", "", 1, 3}});
  t.push(4, {{"a", "", 1, 3}});
  t.run_until(60);
  EXPECT_THAT(t.told, IsEmpty());
  EXPECT_EQ(t.state.alerts(), 0U);
  EXPECT_EQ(t.state.open_incidents(), 0U);
}

TEST_P(Lives, DoesNotWaitForWhatHasLongBeenFiring) {
  Timeline t(config("30s", "5m", "1h"), GetParam());
  t.push(100, {{"a", "", 80}});
  t.push(101, {{"b", "", 71.0}});
  t.push(102, {{"c", "", 10}});
  t.run_until(200);
  EXPECT_THAT(t.told, ElementsAre("102 hook first notification: a[80-] b[71-] c[10-]"));
}

TEST_P(Lives, IgnoresTheResolveOfWhatItNeverHeardOf) {
  Timeline t(config("1s", "5s", "1h"), GetParam());
  t.push(5, {{"a", "", 1, 3}});
  EXPECT_EQ(t.state.alerts(), 0U);
  EXPECT_EQ(t.manager().next_due(), TimePoint::max());
}

TEST_P(Lives, RepeatsAtTheExactMultipleOfGroupInterval) {
  Timeline t(config("30s", "5m", "4h"), GetParam());
  for (int minute = 0; minute < 9 * 60; ++minute) t.push(60.0 * minute, {{"a", "", 0, 60.0 * minute + 240}});
  EXPECT_THAT(t.told, ElementsAre("30 hook first notification: a[0-]", "14430 hook repeat interval elapsed: a[0-]",
                                  "28830 hook repeat interval elapsed: a[0-]"));
}

TEST(AlertManager, ARestartIsNobodysSilence) {
  Timeline t(config("1s", "5s", "1h"));
  t.push(1, {{"a", "", 1, 5}});
  t.run_until(2);
  // Away while it would have run out; the sender is heard again soon after.
  t.restart(8);
  t.push(10, {{"a", "", 1, 14}});
  t.run_until(13);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: a[1-]"));
  t.run_until(30);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: a[1-]", "18 hook all alerts resolved: a[1-14]"));
}

TEST(AlertManager, AfterARestartNothingIsToldTwiceAndNothingIsForgotten) {
  Timeline t(config("30s", "5m", "4h"));
  t.push(0, {{"a", "", 0, 1000}});
  t.restart(10);
  t.run_until(29.9);
  EXPECT_THAT(t.told, IsEmpty());
  t.restart(30);  // at the very instant of the flush
  t.run_until(30);
  EXPECT_EQ(t.told.size(), 1U);
  t.push(40, {{"a", "", 0, 39}});
  t.restart(100);
  EXPECT_EQ(t.told.size(), 1U);
  t.restart(500);  // late for the flush at 330
  t.run_until(1000);
  EXPECT_THAT(t.told, ElementsAre("30 hook first notification: a[0-]", "500 hook all alerts resolved: a[0-39]"));
}

TEST(AlertManager, ADeadLetterIsToldAgainAtTheNextFlush) {
  Timeline t(config("1s", "5s", "1h"));
  t.push(1, {{"a", "", 1, 1000}});
  t.run_until(2);
  t.receipt(3, 0, false);
  t.restart(4);
  t.run_until(20);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: a[1-]", "7 hook repeat interval elapsed: a[1-]"));
  t.receipt(20, 1, true);
  t.run_until(60);
  EXPECT_EQ(t.told.size(), 2U);
}

TEST(AlertManager, ADeadLetterThatANewerMessageFollowsIsNotRepeated) {
  Timeline t(config("1s", "5s", "1h"));
  t.push(1, {{"a", "", 1, 1000}});
  t.push(3, {{"b", "", 3, 1000}});
  t.run_until(8);
  t.receipt(8, 0, false);
  t.run_until(60);
  EXPECT_EQ(t.told.size(), 2U);
}

TEST(AlertManager, TheEndOfAnIncidentIsToldAgainForADay) {
  for (const bool restarted : {false, true}) {
    Timeline t(config("1s", "5m", "4h"));
    t.push(1, {{"a", "", 1}});
    t.push(3, {{"a", "", 1, 3}});
    t.run_until(400);
    ASSERT_EQ(t.told.size(), 2U);
    if (restarted) t.restart(401);
    t.receipt(402, 1, false);
    t.run_until(1000);
    ASSERT_EQ(t.told.size(), 3U);
    EXPECT_EQ(t.told[2], "702 hook all alerts resolved: a[1-3]");
    EXPECT_EQ(t.rows[2].sequence, 3);
    EXPECT_EQ(t.rows[2].incident, t.rows[1].incident);
    t.receipt(90'000, 2, false);
    t.run_until(200'000);
    EXPECT_EQ(t.told.size(), 3U) << "more than a day after the end";
    EXPECT_EQ(t.manager().next_due(), TimePoint::max());
  }
}

TEST(AlertManager, AReloadKeepsTimersAndMemory) {
  Timeline t(config("1s", "6s", "10m"));
  t.push(1, {{"a", "", 1, 100}});
  t.run_until(2);
  t.reload(3, config("1s", "6s", "10m"));
  t.push(4, {{"b", "", 4, 100}});
  t.run_until(20);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: a[1-]", "8 hook new alerts added: a[1-] b[4-]"));
  EXPECT_EQ(t.rows[0].incident, t.rows[1].incident);
}

TEST(AlertManager, AReloadThatOnlyMovesTheRouteKeepsTheIncident) {
  Timeline t(config("1s", "6s", "10m"));
  t.push(1, {{"a", "", 1, 100}});
  t.run_until(2);
  const std::string moved = config("1s", "6s", "10m", "[[route.routes]]\nmatchers = ['alertname=\"a\"']");
  t.reload(3, moved);
  t.restart(4);
  t.push(5, {{"a", "", 1, 5}});
  t.run_until(30);
  EXPECT_THAT(t.told, ElementsAre("2 hook first notification: a[1-]", "8 hook all alerts resolved: a[1-5]"));
  EXPECT_EQ(t.rows[0].incident, t.rows[1].incident);
}

TEST(AlertManager, AReceiverThatLosesTheRouteIsToldOfTheEnd) {
  const std::string two = R"(
[[receiver]]
name = "other"
[[receiver.log]]
)";
  for (const bool restarted : {false, true}) {
    Timeline t(config("1s", "6s", "10m") + two);
    t.push(1, {{"a", "", 1, 100}});
    t.run_until(2);
    std::string toml = config("1s", "6s", "10m") + two;
    toml.replace(toml.find("hook"), 4, "other");
    t.reload(3, toml);
    if (restarted) t.restart(3);
    t.run_until(30);
    EXPECT_THAT(t.told, ElementsAre("2 hook first notification: a[1-]", "3 hook all alerts resolved: a[1-3]",
                                    "3 other first notification: a[1-]"));
  }
}

TEST(AlertManager, ShowsAlertsWithTheirReceiversAndGroups) {
  Timeline t(R"(
[route]
receiver = "hook"
group_by = ["alertname"]
[[route.routes]]
receiver = "log"
matchers = ['severity="page"']
continue = true
[[route.routes]]
[[receiver]]
name = "hook"
[[receiver]]
name = "log"
[[receiver.log]]
)");
  t.push(1, {{"a", "", 1, 1000, {{"severity", "page"}}}, {"b", "", 1, 1000}});
  auto alerts = t.manager().alerts(t.now());
  ASSERT_EQ(alerts.size(), 2U);
  EXPECT_THAT(alerts[0].receivers, ElementsAre("hook", "log"));
  EXPECT_EQ(alerts[0].state, "unprocessed");
  const auto groups = t.manager().groups(t.now());
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].receiver, "hook");
  EXPECT_EQ(groups[1].receiver, "log");
  EXPECT_EQ(groups[1].labels.str(), R"({alertname="a"})");
  EXPECT_EQ(groups[1].incident, "");
  t.run_until(40);
  alerts = t.manager().alerts(t.now());
  EXPECT_EQ(alerts[0].state, "active");
  EXPECT_FALSE(t.manager().groups(t.now())[1].incident.empty());
  EXPECT_THAT(t.manager().alerts(at(2000)), IsEmpty());
}

TEST(AlertManager, AMessageCarriesWhatItsAlertsHaveInCommon) {
  Timeline t(config("1s", "5s", "1h"));
  t.push(1, {{"a", "x", 1, 100, {{"job", "api"}, {"instance", "2"}}},
             {"a", "x", 1, 100, {{"job", "api"}, {"instance", "1"}}}});
  t.run_until(2);
  const auto n = notification_from_json(t.rows.at(0).notification);
  ASSERT_TRUE(n);
  EXPECT_EQ(n->common_labels.str(), R"({alertname="a", job="api"})");
  EXPECT_EQ(n->common_annotations, (Annotations{{"v", "x"}}));
  EXPECT_EQ(n->group_key, "{}:{}");
  EXPECT_EQ(n->alerts[0].labels.get("instance"), "1");
  EXPECT_EQ(n->alerts[0].fingerprint.size(), 16U);
  EXPECT_EQ(to_json(*n), t.rows[0].notification) << "a value that can be written and read back unchanged";
}

}  // namespace
}  // namespace tocsin
