#include "agent/rule_loop.h"

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include "agent/core/async.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr TimePoint kStart{std::chrono::hours(24)};

std::vector<RuleGroupConfig> groups(const std::string& toml) {
  Diagnostics diagnostics;
  auto out = read_rule_groups(parse_toml(toml, "rules.toml", diagnostics), "rules.toml", diagnostics);
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.str();
  return out;
}

const char* const kAlways =
    "[[group]]\nname = \"g\"\ninterval = \"10s\"\n[[group.rule]]\nalert = \"Always\"\nexpr = \"vector(1)\"\n";

class RuleLoopTest : public testing::Test {
 protected:
  RuleLoopTest() { tasks_.spawn("rules", loop_.run()); }
  ~RuleLoopTest() override {
    tasks_.cancel();
    settle();
  }
  void settle() {
    io_.restart();
    while (io_.poll() > 0) {
    }
  }
  void run_for(Duration span) {
    const TimePoint end = clock_.now() + span;
    settle();
    while (clock_.next_wake() <= end) {
      clock_.advance_to(clock_.next_wake());
      settle();
    }
    clock_.advance_to(end);
    settle();
  }

  asio::io_context io_;
  ManualClock clock_{kStart};
  SeriesStore store_;
  std::shared_ptr<const RuleContext> context_ = std::make_shared<RuleContext>();
  std::vector<Alert> alerts_;
  StateChange changes_;
  RuleLoop loop_{io_.get_executor(), clock_, store_, [this](GroupEvaluation e) {
                   alerts_.insert(alerts_.end(), e.alerts.begin(), e.alerts.end());
                   changes_.append(std::move(e.changes));
                 }};
  TaskGroup tasks_{io_.get_executor()};
};

TEST_F(RuleLoopTest, EvaluatesEachGroupAtItsSlots) {
  loop_.set_groups(groups(kAlways), context_);
  run_for(60s);
  EXPECT_EQ(loop_.groups().at(0).group.stats().group_iterations_total, 6U);
  EXPECT_EQ(loop_.groups().at(0).group.stats().group_iterations_missed_total, 0U);
  ASSERT_FALSE(alerts_.empty());
  EXPECT_EQ(alerts_[0].labels.get("alertname"), "Always");
}

TEST_F(RuleLoopTest, CountsTheSlotsThatWentByWhileNothingCouldRun) {
  loop_.set_groups(groups(kAlways), context_);
  run_for(20s);
  clock_.advance(35s);
  run_for(0s);
  EXPECT_GE(loop_.groups().at(0).group.stats().group_iterations_missed_total, 2U);
}

TEST_F(RuleLoopTest, AGroupThatIsGoneAfterAReloadResolvesWhatItRaised) {
  loop_.set_groups(groups(kAlways), context_);
  run_for(20s);
  alerts_.clear();
  loop_.set_groups({}, context_);
  ASSERT_EQ(alerts_.size(), 1U);
  EXPECT_TRUE(alerts_[0].resolved_at(clock_.now()));
}

TEST_F(RuleLoopTest, DropsWhatGroupsLeftBehindThatAreGoneSinceTheLastRun) {
  loop_.set_groups(groups(kAlways), context_);
  const AlertStateRow stranger{
      "rules.toml;gone;A{};0", Labels{{"alertname", "A"}}, "firing", kStart, kStart, {}, kStart, 1, {}};
  loop_.restore({stranger});
  ASSERT_EQ(changes_.drop_alert_states.size(), 1U);
  EXPECT_EQ(changes_.drop_alert_states[0].first, stranger.rule_id);
}

TEST_F(RuleLoopTest, WhatAGroupOfABrokenFileHadRaisedWaitsUntilTheFileIsMended) {
  loop_.set_groups({}, context_);
  const AlertStateRow row{"rules.toml;g;Always{};0",
                          Labels{{"alertname", "Always"}},
                          "firing",
                          kStart - 5min,
                          kStart - 5min,
                          {},
                          kStart,
                          1,
                          {}};
  loop_.restore({row}, {"rules.toml"});
  EXPECT_TRUE(changes_.empty());
  loop_.set_groups(groups(kAlways), context_);
  ASSERT_EQ(alerts_.size(), 1U);
  EXPECT_EQ(alerts_[0].starts_at, kStart - 5min);
  EXPECT_FALSE(alerts_[0].resolved_at(clock_.now()));
}

}  // namespace
}  // namespace tocsin
