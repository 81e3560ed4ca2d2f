#include "agent/alarm.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace tocsin {

namespace asio = boost::asio;

Alarm::Alarm(asio::any_io_executor executor, Clock& clock) : clock_(clock), bell_(executor) {
  bell_.expires_at(Deadline::max());
}

asio::awaitable<void> Alarm::sleep_until(TimePoint t) {
  if (!rung_) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    asio::awaitable<void> sleep = clock_.sleep_until(t);
    auto group = asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(sleep), asio::deferred),
                                                         bell_.async_wait(asio::deferred));
    co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    const asio::cancellation_state stop = co_await asio::this_coro::cancellation_state;
    if (stop.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }
  rung_ = false;
}

void Alarm::ring() {
  rung_ = true;
  bell_.cancel();
}

}  // namespace tocsin
