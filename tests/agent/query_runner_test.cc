#include "agent/query_runner.h"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "tests/support/run.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

/// Each look at the clock takes a tenth of a millisecond.
class TickingClock final : public Clock {
 public:
  TimePoint now() const override { return TimePoint(std::chrono::duration_cast<Duration>(at_.time_since_epoch())); }
  Deadline steady() const override { return at_ += 100us; }
  asio::awaitable<void> sleep_until(TimePoint) override { co_return; }

 private:
  mutable Deadline at_{1h};
};

class QueryRunnerTest : public testing::Test {
 protected:
  using Ends = std::shared_ptr<std::vector<std::string>>;

  /// Starts a job and notes under its name how it ended.
  void start(const std::string& name, QueryRunner::Job job, Duration timeout = 1h, std::function<bool()> is_gone = {}) {
    asio::awaitable<JobEnd> run = runner_->run(std::move(job), timeout, std::move(is_gone));
    asio::co_spawn(io_, std::move(run), [this, name](std::exception_ptr failure, JobEnd end) {
      constexpr const char* kNames[] = {"done", "refused", "timed out", "cancelled"};
      ends_->push_back(name + " " + (failure ? "failed" : kNames[static_cast<int>(end)]));
    });
  }
  void run_until(const std::function<bool()>& holds) {
    io_.restart();
    for (int i = 0; i < 100'000 && !holds(); ++i) io_.run_one_for(1s);
    ASSERT_TRUE(holds());
  }
  void run_until_ends(std::size_t count) {
    run_until([this, count] { return ends_->size() >= count; });
  }
  static QueryConfig config(unsigned concurrency, std::size_t waiting) {
    QueryConfig config;
    config.concurrency_max = concurrency;
    config.waiting_max = waiting;
    return config;
  }

  asio::io_context io_{1};
  // A worker posts what it has to say when it likes; until then there is nothing else to do.
  asio::executor_work_guard<asio::io_context::executor_type> busy_{io_.get_executor()};
  TickingClock clock_;
  Ends ends_ = std::make_shared<std::vector<std::string>>();
  std::unique_ptr<QueryRunner> runner_ = std::make_unique<QueryRunner>(io_, clock_, config(2, 1));
};

/// Works until it is told to end, and notes what it was told.
QueryRunner::Job endless(std::shared_ptr<std::string> why) {
  return [why](Turn& turn) {
    Result<void> ok = turn.acquire();
    while (ok) ok = turn.checkpoint();
    *why = ok.error().message;
  };
}

TEST_F(QueryRunnerTest, ALongJobHoldsUpOthersForOneSliceAtMost) {
  const auto progress = std::make_shared<int>(0);
  start("long", [progress](Turn& turn) {
    if (!turn.acquire()) return;
    for (*progress = 1; *progress < 10'000; ++*progress) {
      if (!turn.checkpoint()) return;
    }
  });
  int seen = 0, longest = 0, turns = 0;
  std::function<void()> other = [&] {
    longest = std::max(longest, *progress - seen);
    seen = *progress;
    ++turns;
    if (seen < 10'000) asio::post(io_, other);
  };
  asio::post(io_, other);
  run_until_ends(1);
  EXPECT_LE(longest, 20);  // 2 ms, at a tenth of one for each step
  EXPECT_GE(turns, 500);
  EXPECT_GE(runner_->stats().slices_total, 500U);
  EXPECT_EQ(*progress, 10'000);
}

TEST_F(QueryRunnerTest, EverythingThatIsReadyRunsBeforeTheNextSlice) {
  const auto why = std::make_shared<std::string>();
  start("long", endless(why), 1h);
  run_until([this] { return runner_->stats().slices_total > 3; });
  // A rule cycle: thirty handlers, each posted by the one before it.
  int left = 30;
  std::uint64_t at_start = 0, at_end = 0;
  std::function<void()> step = [&] {
    if (left == 30) at_start = runner_->stats().slices_total;
    at_end = runner_->stats().slices_total;
    if (--left > 0) asio::post(io_, step);
  };
  asio::post(io_, step);
  run_until([&] { return left == 0; });
  EXPECT_LE(at_end - at_start, 1U);
}

TEST_F(QueryRunnerTest, WorkWithoutTheTurnGoesOnBesideTheEngine) {
  const auto gate = std::make_shared<std::binary_semaphore>(0);
  start("beside", [gate](Turn& turn) {
    gate->acquire();
    (void)turn;
  });
  run_until([this] { return runner_->stats().running == 1; });
  gate->release();  // the engine's thread is not held up by the job
  run_until_ends(1);
  EXPECT_EQ(*ends_, std::vector<std::string>{"beside done"});
  EXPECT_EQ(runner_->stats().slices_total, 0U);
}

TEST_F(QueryRunnerTest, AJobThatTakesTooLongIsToldSo) {
  const auto why = std::make_shared<std::string>();
  start("endless", endless(why), 1s);
  run_until_ends(1);
  EXPECT_EQ(*why, "query timed out in expression evaluation");
  EXPECT_EQ(runner_->stats().timed_out_total, 1U);
}

TEST_F(QueryRunnerTest, AJobWithoutAnyTimeIsNotRun) {
  start(
      "late", [](Turn&) { FAIL() << "was run"; }, 0ms);
  run_until_ends(1);
  EXPECT_EQ(*ends_, std::vector<std::string>{"late timed out"});
}

TEST_F(QueryRunnerTest, AJobWhoseClientIsGoneIsCancelled) {
  const auto why = std::make_shared<std::string>();
  bool gone = false;
  start("endless", endless(why), 1h, [&gone] { return gone; });
  run_until([this] { return runner_->stats().slices_total > 5; });
  EXPECT_TRUE(ends_->empty());
  gone = true;
  run_until_ends(1);
  EXPECT_EQ(*why, "query was canceled in expression evaluation");
  EXPECT_EQ(runner_->stats().cancelled_total, 1U);
}

TEST_F(QueryRunnerTest, AJobIsCancelledWithTheCoroutineThatWaitsForIt) {
  const auto why = std::make_shared<std::string>();
  asio::cancellation_signal stop;
  asio::awaitable<JobEnd> run = runner_->run(endless(why), 1h);
  bool threw = false;
  asio::co_spawn(io_, std::move(run),
                 asio::bind_cancellation_slot(
                     stop.slot(), [&threw](std::exception_ptr failure, JobEnd) { threw = failure != nullptr; }));
  run_until([this] { return runner_->stats().slices_total > 5; });
  stop.emit(asio::cancellation_type::terminal);
  run_until([&] { return threw && runner_->stats().running == 0; });
  EXPECT_EQ(*why, "query was canceled in expression evaluation");
}

TEST_F(QueryRunnerTest, MoreThanMayWaitAreRefusedAndWhoWaitsTooLongIsNotRun) {
  const auto why = std::make_shared<std::string>();
  bool gone = false;
  const auto is_gone = [&gone] { return gone; };
  start("first", endless(why), 1h, is_gone);
  start("second", endless(why), 1h, is_gone);
  start(
      "waits", [](Turn&) { FAIL() << "was run"; }, 10ms);
  start("too many", [](Turn&) { FAIL() << "was run"; });
  run_until_ends(2);
  EXPECT_EQ(*ends_, (std::vector<std::string>{"too many refused", "waits timed out"}));
  EXPECT_EQ(runner_->stats().refused_total, 1U);
  EXPECT_EQ(runner_->stats().running, 2U);
  gone = true;
  run_until_ends(4);
}

TEST_F(QueryRunnerTest, JobsThatShareTheTurnDoNotMeet) {
  runner_ = std::make_unique<QueryRunner>(io_, clock_, config(4, 100));
  // Not atomic: ThreadSanitizer sees it when two threads are awake at once.
  const auto shared = std::make_shared<std::uint64_t>(0);
  for (int i = 0; i < 8; ++i) {
    start("job", [shared](Turn& turn) {
      for (int round = 0; round < 20; ++round) {
        if (!turn.acquire()) return;
        for (int step = 0; step < 50; ++step) {
          ++*shared;
          if (!turn.checkpoint()) return;
        }
        turn.release();
      }
    });
  }
  std::function<void()> engine = [&] {
    ++*shared;
    if (ends_->size() < 8) asio::post(io_, engine);
  };
  asio::post(io_, engine);
  run_until_ends(8);
  EXPECT_GT(*shared, 8U * 20 * 50);
}

TEST_F(QueryRunnerTest, AJobThatThrowsFailsItsCallerOnly) {
  start("throws", [](Turn& turn) {
    (void)turn.acquire();
    throw std::runtime_error("a bug");
  });
  run_until_ends(1);
  start("next", [](Turn& turn) { EXPECT_TRUE(turn.acquire()); });
  run_until_ends(2);
  EXPECT_EQ(*ends_, (std::vector<std::string>{"throws failed", "next done"}));
}

TEST_F(QueryRunnerTest, StoppingEndsWhatRunsAndRefusesTheRest) {
  const auto why = std::make_shared<std::string>();
  start("endless", endless(why));
  run_until([this] { return runner_->stats().slices_total > 5; });
  runner_->stop();
  start("late", [](Turn&) { FAIL() << "was run"; });
  run_until_ends(2);
  EXPECT_EQ(*ends_, (std::vector<std::string>{"late cancelled", "endless done"}));
}

TEST_F(QueryRunnerTest, ItGoesAwayWhileJobsWaitForTheTurn) {
  std::vector<std::shared_ptr<std::string>> whys;
  asio::io_context io(1);
  {
    QueryRunner runner(io, clock_, config(2, 2));
    const auto begun = std::make_shared<std::atomic<int>>(0);
    for (int i = 0; i < 3; ++i) {
      whys.push_back(std::make_shared<std::string>("was not run"));
      QueryRunner::Job job = [begun, go_on = endless(whys.back())](Turn& turn) {
        ++*begun;
        go_on(turn);
      };
      asio::awaitable<JobEnd> run = runner.run(std::move(job), 1h);
      asio::co_spawn(io, std::move(run), asio::detached);
    }
    for (int i = 0; i < 100'000 && *begun < 2; ++i) io.run_one_for(100ms);
    EXPECT_EQ(*begun, 2);
  }
  EXPECT_EQ(*whys[0], "query was canceled in expression evaluation");
  EXPECT_EQ(*whys[1], "query was canceled in expression evaluation");
  EXPECT_EQ(*whys[2], "was not run");
}

}  // namespace
}  // namespace tocsin
