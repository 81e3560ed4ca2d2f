#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "agent/core/time.h"

namespace tocsin {

/// The tasks of one owner, on one executor (one thread at a time). Whatever is spawned here can be cancelled, and is
/// waited for: the owner co_awaits join() before it goes. An exception that leaves a task is logged under the task's
/// name and ends that task only.
class TaskGroup {
 public:
  explicit TaskGroup(boost::asio::any_io_executor executor);
  /// No task may be left: join() first.
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Starts `task` (soon, not before spawn() returns). After cancel(), it starts cancelled. From the executor's thread.
  void spawn(std::string name, boost::asio::awaitable<void> task);
  /// Asks every task to stop: what they await ends with operation_aborted.
  void cancel();
  /// Suspends until the last task has ended.
  boost::asio::awaitable<void> join();
  std::size_t size() const { return state_->tasks.size(); }

 private:
  struct Task {
    std::string name;
    boost::asio::cancellation_signal stop;
  };
  struct State {
    explicit State(const boost::asio::any_io_executor& executor) : idle(executor) {}
    std::list<Task> tasks;
    boost::asio::steady_timer idle;
    bool cancelled = false;
  };
  boost::asio::any_io_executor executor_;
  std::shared_ptr<State> state_;
};

/// Runs `work` until it ends or `deadline` passes, whichever is first; the loser is cancelled and waited for. Returns
/// what work returned, or nothing when the deadline came first. What work throws is thrown on. `work` must heed
/// cancellation.
template <class T>
boost::asio::awaitable<std::optional<T>> with_deadline(boost::asio::awaitable<T> work, Deadline deadline) {
  namespace asio = boost::asio;
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  timer.expires_at(deadline);
  auto group = asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(work), asio::deferred),
                                                       timer.async_wait(asio::deferred));
  auto [order, error, value, timer_error] =
      co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  // The timer ends first, but with an error, when it is the caller that was cancelled.
  if (order[0] == 1 && !timer_error && error) co_return std::nullopt;
  if (error) std::rethrow_exception(error);
  co_return std::optional<T>(std::move(value));
}

}  // namespace tocsin
