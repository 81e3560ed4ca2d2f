#include "agent/probe_shard.h"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include "agent/core/log.h"

namespace tocsin {

namespace asio = boost::asio;

ProbeShard::ProbeShard(std::string name, Clock& clock, HeartbeatBook& heartbeats, Scheduler::Sink sink)
    : http_(io_.get_executor()),
      resolver_(io_.get_executor()),
      scheduler_(io_.get_executor(), ProbeServices{clock, http_, resolver_, heartbeats}, std::move(sink)),
      tasks_(io_.get_executor()) {
  asio::awaitable<void> lag = measure_lag(clock, lag_);
  tasks_.spawn("loop lag", std::move(lag));
  thread_ = std::thread([this, name = std::move(name)] {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    io_.run();
  });
}

ProbeShard::~ProbeShard() {
  asio::post(io_, [this] {
    asio::awaitable<void> stopping = stop();
    asio::co_spawn(io_, std::move(stopping), [this](std::exception_ptr) { work_.reset(); });
  });
  thread_.join();
}

asio::awaitable<void> ProbeShard::stop() {
  tasks_.cancel();
  co_await scheduler_.stop();
  co_await tasks_.join();
}

void ProbeShard::set_targets(std::vector<std::shared_ptr<const PlannedTarget>> targets) {
  asio::post(io_, [this, targets = std::move(targets)]() mutable { scheduler_.set_targets(std::move(targets)); });
}

asio::awaitable<void> measure_lag(Clock& clock, std::atomic<double>& lag) {
  constexpr std::chrono::seconds kPeriod{1};
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (;;) {
    const Deadline due = clock.steady() + kPeriod;
    timer.expires_at(due);
    co_await timer.async_wait(asio::use_awaitable);
    lag.store(std::chrono::duration<double>(clock.steady() - due).count(), std::memory_order_relaxed);
  }
}

}  // namespace tocsin
