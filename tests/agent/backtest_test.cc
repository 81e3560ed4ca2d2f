#include "agent/backtest.h"

#include <gtest/gtest.h>

#include "agent/core/config/fields.h"

namespace tocsin {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr TimePoint kStart{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};

/// One sample every 15 s; `values` are those of the minutes.
promql::MatrixSeries per_minute(Labels labels, const std::vector<double>& values) {
  promql::MatrixSeries series{std::move(labels), {}};
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (int j = 0; j < 4; ++j) series.samples.push_back({kStart + minutes(i) + seconds(15 * j), values[i]});
  }
  return series;
}

Backtest plan_of(const std::string& rules, int length_minutes, const std::string& notify = "") {
  Backtest plan;
  Diagnostics diagnostics;
  plan.groups = parse_rule_file("groups: [{name: g, interval: 15s, rules: [" + rules + "]}]", "r.yml", diagnostics);
  plan.context = std::make_shared<RuleContext>();
  plan.from = kStart;
  plan.to = kStart + minutes(length_minutes);
  if (!notify.empty()) {
    const ConfigNode document = parse_toml(notify, "t.toml", diagnostics);
    Fields f(document, diagnostics);
    plan.notify = read_notify_config(f);
  }
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.str();
  return plan;
}

constexpr const char* kLogReceiver =
    "[route]\nreceiver = \"ops\"\ngroup_by = [\"alertname\"]\ngroup_wait = \"30s\"\ngroup_interval = \"1m\"\n"
    "repeat_interval = \"5m\"\n[[receiver]]\nname = \"ops\"\n[[receiver.log]]\n";

TEST(Backtest, FollowsEachAlertFromPendingToItsEnd) {
  const Backtest plan = plan_of("{alert: A, expr: 'm > 0', for: 2m}", 20);
  const BacktestReport report =
      run_backtest(plan, std::vector{per_minute(Labels{{"__name__", "m"}},
                                                {0, 0, 5, 9, 7, 7, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4})});
  ASSERT_EQ(report.rules.size(), 1U);
  const BacktestRule& rule = report.rules[0];
  ASSERT_EQ(rule.occurrences.size(), 3U);
  EXPECT_EQ(rule.fired(), 2U);
  // Slots are shifted by a hash of the group, so instants are known to one interval.
  const auto about = [](TimePoint t, Duration at) { return t >= kStart + at && t < kStart + at + seconds(15); };
  EXPECT_TRUE(about(rule.occurrences[0].pending_at, minutes(2)));
  EXPECT_TRUE(about(*rule.occurrences[0].fired_at, minutes(4)));
  EXPECT_TRUE(about(*rule.occurrences[0].ended_at, minutes(6)));
  EXPECT_EQ(rule.occurrences[0].peak, 9);
  EXPECT_FALSE(rule.occurrences[1].fired_at);
  EXPECT_FALSE(rule.occurrences[2].ended_at);
  EXPECT_EQ(rule.firing_time(plan.from, plan.to) / minutes(1), 2);  // two, and most of one at the end
}

TEST(Backtest, KnowsWhatWasFiringBeforeItBegan) {
  Backtest plan = plan_of("{alert: A, expr: 'm > 0', for: 5m}", 20);
  plan.from = kStart + minutes(10);
  const BacktestReport report =
      run_backtest(plan, std::vector{per_minute(Labels{{"__name__", "m"}}, std::vector<double>(13, 1))});
  ASSERT_EQ(report.rules[0].occurrences.size(), 1U);
  EXPECT_LT(*report.rules[0].occurrences[0].fired_at, plan.from + seconds(15));
  // The series ends at 12:45, and a lookback later the alert does.
  EXPECT_EQ(report.rules[0].firing_time(plan.from, plan.to) / minutes(1), 7);
}

TEST(Backtest, CountsPagesAsTheRoutesSendThem) {
  const Backtest plan = plan_of("{alert: A, expr: 'm > 0'}", 30, kLogReceiver);
  std::vector<double> values(30, 0);
  for (std::size_t i = 2; i < 14; ++i) values[i] = 1;
  const BacktestReport report =
      run_backtest(plan, std::vector{per_minute(Labels{{"__name__", "m"}, {"i", "1"}}, values),
                                     per_minute(Labels{{"__name__", "m"}, {"i", "2"}}, values)});
  ASSERT_EQ(report.pages.size(), 1U);
  // One page for both, repeated twice in twelve minutes, and one that they are over.
  EXPECT_EQ(report.pages.begin()->first.first, "ops");
  EXPECT_EQ(report.pages.begin()->second, (std::pair<std::uint64_t, std::uint64_t>{3, 1}));
}

TEST(Backtest, HonoursLimitKeepFiringForAndRecordingRules) {
  Backtest plan = plan_of("{record: r, expr: 'm * 2'}, {alert: A, expr: 'r > 2', keep_firing_for: 3m}", 20);
  const std::vector data{per_minute(Labels{{"__name__", "m"}}, {0, 5, 0, 0, 0, 0, 0, 0, 0, 0}),
                         per_minute(Labels{{"__name__", "r"}}, std::vector<double>(20, 100))};
  BacktestReport report = run_backtest(plan, data);
  ASSERT_EQ(report.rules[1].occurrences.size(), 1U) << "the recorded series of the data are not used";
  EXPECT_EQ(report.rules[1].firing_time(plan.from, plan.to) / minutes(1), 4);
  plan.groups[0].limit = 1;
  plan.groups[0].rules[0].expr = "m or label_replace(m, 'x', 'y', '', '')";
  report = run_backtest(plan, data);
  EXPECT_GT(report.rules[0].failures, 0U);
  EXPECT_NE(report.rules[0].last_error.find("limit"), std::string::npos) << report.rules[0].last_error;
}

TEST(Backtest, ReplacesTheThresholdOfTheOutermostComparison) {
  struct Row {
    const char* expr;
    const char* with;
  };
  for (const Row& row : {Row{"m > 5", "m > (7.5)"},
                         {"(rate(m[5m]) * 60 >= 1e3)", "(rate(m[5m]) * 60 >= (7.5))"},
                         {"0.1 < m", "(7.5) < m"},
                         {"m > n", ""},
                         {"m", ""}}) {
    EXPECT_EQ(with_threshold(row.expr, 7.5).value_or(""), row.with) << row.expr;
  }
}

}  // namespace
}  // namespace tocsin
