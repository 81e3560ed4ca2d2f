// Wall-clock sleeps are cut into slices of at most a minute, so that a sleeper notices when the clock was set.

#include "agent/core/clock.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tocsin {

namespace asio = boost::asio;

TimePoint SystemClock::now() const {
  return std::chrono::floor<Duration>(std::chrono::system_clock::now());
}

Deadline SystemClock::steady() const {
  return std::chrono::steady_clock::now();
}

asio::awaitable<void> SystemClock::sleep_until(TimePoint t) {
  constexpr Duration kSlice = std::chrono::minutes(1);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (TimePoint at = now(); at < t; at = now()) {
    timer.expires_after(std::min<Duration>(t - at, kSlice));
    co_await timer.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> ManualClock::sleep_until(TimePoint t) {
  if (t <= now_) co_return;
  auto timer = std::make_shared<asio::steady_timer>(co_await asio::this_coro::executor);
  timer->expires_at(Deadline::max());
  const auto place = sleepers_.emplace(t, timer);
  boost::system::error_code woken;
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, woken));
  if (now_ >= t) co_return;  // advance_to() took the sleeper off the list
  sleepers_.erase(place);
  throw boost::system::system_error(asio::error::operation_aborted);
}

void ManualClock::advance_to(TimePoint t) {
  now_ = std::max(now_, t);
  while (!sleepers_.empty() && sleepers_.begin()->first <= now_) {
    const auto timer = sleepers_.begin()->second.lock();
    sleepers_.erase(sleepers_.begin());
    if (timer) timer->cancel();
  }
}

TimePoint ManualClock::next_wake() const {
  return sleepers_.empty() ? TimePoint::max() : sleepers_.begin()->first;
}

}  // namespace tocsin
