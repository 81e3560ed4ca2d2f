#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/core/clock.h"
#include "agent/net/http_client.h"
#include "agent/net/resolver.h"
#include "agent/scheduler.h"

namespace tocsin {

/// A thread that runs probes: its event loop, what probes may use of the world, and their schedule. It owns nothing but
/// the probes in flight; what they find is posted to the engine in batches.
class ProbeShard {
 public:
  ProbeShard(std::string name, Clock& clock, HeartbeatBook& heartbeats, Scheduler::Sink sink);
  /// Stops what runs and joins the thread.
  ~ProbeShard();

  /// From any thread.
  void set_targets(std::vector<std::shared_ptr<const PlannedTarget>> targets);
  /// The newest lateness of the loop's own timer, in seconds. From any thread.
  double lag_seconds() const { return lag_.load(std::memory_order_relaxed); }

 private:
  boost::asio::awaitable<void> stop();

  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  HttpClient http_;
  Resolver resolver_;
  Scheduler scheduler_;
  TaskGroup tasks_;
  std::atomic<double> lag_{0};
  std::thread thread_;
};

/// Measures how late the event loop it runs on is, every second, into `lag` (seconds). Ends only by cancellation.
boost::asio::awaitable<void> measure_lag(Clock& clock, std::atomic<double>& lag);

}  // namespace tocsin
