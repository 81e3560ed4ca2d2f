// What became of twenty alerts in every state, after a kill -9 and after a reload that changes another rule: the same
// that becomes of them when nothing happens.

#include <gmock/gmock.h>

#include "tests/rules/rule_life.h"

namespace tocsin {
namespace {

using namespace std::chrono_literals;
using test::RuleLife;

constexpr int kInterrupted = 40;  // the evaluation after which it happens; ten minutes
constexpr int kLast = 120;

/// An alert: its rule, and the evaluations from which and before which the series is down; then again.
struct Row {
  const char* what;
  const char* rule;
  int from;
  int to;
  int again_from = 1000;
  const char* at_that_time = "none";
};

const Row kRows[] = {
    {"has never been there", "for = \"1m\"", 1000, 1000},
    {"is pending since just now", "for = \"5m\"", 40, 1000, 1000, "pending"},
    {"is pending for long", "for = \"15m\"", 1, 1000, 1000, "pending"},
    {"is about to fire", "for = \"9m45s\"", 2, 1000, 1000, "pending"},
    {"is pending and goes", "for = \"1h\"", 30, 45, 1000, "pending"},
    {"fires since just now", "", 40, 1000, 1000, "firing"},
    {"fires without for", "", 1, 1000, 1000, "firing"},
    {"fires with a for below the grace of Prometheus", "for = \"1m\"", 10, 1000, 1000, "firing"},
    {"fires with a long for", "for = \"8m\"", 1, 1000, 1000, "firing"},
    {"fires and resolves just after", "for = \"1m\"", 10, 41, 1000, "firing"},
    {"fires and resolves later", "", 10, 60, 1000, "firing"},
    {"is kept firing", "keep_firing_for = \"8m\"", 1, 35, 1000, "firing"},
    {"is kept firing for the last time", "keep_firing_for = \"1m30s\"", 1, 35, 1000, "firing"},
    {"is kept firing and comes back", "keep_firing_for = \"8m\"", 1, 35, 50, "firing"},
    {"has resolved just now", "", 1, 40},
    {"has resolved a while ago", "", 1, 20},
    {"has resolved and comes back", "for = \"1m\"", 1, 30, 45},
    {"has resolved before the retention's end", "", 1, 2},
    {"counts three of five", "for = \"3 of 5\"", 39, 1000, 1000, "pending"},
    {"fires by three of five", "for = \"3 of 5\"", 20, 41, 1000, "firing"},
};
static_assert(std::size(kRows) == 20);

std::string rules(std::string_view other) {
  std::string toml = "[[group]]\nname = \"g\"\n" + std::string(other);
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    toml += fmt::format("[[group.rule]]\nalert = \"A{0}\"\nexpr = 'up{{i=\"{0}\"}} == 0'\n{1}\n", i, kRows[i].rule);
  }
  return toml;
}

struct Life {
  std::vector<std::string> states;  // of each evaluation, all alerts
  std::vector<std::string> told;    // what was sent, once each
};

enum class Event { kNone, kKill, kKillAndLoseSamples, kReload };

Life live(Event event) {
  RuleLife life(rules("[[group.rule]]\nrecord = \"other\"\nexpr = \"1\"\n"));
  Life out;
  std::map<Labels, std::pair<TimePoint, bool>> heard;
  const auto hear = [&](const std::vector<Alert>& alerts, TimePoint at) {
    for (const Alert& alert : alerts) {
      const std::pair now{alert.starts_at, alert.resolved_at(at)};
      if (const auto known = heard.find(alert.labels); known != heard.end() && known->second == now) continue;
      heard[alert.labels] = now;
      out.told.push_back(fmt::format("{} {} since {} {}", format_rfc3339(at), alert.labels.get("alertname"),
                                     format_rfc3339(alert.starts_at), now.second ? "resolved" : "firing"));
    }
  };
  for (int n = 0; n <= kLast; ++n) {
    for (std::size_t i = 0; i < std::size(kRows); ++i) {
      const bool down = (n >= kRows[i].from && n < kRows[i].to) || n >= kRows[i].again_from;
      life.set({{kMetricName, "up"}, {"i", fmt::format("{}", i)}}, down ? 0 : 1);
    }
    const TimePoint at = life.now;
    hear(life.evaluate(), at);
    std::string states;
    for (std::size_t i = 0; i < std::size(kRows); ++i) {
      const std::string name = fmt::format("A{}", i), label = fmt::format("{}", i);
      const ActiveAlert alert = life.find(name, label);
      if (n == kInterrupted) {
        EXPECT_EQ(life.state(name, label), kRows[i].at_that_time) << kRows[i].what;
      }
      states += fmt::format("{} {} {}\n", kRows[i].what, life.state(name, label), format_rfc3339(alert.active_at));
    }
    out.states.push_back(states);
    if (n != kInterrupted) continue;
    life.sent.clear();
    if (event == Event::kReload) life.reload(rules("[[group.rule]]\nrecord = \"another\"\nexpr = \"2\"\n"));
    if (event == Event::kKill) life.restart(0s);
    if (event == Event::kKillAndLoseSamples) life.restart(0s, false);
    hear(life.sent, life.now);
  }
  return out;
}

class Survival : public testing::TestWithParam<Event> {};

TEST_P(Survival, EverythingGoesOnAsIfNothingHadHappened) {
  const Life calm = live(Event::kNone), other = live(GetParam());
  for (std::size_t n = 0; n < calm.states.size(); ++n) {
    ASSERT_EQ(other.states[n], calm.states[n]) << "after evaluation " << n;
  }
  EXPECT_EQ(other.told, calm.told) << "nobody is told anything twice, and nothing is left out";
}

INSTANTIATE_TEST_SUITE_P(AcrossKillAndReload, Survival,
                         testing::Values(Event::kKill, Event::kKillAndLoseSamples, Event::kReload));

TEST(Restart, TheTimeAwayCountsForDurationsAndNotAsEvaluations) {
  RuleLife life(
      "[[group]]\nname = \"g\"\n[[group.rule]]\nalert = \"For\"\nexpr = 'up == 0'\nfor = \"10m\"\n"
      "[[group.rule]]\nalert = \"Kept\"\nexpr = 'down == 1'\nkeep_firing_for = \"10m\"\n"
      "[[group.rule]]\nalert = \"Often\"\nexpr = 'up == 0'\nfor = \"3 of 5\"\n");
  const auto set = [&](double down) {
    life.set({{kMetricName, "up"}}, 0);
    life.set({{kMetricName, "down"}}, down);
  };
  set(1);
  life.evaluate();
  set(0);
  life.evaluate();
  EXPECT_EQ(life.state("Kept"), "firing");
  life.restart(10min);
  EXPECT_EQ(life.state("For"), "pending") << "it fires on an evaluation only";
  set(0);
  life.evaluate();
  EXPECT_EQ(life.state("For"), "firing");
  EXPECT_EQ(life.state("Kept"), "none");
  EXPECT_EQ(life.state("Often"), "firing") << "two before and one after";
}

}  // namespace
}  // namespace tocsin
