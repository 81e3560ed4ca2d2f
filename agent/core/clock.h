#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>

#include "agent/core/time.h"

namespace tocsin {

/// The only place that knows what time it is. Boxes that decide take `now` as an argument instead.
class Clock {
 public:
  virtual ~Clock() = default;

  /// Wall time, UTC. May jump.
  virtual TimePoint now() const = 0;
  /// Never jumps; for timeouts and for measuring.
  virtual Deadline steady() const = 0;
  /// Suspends until now() >= t; at once when that is so already. Cancellable. Notices a wall-clock jump within a
  /// minute.
  virtual boost::asio::awaitable<void> sleep_until(TimePoint t) = 0;
};

class SystemClock final : public Clock {
 public:
  TimePoint now() const override;
  Deadline steady() const override;
  boost::asio::awaitable<void> sleep_until(TimePoint t) override;
};

/// Time that moves when a test says so. Sleepers wake, in order, on the executor they slept on. One thread only.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(TimePoint start = TimePoint{}) : now_(start) {}

  TimePoint now() const override { return now_; }
  Deadline steady() const override { return Deadline{now_.time_since_epoch()}; }
  boost::asio::awaitable<void> sleep_until(TimePoint t) override;

  /// Moves time and wakes whoever is due; run the io_context afterwards to let them go on.
  void advance_to(TimePoint t);
  void advance(Duration by) { advance_to(now_ + by); }
  /// The instant at which the next sleeper wakes, or TimePoint::max() when nobody sleeps.
  TimePoint next_wake() const;

 private:
  TimePoint now_;
  // The sleeper owns its timer: it goes with its io_context, which this clock may outlive.
  std::multimap<TimePoint, std::weak_ptr<boost::asio::steady_timer>> sleepers_;
};

}  // namespace tocsin
