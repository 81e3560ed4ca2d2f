#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include "agent/core/time.h"

namespace tocsin {

/// How a callback of a C library (curl, c-ares) wakes the coroutine that waits for it. One waiter, one thread.
class Completion {
 public:
  explicit Completion(const boost::asio::any_io_executor& executor) : timer_(executor) {}

  void set() {
    done_ = true;
    timer_.cancel();
  }
  bool done() const { return done_; }

  /// True once set() was called, false when `deadline` came first. Throws operation_aborted when cancelled.
  boost::asio::awaitable<bool> wait(Deadline deadline) {
    if (done_) co_return true;
    timer_.expires_at(deadline);
    boost::system::error_code ended;
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ended));
    if (!done_ && ended) throw boost::system::system_error(ended);
    co_return done_;
  }

 private:
  boost::asio::steady_timer timer_;
  bool done_ = false;
};

}  // namespace tocsin
