#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/core/async.h"
#include "agent/core/clock.h"
#include "probes/probe.h"

namespace tocsin {

/// One run of one target's probe, on its way to the engine.
struct ProbeRun {
  std::shared_ptr<const PlannedTarget> target;
  TimePoint at;                 // when it started, to the slot when that is near: the time of its samples
  double duration_seconds = 0;  // of the probe alone
  double start_delay_seconds = 0;
  std::uint64_t missed_slots = 0;  // since the run before
  ProbeResult result;
};

/// Runs the probes of one shard, each in its own rhythm: a start spread over the interval by hash, a deadline, never
/// two runs of one target at once; a slot that comes while a run is under way is missed and counted. Everything happens
/// on one executor.
class Scheduler {
 public:
  /// Hands over a batch of finished runs; called on the executor, soon after the first of them has ended.
  using Sink = std::function<void(std::vector<ProbeRun>)>;

  Scheduler(boost::asio::any_io_executor executor, ProbeServices services, Sink sink);

  /// The targets from now on. Those with an identity that is running go on undisturbed; others are cancelled and new
  /// ones begin.
  void set_targets(std::vector<std::shared_ptr<const PlannedTarget>> targets);
  /// Cancels everything and waits for it.
  boost::asio::awaitable<void> stop();

 private:
  struct Running;
  boost::asio::awaitable<void> loop(std::shared_ptr<Running> running);
  void finished(ProbeRun run);

  boost::asio::any_io_executor executor_;
  ProbeServices services_;
  Sink sink_;
  std::map<std::string, std::shared_ptr<Running>> running_;  // by identity
  std::vector<std::shared_ptr<Running>> leaving_;            // cancelled, not yet ended
  std::vector<ProbeRun> batch_;
};

/// Runs `probe` once, as the scheduler does: cancelled at the deadline, and whatever it throws is a failed run.
boost::asio::awaitable<ProbeResult> run_once(Probe& probe, Deadline deadline);

}  // namespace tocsin
