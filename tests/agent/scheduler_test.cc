#include "agent/scheduler.h"

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "agent/core/async.h"
#include "agent/net/http_client.h"
#include "agent/net/resolver.h"
#include "probes/heartbeat.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

/// A probe that takes as long, in virtual time, as the test says.
struct FakeProbe final : Probe {
  FakeProbe(Clock& given, Duration time, std::string error) : clock(given), takes(time), throws(std::move(error)) {}
  asio::awaitable<ProbeResult> run(Deadline) override {
    if (!throws.empty()) throw std::runtime_error(throws);
    co_await clock.sleep_until(clock.now() + takes);
    ProbeResult result;
    result.success = true;
    co_return result;
  }
  Clock& clock;
  Duration takes;
  std::string throws;
};

class SchedulerTest : public testing::Test {
 protected:
  static constexpr TimePoint kStart{std::chrono::hours(24)};
  const ProbeType type_{"fake", "", ProbeFrame::kProbe, false, nullptr};

  std::shared_ptr<const PlannedTarget> target(const std::string& name, Duration interval, Duration takes,
                                              std::string throws = "") {
    auto out = std::make_shared<PlannedTarget>();
    out->type = &type_;
    out->target = {name, name};
    out->interval = interval;
    out->timeout = interval;
    out->labels = Labels{{"instance", name}};
    out->identity = name;
    out->make = [takes, throws](ProbeServices& services) {
      return std::make_unique<FakeProbe>(services.clock, takes, throws);
    };
    return out;
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
  void stop() {
    bool stopped = false;
    asio::awaitable<void> stopping = scheduler_.stop();
    asio::co_spawn(io_, std::move(stopping), [&](std::exception_ptr) { stopped = true; });
    settle();
    EXPECT_TRUE(stopped);
  }

  asio::io_context io_;
  ManualClock clock_{kStart};
  HttpClient http_{io_.get_executor()};
  Resolver resolver_{io_.get_executor()};
  HeartbeatBook heartbeats_;
  std::vector<ProbeRun> runs_;
  Scheduler scheduler_{
      io_.get_executor(), ProbeServices{clock_, http_, resolver_, heartbeats_},
      [this](std::vector<ProbeRun> runs) { std::move(runs.begin(), runs.end(), std::back_inserter(runs_)); }};
};

TEST_F(SchedulerTest, RunsOncePerInterval) {
  scheduler_.set_targets({target("a", 10s, 1s)});
  run_for(60s);
  ASSERT_GE(runs_.size(), 5U);
  ASSERT_LE(runs_.size(), 6U);
  for (std::size_t i = 1; i < runs_.size(); ++i) EXPECT_EQ(runs_[i].at - runs_[i - 1].at, 10s);
  EXPECT_EQ(runs_[0].duration_seconds, 1.0);
  EXPECT_EQ(runs_[0].start_delay_seconds, 0.0);
  EXPECT_EQ(runs_[0].missed_slots, 0U);
  stop();
}

TEST_F(SchedulerTest, NeverRunsATargetTwiceAtOnceAndCountsWhatItMissed) {
  // Wall time jumps over three slots while nothing can run, as on a machine that slept.
  scheduler_.set_targets({target("a", 10s, 1s)});
  run_for(25s);
  const std::size_t before = runs_.size();
  clock_.advance(40s);
  run_for(15s);
  ASSERT_GT(runs_.size(), before);
  EXPECT_GE(runs_[before].missed_slots, 3U);
  EXPECT_LT(runs_[before].start_delay_seconds, 10.0);
  stop();
}

TEST_F(SchedulerTest, AnUnchangedTargetGoesOnAndARemovedOneEnds) {
  const auto a = target("a", 10s, 9s), b = target("b", 10s, 1s);
  scheduler_.set_targets({a, b});
  run_for(35s);
  scheduler_.set_targets({a});
  const auto count = [&](const std::string& name) {
    return std::count_if(runs_.begin(), runs_.end(), [&](const ProbeRun& r) { return r.target->identity == name; });
  };
  const auto a_before = count("a"), b_before = count("b");
  run_for(50s);
  EXPECT_EQ(count("b"), b_before);
  EXPECT_EQ(count("a") - a_before, 5);
  stop();
}

TEST_F(SchedulerTest, AProbeThatThrowsIsAFailedRunAndRunsAgain) {
  scheduler_.set_targets({target("a", 10s, 1s, "broken pipe dream")});
  run_for(30s);
  ASSERT_GE(runs_.size(), 2U);
  EXPECT_FALSE(runs_[0].result.success);
  EXPECT_EQ(runs_[0].result.cause, "internal");
  EXPECT_EQ(runs_[0].result.detail, "broken pipe dream");
  stop();
}

TEST_F(SchedulerTest, StopsInTheMiddleOfARun) {
  scheduler_.set_targets({target("a", 10s, 9s)});
  run_for(12s);
  stop();
  const std::size_t before = runs_.size();
  run_for(60s);
  EXPECT_EQ(runs_.size(), before);
}

}  // namespace
}  // namespace tocsin
