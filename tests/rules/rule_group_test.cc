// What a group does at one evaluation after the other, where a timeline script does not reach: slots, what is sent when
// and with which end, and what fails how.

#include "rules/rule_group.h"

#include <gmock/gmock.h>

#include "tests/rules/rule_life.h"

namespace tocsin {
namespace {

using namespace std::chrono_literals;
using test::RuleLife;

const Labels kUp{{kMetricName, "up"}};
Labels up(const std::string& i) {
  return {{kMetricName, "up"}, {"i", i}};
}

std::string rule(const std::string& more, const std::string& expr = "up == 0") {
  return "[[group]]\nname = \"g\"\n[[group.rule]]\nalert = \"Down\"\nexpr = '" + expr + "'\n" + more;
}

TEST(RuleGroup, SlotsAreAnIntervalApartAndStartAtAHashOfFileAndName) {
  RuleLife life(rule(""));
  const auto offset = static_cast<std::int64_t>(Labels{{"file", "rules.toml"}, {"name", "g"}}.hash() % 15000);
  const TimePoint first = life.group().next_slot(RuleLife::kStart);
  EXPECT_GT(first, RuleLife::kStart);
  EXPECT_LE(first, RuleLife::kStart + 15s);
  EXPECT_EQ((first.time_since_epoch().count() - offset) % 15000, 0);
  EXPECT_EQ(life.group().next_slot(first), first + 15s);
  EXPECT_EQ(life.group().next_slot(first - 1ms), first);
  EXPECT_EQ(life.group().next_slot(TimePoint(-first.time_since_epoch())).time_since_epoch().count() % 15000 -
                (offset - 15000),
            0);
}

TEST(RuleGroup, TwoGroupsHaveSlotsOfTheirOwn) {
  RuleLife one(rule(""));
  RuleLife other("[[group]]\nname = \"h\"\n");
  EXPECT_NE(one.group().next_slot(RuleLife::kStart), other.group().next_slot(RuleLife::kStart));
}

TEST(RuleGroup, TheGeneratorUrlIsTheTableOfTheExpression) {
  RuleLife life(rule("", "up{a=\"b c\"} ==   0"));
  life.context().external_url = "http://agent:8627";
  life.reload(rule("", "up{a=\"b c\"} ==   0"));
  life.set({{kMetricName, "up"}, {"a", "b c"}}, 0);
  const auto sent = life.evaluate();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].generator_url, "http://agent:8627/graph?g0.expr=up%7Ba%3D%22b+c%22%7D+%3D%3D+0&g0.tab=1");
}

TEST(RuleGroup, SendsAFiringAlertAgainWhenTheResendDelayIsOverAndSaysForHowLongItHolds) {
  RuleLife life(rule(""));
  std::vector<Duration> sent_at;
  for (int i = 0; i < 12; ++i) {
    life.set(kUp, 0);
    const TimePoint at = life.now;
    for (const Alert& alert : life.evaluate()) {
      sent_at.push_back(at - RuleLife::kStart);
      EXPECT_EQ(alert.starts_at, RuleLife::kStart);
      EXPECT_EQ(alert.ends_at, at + 4min);
    }
  }
  // A minute later is not yet more than the delay.
  EXPECT_THAT(sent_at, testing::ElementsAre(0s, 75s, 150s));
}

TEST(RuleGroup, AnIntervalLongerThanTheResendDelayDecidesHowLongAnAlertHolds) {
  RuleLife life("[[group]]\nname = \"g\"\ninterval = \"5m\"\n[[group.rule]]\nalert = \"Down\"\nexpr = 'up == 0'\n");
  life.set(kUp, 0);
  const TimePoint at = life.now;
  EXPECT_EQ(life.evaluate().at(0).ends_at, at + 20min);
}

TEST(RuleGroup, AResolvedAlertIsSentAtOnceAndAgainForFifteenMinutes) {
  RuleLife life(rule(""));
  life.set(kUp, 0);
  life.evaluate();
  const TimePoint resolved = life.now;
  std::vector<Duration> sent_at;
  for (int i = 0; i < 80; ++i) {
    life.set(kUp, 1);
    const TimePoint at = life.now;
    for (const Alert& alert : life.evaluate()) {
      EXPECT_EQ(alert.ends_at, resolved);
      sent_at.push_back(at - resolved);
    }
  }
  ASSERT_EQ(sent_at.size(), 13U);
  EXPECT_EQ(sent_at[0], 0s);
  EXPECT_EQ(sent_at[1], 75s);
  EXPECT_EQ(sent_at.back(), 15min);
  EXPECT_TRUE(life.rows().empty()) << "nothing is left of it";
}

TEST(RuleGroup, AnAlertThatComesBackWithinFifteenMinutesStartsFromTheBeginning) {
  RuleLife life(rule("for = \"30s\"\n"));
  for (const double value : {0, 0, 0, 1}) {
    life.set(kUp, value);
    life.evaluate();
  }
  life.set(kUp, 0);
  const TimePoint back = life.now;
  EXPECT_TRUE(life.evaluate().empty());
  EXPECT_EQ(life.state("Down"), "pending");
  EXPECT_EQ(life.find("Down").active_at, back);
}

TEST(RuleGroup, TwoSeriesThatBecomeOneAlertAreAnErrorThatChangesNothing) {
  RuleLife life(rule("labels = { i = \"one\" }\n"));
  life.set(up("1"), 0);
  EXPECT_EQ(life.evaluate().size(), 1U);
  life.now += 2min;
  life.set(up("1"), 0);
  life.set(up("2"), 0);
  EXPECT_TRUE(life.evaluate().empty()) << "what fails sends nothing";
  const RuleStatus status = life.group().status()[0];
  EXPECT_EQ(status.health, RuleHealth::kError);
  EXPECT_EQ(status.last_error, "vector contains metrics with the same labelset after applying alert labels");
  EXPECT_EQ(status.alerts.size(), 1U);
}

TEST(RuleGroup, MoreAlertsThanTheLimitAreAnErrorThatForgetsThemAll) {
  RuleLife life("[[group]]\nname = \"g\"\nlimit = 1\n[[group.rule]]\nalert = \"Down\"\nexpr = 'up == 0'\n");
  life.set(up("1"), 0);
  life.evaluate();
  EXPECT_EQ(life.rows().size(), 1U);
  life.set(up("1"), 0);
  life.set(up("2"), 0);
  life.evaluate();
  EXPECT_EQ(life.group().status()[0].last_error, "exceeded limit of 1 with 2 alerts");
  EXPECT_TRUE(life.group().status()[0].alerts.empty());
  EXPECT_TRUE(life.rows().empty());
  EXPECT_EQ(life.group().stats().evaluation_failures_total, 1U);
}

TEST(RuleGroup, CountsTheSlotsThatWereLeftOut) {
  RuleLife life(rule(""));
  life.evaluate();
  life.now += 45s;
  life.evaluate();
  EXPECT_EQ(life.group().stats().group_iterations_missed_total, 3U);
  EXPECT_EQ(life.group().stats().group_iterations_total, 5U);
}

TEST(RuleGroup, HoldsAnAlertWhoseDataIsMissingAndLetsItGoWhenTheDataSaysSo) {
  RuleLife life(rule("on_missing = \"hold\"\n"));
  life.set(up("1"), 0);
  life.set(up("2"), 0);
  life.evaluate();
  life.now += 10min;  // both have no samples any more
  life.evaluate();
  EXPECT_EQ(life.state("Down", "1"), "firing");
  EXPECT_EQ(life.find("Down", "1").missing_since, life.now - RuleLife::kStep);
  life.set(up("1"), 1);
  life.evaluate();
  EXPECT_EQ(life.state("Down", "1"), "none");
  EXPECT_EQ(life.state("Down", "2"), "firing") << "of this one nobody has heard";
}

TEST(RuleGroup, HoldsNoLongerThanHoldFor) {
  RuleLife life(rule("on_missing = \"hold\"\nhold_for = \"1m\"\n"));
  life.set(kUp, 0);
  life.evaluate();
  life.now += 10min;
  life.evaluate();
  life.now += 30s;
  life.evaluate();
  EXPECT_EQ(life.state("Down"), "firing");
  life.now += 15s;
  EXPECT_EQ(life.evaluate().size(), 1U);
  EXPECT_EQ(life.state("Down"), "none");
}

TEST(RuleGroup, APendingAlertThatIsHeldDoesNotFireWithoutData) {
  RuleLife life(rule("on_missing = \"hold\"\nfor = \"1m\"\n"));
  life.set(kUp, 0);
  life.evaluate();
  life.now += 10min;
  life.evaluate();
  EXPECT_EQ(life.state("Down"), "pending");
  life.set(kUp, 0);
  life.evaluate();
  EXPECT_EQ(life.state("Down"), "firing");
}

TEST(RuleGroup, FiresWhileThreeOfTheLastFiveEvaluationsGaveIt) {
  RuleLife life(rule("for = \"3 of 5\"\n"));
  const std::vector<std::pair<double, const char*>> steps{
      {0, "pending"}, {1, "pending"}, {0, "pending"}, {1, "pending"}, {0, "firing"}, {1, "none"},
      {0, "pending"}, {0, "pending"}, {0, "firing"},  {1, "firing"},  {1, "firing"}, {1, "none"}};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    life.set(kUp, steps[i].first);
    life.evaluate();
    EXPECT_EQ(life.state("Down"), steps[i].second) << "evaluation " << i;
  }
}

TEST(RuleGroup, APendingAlertOfThreeInFiveEndsWhenNoneOfTheLastFiveGaveIt) {
  RuleLife life(rule("for = \"3 of 5\"\n"));
  for (int i = 0; i < 5; ++i) {
    life.set(kUp, i == 0 ? 0 : 1);
    life.evaluate();
    EXPECT_EQ(life.state("Down"), "pending") << i;
  }
  life.set(kUp, 1);
  life.evaluate();
  EXPECT_EQ(life.state("Down"), "none");
}

const char* const kDependent = R"~([[group]]
name = "g"
[[group.rule]]
alert = "NetworkDown"
expr = 'net == 0'
[[group.rule]]
alert = "ShopDown"
expr = 'up == 0'
depends_on = ["NetworkDown on (i)"]
)~";

TEST(RuleGroup, NobodyIsToldOfAnAlertWhileTheOneItDependsOnFires) {
  RuleLife life(kDependent);
  const Labels net{{kMetricName, "net"}, {"i", "1"}};
  life.set(net, 0);
  life.set(up("1"), 0);
  life.set(up("2"), 0);
  std::vector<std::string> told;
  for (const Alert& alert : life.evaluate()) told.push_back(alert.labels.str());
  EXPECT_THAT(told, testing::ElementsAre(R"({alertname="NetworkDown", i="1"})", R"({alertname="ShopDown", i="2"})"));
  EXPECT_EQ(life.state("ShopDown", "1"), "firing");
  EXPECT_EQ(life.find("ShopDown", "1").suppressed_by, R"({alertname="NetworkDown", i="1"})");

  life.restart(1s);
  life.set(net, 0);
  life.set(up("1"), 0);
  life.set(up("2"), 0);
  for (const Alert& alert : life.evaluate()) EXPECT_FALSE(alert.labels == life.find("ShopDown", "1").labels);

  life.set(net, 1);
  life.set(up("1"), 0);
  life.set(up("2"), 0);
  bool shop = false;
  for (const Alert& alert : life.evaluate()) shop |= alert.labels == life.find("ShopDown", "1").labels;
  EXPECT_TRUE(shop) << "it still fires, and nothing else explains it";
}

TEST(RuleGroup, NobodyIsToldTheEndOfAnAlertThatNobodyWasToldOf) {
  RuleLife life(kDependent);
  life.set({{kMetricName, "net"}, {"i", "1"}}, 0);
  life.set(up("1"), 0);
  life.evaluate();
  life.set(up("1"), 1);
  EXPECT_TRUE(life.evaluate().empty());
  EXPECT_EQ(life.state("ShopDown", "1"), "none");
}

TEST(RuleGroup, RemembersItsLastEvaluationsAndWhatTheyChanged) {
  RuleLife life(rule("for = \"15s\"\n"));
  for (int i = 0; i < 30; ++i) {
    life.set(kUp, i < 27 ? 1 : 0);
    life.evaluate();
  }
  const auto& evaluations = life.group().evaluations(0);
  ASSERT_EQ(evaluations.size(), kRuleEvaluationsMax);
  const RuleEvaluation& first = evaluations[kRuleEvaluationsMax - 3];
  EXPECT_EQ(first.pending, 1U);
  ASSERT_EQ(first.changes.size(), 1U);
  EXPECT_EQ(first.changes[0].to, AlertState::kPending);
  const RuleEvaluation& second = evaluations[kRuleEvaluationsMax - 2];
  EXPECT_EQ(second.firing, 1U);
  ASSERT_EQ(second.changes.size(), 1U);
  EXPECT_EQ(second.changes[0].from, AlertState::kPending);
  EXPECT_EQ(second.changes[0].to, AlertState::kFiring);
  EXPECT_TRUE(evaluations.back().changes.empty());
  EXPECT_EQ(evaluations.back().series_matched, 1U);
}

TEST(RuleGroup, TellsWhichSelectorsHaveNeverMatched) {
  RuleLife life(rule("", "up == 0 unless on () maintenance{a=\"b\"}"));
  life.set(kUp, 1);
  life.evaluate();
  EXPECT_THAT(life.group().status()[0].never_matched, testing::ElementsAre("maintenance{a=\"b\"}"));
  life.set({{kMetricName, "maintenance"}, {"a", "b"}}, 1);
  life.evaluate();
  EXPECT_TRUE(life.group().status()[0].never_matched.empty());
}

}  // namespace
}  // namespace tocsin
