#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <semaphore>
#include <vector>

#include "agent/core/clock.h"
#include "agent/core/config/fields.h"
#include "agent/core/result.h"

namespace tocsin {

/// What queries from outside may take. The rules' own queries are not under these limits.
struct QueryConfig {
  Duration timeout = std::chrono::minutes(2);
  std::uint64_t samples_max = 10'000'000;
  std::uint64_t series_max = 1'000'000;
  Duration lookback = std::chrono::minutes(5);
  unsigned concurrency_max = 4;
  std::size_t waiting_max = 64;
  void fields(Fields& f);
};

/// Whether a job goes on. What is not kRunning stays as it is.
enum class JobState { kRunning, kTimedOut, kCancelled };

/// The right to touch what belongs to the engine's thread, as a worker has it for a while: the engine stands still
/// meanwhile. Used by the worker's thread only.
class Turn {
 public:
  /// Waits for the turn. Without it, nothing of the engine's may be touched. Error: the job is to end (the message says
  /// why, in Prometheus' words), and the turn was not given.
  Result<void> acquire();
  /// Gives the turn back: for work that needs nothing of the engine's, as waiting for a disk.
  void release();
  /// To be called every few microseconds to a tenth of a millisecond while the turn is held. When the slice is used up,
  /// gives the turn back and waits for the next; the engine's state may be another one then. Errors as of acquire(),
  /// and then the turn is lost.
  Result<void> checkpoint();
  JobState state() const { return state_.load(std::memory_order_relaxed); }
  bool held() const { return held_; }

 private:
  friend class QueryRunner;
  struct Shared;
  /// The first to say so decides.
  void end(JobState how);
  Result<void> verdict();

  Shared* shared_ = nullptr;
  std::binary_semaphore mine_{0};
  bool held_ = false;
  Deadline slice_end_;
  Deadline deadline_ = Deadline::max();
  std::atomic<JobState> state_ = JobState::kRunning;
};

/// How a job ended.
enum class JobEnd {
  kDone,       // it ran to its end; its Turn may have told it to stop
  kRefused,    // too many were waiting; it was not run
  kTimedOut,   // while it waited; it was not run
  kCancelled,  // nobody waits for it any more, or the agent stops; it was not run
};

/// Runs long work beside the engine without taking its time: each job is on a thread of its own, but touches the store
/// only while the engine's thread waits for it, a slice of about 2 ms at a time. Between two slices the engine does
/// everything else that is ready. So the store needs no lock, and a long query delays others by one slice.
class QueryRunner {
 public:
  /// Begins without the turn.
  using Job = std::function<void(Turn&)>;

  QueryRunner(boost::asio::io_context& engine, const Clock& clock, QueryConfig config);
  /// Ends what runs and joins the threads. Coroutines in run() must be gone.
  ~QueryRunner();

  /// Runs `job` when a worker is free and waits for its end. `timeout` counts from now, waiting included. `is_gone` is
  /// asked from time to time, on the engine's thread, whether whoever wants the answer has gone away. What `job` refers
  /// to must be its own (it may outlive a caller that is cancelled). On the engine's thread.
  boost::asio::awaitable<JobEnd> run(Job job, Duration timeout, std::function<bool()> is_gone = {});

  /// Tells every job to end, and refuses new ones.
  void stop();
  /// For what comes from now on.
  void set_config(QueryConfig config) { config_ = config; }
  const QueryConfig& config() const { return config_; }

  struct Stats {
    std::size_t running = 0;
    std::size_t waiting = 0;
    std::uint64_t run_total = 0;
    std::uint64_t refused_total = 0;
    std::uint64_t timed_out_total = 0;
    std::uint64_t cancelled_total = 0;
    std::uint64_t slices_total = 0;
    double slice_seconds_max = 0;  // the longest that the engine ever stood still for one
  };
  Stats stats() const;

 private:
  struct Pending;
  using PendingPtr = std::shared_ptr<Pending>;
  struct Worker;

  void start_next();
  std::optional<JobEnd> over_before_it_began(Pending& pending);
  void work(Worker& worker);
  void ended(Worker& worker);
  void pump();
  void grant(Turn& turn);
  void look_after_jobs();

  boost::asio::io_context& engine_;
  const Clock& clock_;
  QueryConfig config_;
  std::unique_ptr<Turn::Shared> shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::deque<PendingPtr> waiting_;
  std::size_t running_ = 0;
  Stats stats_;
  Deadline look_next_;
  bool stopping_ = false;
};

}  // namespace tocsin
