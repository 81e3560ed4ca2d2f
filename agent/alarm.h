#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "agent/core/clock.h"

namespace tocsin {

/// A sleep that can be cut short: a loop sleeps until its next due time, and whoever brings that time forward rings.
class Alarm {
 public:
  Alarm(boost::asio::any_io_executor executor, Clock& clock);

  /// Suspends until `t`, or until ring(), or not at all when ring() was called since the last sleep. Cancellable.
  boost::asio::awaitable<void> sleep_until(TimePoint t);
  void ring();

 private:
  Clock& clock_;
  boost::asio::steady_timer bell_;
  bool rung_ = false;
};

}  // namespace tocsin
