// The functional shell around coroutines: who started what, and how it ends. Tasks outlive the TaskGroup object only
// through the shared state, never the other way round.

#include "agent/core/async.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>

#include "agent/core/log.h"

namespace tocsin {

namespace asio = boost::asio;

TaskGroup::TaskGroup(asio::any_io_executor executor)
    : executor_(std::move(executor)), state_(std::make_shared<State>(executor_)) {
  state_->idle.expires_at(Deadline::max());
}

TaskGroup::~TaskGroup() {
  if (!state_->tasks.empty()) log::error("{} tasks were left running, {} first", size(), state_->tasks.front().name);
}

void TaskGroup::spawn(std::string name, asio::awaitable<void> task) {
  state_->tasks.emplace_back();
  const auto place = std::prev(state_->tasks.end());
  place->name = std::move(name);
  asio::co_spawn(executor_, std::move(task),
                 asio::bind_cancellation_slot(place->stop.slot(), [state = state_, place](std::exception_ptr failure) {
                   try {
                     if (failure) std::rethrow_exception(failure);
                   } catch (const boost::system::system_error& e) {
                     if (e.code() != asio::error::operation_aborted) log::error("{}: {}", place->name, e.what());
                   } catch (const std::exception& e) {
                     log::error("{}: {}", place->name, e.what());
                   }
                   state->tasks.erase(place);
                   if (state->tasks.empty()) state->idle.cancel();
                 }));
  if (state_->cancelled) {
    // The task has not run yet: the signal reaches it at its first suspension.
    asio::post(executor_, [state = state_, place, weak = &*place] {
      for (Task& t : state->tasks) {
        if (&t == weak) t.stop.emit(asio::cancellation_type::terminal);
      }
    });
  }
}

void TaskGroup::cancel() {
  state_->cancelled = true;
  // A task may end inside emit() and leave the list.
  for (auto task = state_->tasks.begin(); task != state_->tasks.end();) {
    const auto next = std::next(task);
    task->stop.emit(asio::cancellation_type::terminal);
    task = next;
  }
}

asio::awaitable<void> TaskGroup::join() {
  while (!state_->tasks.empty()) {
    boost::system::error_code ended;
    co_await state_->idle.async_wait(asio::redirect_error(asio::use_awaitable, ended));
  }
}

}  // namespace tocsin
