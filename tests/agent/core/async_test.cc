#include "agent/core/async.h"

#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include "agent/core/clock.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

const TimePoint kStart{hours(1000)};

asio::awaitable<int> value_after(Clock& clock, Duration by, int value) {
  co_await clock.sleep_until(clock.now() + by);
  co_return value;
}

asio::awaitable<int> throwing(std::string what) {
  throw std::runtime_error(what);
  co_return 0;
}

// What a task saw, told to the test.
struct Log {
  std::vector<std::string> lines;
};

asio::awaitable<void> sleep_and_tell(Clock& clock, TimePoint t, std::string name, Log& log) {
  try {
    co_await clock.sleep_until(t);
    log.lines.push_back(name);
  } catch (const boost::system::system_error& e) {
    log.lines.push_back(name + (e.code() == asio::error::operation_aborted ? " cancelled" : " failed"));
    throw;
  }
}

asio::awaitable<void> with_deadline_and_tell(Clock& clock, Duration work, Deadline deadline, Log& log) {
  try {
    asio::awaitable<int> running = value_after(clock, work, 7);
    const std::optional<int> result = co_await with_deadline(std::move(running), deadline);
    log.lines.push_back(result ? std::to_string(*result) : "late");
  } catch (const boost::system::system_error& e) {
    log.lines.push_back(e.code() == asio::error::operation_aborted ? "cancelled" : "failed");
  }
}

asio::awaitable<void> throw_within_deadline(Log& log) {
  try {
    asio::awaitable<int> running = throwing("broken");
    co_await with_deadline(std::move(running), Deadline::max());
  } catch (const std::exception& e) {
    log.lines.push_back(e.what());
  }
}

asio::awaitable<void> join_and_tell(TaskGroup& group, Log& log) {
  co_await group.join();
  log.lines.push_back("joined");
}

struct Fixture : testing::Test {
  void run() {
    io.restart();
    io.poll();
  }
  asio::io_context io;
  ManualClock clock{kStart};
  Log log;
};
using ManualTime = Fixture;
using Tasks = Fixture;
using WithDeadline = Fixture;

TEST_F(ManualTime, WakesSleepersInOrderWhenTheirTimeHasCome) {
  TaskGroup group(io.get_executor());
  group.spawn("b", sleep_and_tell(clock, kStart + seconds(2), "b", log));
  group.spawn("a", sleep_and_tell(clock, kStart + seconds(1), "a", log));
  group.spawn("now", sleep_and_tell(clock, kStart, "now", log));
  run();
  EXPECT_EQ(log.lines, (std::vector<std::string>{"now"}));
  EXPECT_EQ(clock.next_wake(), kStart + seconds(1));
  clock.advance(milliseconds(999));
  run();
  EXPECT_EQ(log.lines.size(), 1U);
  clock.advance(seconds(5));
  run();
  EXPECT_EQ(log.lines, (std::vector<std::string>{"now", "a", "b"}));
  EXPECT_EQ(clock.next_wake(), TimePoint::max());
  EXPECT_EQ(group.size(), 0U);
}

TEST_F(ManualTime, NeverGoesBack) {
  clock.advance_to(kStart - hours(1));
  EXPECT_EQ(clock.now(), kStart);
}

TEST_F(ManualTime, MayOutliveTheIoContextOfItsSleepers) {
  {
    asio::io_context other;
    asio::co_spawn(other, sleep_and_tell(clock, kStart + hours(1), "never", log), asio::detached);
    other.poll();
  }
  clock.advance(hours(2));
  EXPECT_TRUE(log.lines.empty());
}

TEST_F(Tasks, AreCancelledAndWaitedFor) {
  TaskGroup group(io.get_executor());
  group.spawn("a", sleep_and_tell(clock, kStart + hours(1), "a", log));
  group.spawn("b", sleep_and_tell(clock, kStart + hours(2), "b", log));
  run();
  EXPECT_EQ(group.size(), 2U);
  asio::co_spawn(io, join_and_tell(group, log), asio::detached);
  run();
  EXPECT_TRUE(log.lines.empty()) << "join waits";
  group.cancel();
  run();
  EXPECT_EQ(log.lines, (std::vector<std::string>{"a cancelled", "b cancelled", "joined"}));
  EXPECT_EQ(clock.next_wake(), TimePoint::max());
}

TEST_F(Tasks, SpawnedAfterCancelStartCancelled) {
  TaskGroup group(io.get_executor());
  group.cancel();
  group.spawn("late", sleep_and_tell(clock, kStart + hours(1), "late", log));
  run();
  EXPECT_EQ(group.size(), 0U);
  EXPECT_EQ(log.lines, (std::vector<std::string>{"late cancelled"}));
}

asio::awaitable<void> throwing_task() {
  throw std::runtime_error("a task that is meant to fail");
  co_return;
}

TEST_F(Tasks, ThatThrowEndAlone) {
  TaskGroup group(io.get_executor());
  group.spawn("broken", throwing_task());
  group.spawn("a", sleep_and_tell(clock, kStart + seconds(1), "a", log));
  run();
  EXPECT_EQ(group.size(), 1U);
  clock.advance(seconds(1));
  run();
  EXPECT_EQ(log.lines, (std::vector<std::string>{"a"}));
}

TEST_F(WithDeadline, GivesWhatWorkReturns) {
  asio::co_spawn(io, with_deadline_and_tell(clock, seconds(1), Deadline::max(), log), asio::detached);
  run();
  clock.advance(seconds(1));
  run();
  EXPECT_EQ(log.lines, (std::vector<std::string>{"7"}));
}

TEST_F(WithDeadline, GivesNothingWhenTheDeadlineHasPassed) {
  asio::co_spawn(io, with_deadline_and_tell(clock, hours(1), Deadline{}, log), asio::detached);
  run();
  EXPECT_EQ(log.lines, (std::vector<std::string>{"late"}));
  EXPECT_EQ(clock.next_wake(), TimePoint::max()) << "the work was cancelled and waited for";
}

TEST_F(WithDeadline, ThrowsOnWhatWorkThrows) {
  asio::co_spawn(io, throw_within_deadline(log), asio::detached);
  run();
  EXPECT_EQ(log.lines, (std::vector<std::string>{"broken"}));
}

TEST_F(WithDeadline, PassesTheCallersCancellationOnToWork) {
  TaskGroup group(io.get_executor());
  group.spawn("outer", with_deadline_and_tell(clock, hours(1), Deadline::max(), log));
  run();
  group.cancel();
  run();
  EXPECT_EQ(log.lines, (std::vector<std::string>{"cancelled"}));
  EXPECT_EQ(group.size(), 0U);
  EXPECT_EQ(clock.next_wake(), TimePoint::max());
}

}  // namespace
}  // namespace tocsin
