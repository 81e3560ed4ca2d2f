// Two semaphores make a fiber out of a thread. A worker that wants the turn puts itself into `wanting` and sleeps on
// its own semaphore; the engine's thread, in pump(), wakes the first of them and sleeps on `back` until it is given up.
// So at any moment at most one thread is awake among the engine and those that hold or await the turn, and each
// hand-over is a release that the other acquires: what one of them wrote, the next one sees, and nothing of it needs a
// lock.
//
// Before each slice the engine does everything else that is ready, without going back to the loop, because handlers are
// taken in turn there and a rule cycle of many short ones would wait for a slice at each of them. But not for ever:
// when the engine has more to do than it can, queries still get a share.

#include "agent/query_runner.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <mutex>
#include <thread>

namespace tocsin {

namespace asio = boost::asio;

namespace {

constexpr auto kSlice = std::chrono::milliseconds(2);
constexpr auto kOthersFirst = std::chrono::milliseconds(8);
constexpr auto kLookInterval = std::chrono::milliseconds(50);

}  // namespace

void QueryConfig::fields(Fields& f) {
  f("timeout", timeout, "How long a query may take, and the longest that one may ask for.")
      .range(std::chrono::milliseconds(1), std::chrono::hours(24));
  f("samples_max", samples_max, "Values that a query may hold in memory at once; 8 to 16 bytes each.")
      .range(std::uint64_t{1}, std::uint64_t{10'000'000'000});
  f("series_max", series_max, "Series that one selector of a query may match.")
      .range(std::uint64_t{1}, std::uint64_t{1'000'000'000});
  f("lookback", lookback, "How long the newest sample of a series stands for now; in rules too.")
      .range(std::chrono::seconds(1), std::chrono::hours(24));
  f("concurrency_max", concurrency_max, "Queries that run at a time.").range(1U, 64U);
  f("waiting_max", waiting_max, "Queries that wait for their turn; more are answered 503.")
      .range(std::size_t{0}, std::size_t{100'000});
}

/// What workers and the engine have in common.
struct Turn::Shared {
  std::function<void()> post_pump;  // from any thread
  const Clock* clock = nullptr;
  std::counting_semaphore<> back{0};
  std::mutex lock;  // of what follows
  std::deque<Turn*> wanting;
  bool pumping = false;  // pump() is posted, or running
  bool closing = false;

  /// Queues for the turn; false when there will be none any more.
  bool want(Turn& turn) {
    const std::lock_guard guard(lock);
    if (closing) return false;
    wanting.push_back(&turn);
    if (!std::exchange(pumping, true)) post_pump();
    return true;
  }
};

Result<void> Turn::verdict() {
  if (state() == JobState::kRunning && shared_->clock->steady() >= deadline_) end(JobState::kTimedOut);
  switch (state()) {
    case JobState::kTimedOut:
      return fail("query timed out in expression evaluation");
    case JobState::kCancelled:
      return fail("query was canceled in expression evaluation");
    case JobState::kRunning:
      break;
  }
  return {};
}

void Turn::end(JobState how) {
  JobState running = JobState::kRunning;
  state_.compare_exchange_strong(running, how);
}

Result<void> Turn::acquire() {
  if (!shared_->want(*this)) {
    end(JobState::kCancelled);
    return verdict();
  }
  mine_.acquire();
  held_ = true;
  Result<void> ok = verdict();
  if (!ok) release();
  return ok;
}

void Turn::release() {
  if (std::exchange(held_, false)) shared_->back.release();
}

Result<void> Turn::checkpoint() {
  Result<void> ok = verdict();
  if (ok && shared_->clock->steady() < slice_end_) return ok;
  if (!ok) {
    release();
    return ok;
  }
  // The list first: the engine looks at it when it has the turn back.
  const bool more = shared_->want(*this);
  release();
  if (!more) return fail("query was canceled in expression evaluation");
  mine_.acquire();
  held_ = true;
  ok = verdict();
  if (!ok) release();
  return ok;
}

struct QueryRunner::Pending {
  explicit Pending(asio::io_context& io) : wake(io) { wake.expires_at(Deadline::max()); }
  Job job;
  Turn turn;
  std::function<bool()> is_gone;
  asio::steady_timer wake;  // of the coroutine that waits for the end
  std::optional<JobEnd> end;
  std::exception_ptr failure;

  void finish(JobEnd how) {
    end = how;
    wake.cancel();
  }
};

/// A thread that sleeps until it is given a job.
struct QueryRunner::Worker {
  PendingPtr job;  // none: it is idle. The engine's, and the worker's between `wake` and its last word.
  std::counting_semaphore<> wake{0};
  std::thread thread;
};

QueryRunner::QueryRunner(asio::io_context& engine, const Clock& clock, QueryConfig config)
    : engine_(engine), clock_(clock), config_(config), shared_(std::make_unique<Turn::Shared>()) {
  shared_->clock = &clock_;
  shared_->post_pump = [this] { asio::post(engine_, [this] { pump(); }); };
}

QueryRunner::~QueryRunner() {
  stop();
  // The engine does not run any more. Whoever waits for the turn is woken to find that it is cancelled, and nobody gets
  // a turn after that.
  {
    const std::lock_guard guard(shared_->lock);
    shared_->closing = true;
    for (Turn* turn : shared_->wanting) turn->mine_.release();
    shared_->wanting.clear();
  }
  for (const auto& worker : workers_) {
    worker->wake.release();
    worker->thread.join();
  }
}

void QueryRunner::stop() {
  stopping_ = true;
  for (const auto& worker : workers_) {
    if (worker->job) worker->job->turn.end(JobState::kCancelled);
  }
  for (const PendingPtr& pending : waiting_) pending->finish(JobEnd::kCancelled);
  waiting_.clear();
}

asio::awaitable<JobEnd> QueryRunner::run(Job job, Duration timeout, std::function<bool()> is_gone) {
  if (stopping_) co_return JobEnd::kCancelled;
  if (running_ >= config_.concurrency_max && waiting_.size() >= config_.waiting_max) {
    ++stats_.refused_total;
    co_return JobEnd::kRefused;
  }
  const auto pending = std::make_shared<Pending>(engine_);
  pending->job = std::move(job);
  pending->is_gone = std::move(is_gone);
  pending->turn.shared_ = shared_.get();
  pending->turn.deadline_ = clock_.steady() + timeout;
  waiting_.push_back(pending);
  start_next();
  boost::system::error_code error;
  if (!pending->end) co_await pending->wake.async_wait(asio::redirect_error(asio::use_awaitable, error));
  if (!pending->end) {  // it is the caller that was cancelled
    pending->turn.end(JobState::kCancelled);
    throw boost::system::system_error(asio::error::operation_aborted);
  }
  if (pending->failure) std::rethrow_exception(pending->failure);
  co_return *pending->end;
}

/// Why a job that waits needs not be run any more.
std::optional<JobEnd> QueryRunner::over_before_it_began(Pending& pending) {
  if (pending.turn.state() != JobState::kRunning || (pending.is_gone && pending.is_gone())) {
    ++stats_.cancelled_total;
    return JobEnd::kCancelled;
  }
  if (clock_.steady() < pending.turn.deadline_) return std::nullopt;
  ++stats_.timed_out_total;
  return JobEnd::kTimedOut;
}

void QueryRunner::start_next() {
  while (!waiting_.empty() && running_ < config_.concurrency_max) {
    const PendingPtr next = std::move(waiting_.front());
    waiting_.pop_front();
    if (const auto over = over_before_it_began(*next)) {
      next->finish(*over);
      continue;
    }
    auto idle = std::find_if(workers_.begin(), workers_.end(), [](const auto& w) { return w->job == nullptr; });
    if (idle == workers_.end()) {
      auto worker = std::make_unique<Worker>();
      worker->thread = std::thread([this, w = worker.get()] { work(*w); });
      idle = workers_.insert(idle, std::move(worker));
    }
    ++running_;
    ++stats_.run_total;
    (*idle)->job = next;
    (*idle)->wake.release();
  }
}

void QueryRunner::work(Worker& worker) {
  pthread_setname_np(pthread_self(), "query");
  for (;;) {
    worker.wake.acquire();
    {
      const std::lock_guard guard(shared_->lock);
      if (shared_->closing) return;
    }
    Pending& pending = *worker.job;
    try {
      pending.job(pending.turn);
    } catch (...) {
      pending.failure = std::current_exception();
    }
    pending.turn.release();
    asio::post(engine_, [this, &worker] { ended(worker); });
  }
}

void QueryRunner::ended(Worker& worker) {
  const PendingPtr pending = std::move(worker.job);
  --running_;
  if (pending->turn.state() == JobState::kTimedOut) ++stats_.timed_out_total;
  if (pending->turn.state() == JobState::kCancelled) ++stats_.cancelled_total;
  pending->job = nullptr;
  pending->finish(JobEnd::kDone);
  start_next();
}

void QueryRunner::pump() {
  const Deadline others_until = clock_.steady() + kOthersFirst;
  while (engine_.poll_one() > 0 && clock_.steady() < others_until) {
  }
  if (clock_.steady() >= look_next_) {
    look_next_ = clock_.steady() + kLookInterval;
    look_after_jobs();
  }
  std::unique_lock lock(shared_->lock);
  if (!shared_->wanting.empty()) {
    Turn* const turn = shared_->wanting.front();
    shared_->wanting.pop_front();
    lock.unlock();
    grant(*turn);
    lock.lock();
  }
  shared_->pumping = !shared_->wanting.empty();
  if (shared_->pumping) shared_->post_pump();
}

void QueryRunner::grant(Turn& turn) {
  const Deadline start = clock_.steady();
  turn.slice_end_ = start + kSlice;
  turn.mine_.release();
  shared_->back.acquire();
  ++stats_.slices_total;
  stats_.slice_seconds_max =
      std::max(stats_.slice_seconds_max, std::chrono::duration<double>(clock_.steady() - start).count());
}

void QueryRunner::look_after_jobs() {
  for (const auto& worker : workers_) {
    if (worker->job && worker->job->is_gone && worker->job->is_gone()) worker->job->turn.end(JobState::kCancelled);
  }
  std::erase_if(waiting_, [this](const PendingPtr& pending) {
    const auto over = over_before_it_began(*pending);
    if (over) pending->finish(*over);
    return over.has_value();
  });
}

QueryRunner::Stats QueryRunner::stats() const {
  Stats out = stats_;
  out.running = running_;
  out.waiting = waiting_.size();
  return out;
}

}  // namespace tocsin
