// One coroutine per target sleeps until the target's slot, runs its probe and queues the outcome. Outcomes that end in
// the same turn of the event loop leave as one batch, so that a shard of thousands of targets wakes the engine rarely.

#include "agent/scheduler.h"

#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include "agent/core/log.h"
#include "agent/slots.h"

namespace tocsin {

namespace asio = boost::asio;

struct Scheduler::Running {
  Running(const asio::any_io_executor& executor, std::shared_ptr<const PlannedTarget> planned,
          std::unique_ptr<Probe> made)
      : target(std::move(planned)), probe(std::move(made)), task(executor) {}
  std::shared_ptr<const PlannedTarget> target;
  std::unique_ptr<Probe> probe;
  TaskGroup task;
};

namespace {

// A probe returns by its deadline; one that does not is cancelled this much later.
constexpr Duration kGrace = std::chrono::milliseconds(250);
// A run that starts so little after its slot is recorded at the slot.
constexpr Duration kSlotTolerance = std::chrono::milliseconds(2);

ProbeResult failed(std::string_view cause, std::string detail) {
  ProbeResult result;
  result.fail(cause, std::move(detail));
  return result;
}

}  // namespace

asio::awaitable<ProbeResult> run_once(Probe& probe, Deadline deadline) {
  std::string thrown;
  try {
    asio::awaitable<ProbeResult> work = probe.run(deadline);
    std::optional<ProbeResult> result = co_await with_deadline(std::move(work), deadline + kGrace);
    if (result) co_return std::move(*result);
    co_return failed("timeout", "the probe did not end by its deadline and was stopped");
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) throw;
    thrown = e.what();
  } catch (const std::exception& e) {
    thrown = e.what();
  }
  co_return failed("internal", std::move(thrown));
}

Scheduler::Scheduler(asio::any_io_executor executor, ProbeServices services, Sink sink)
    : executor_(std::move(executor)), services_(services), sink_(std::move(sink)) {}

void Scheduler::set_targets(std::vector<std::shared_ptr<const PlannedTarget>> targets) {
  std::erase_if(leaving_, [](const auto& running) { return running->task.size() == 0; });
  std::map<std::string, std::shared_ptr<Running>> before = std::move(running_);
  running_.clear();
  for (auto& target : targets) {
    if (const auto known = before.find(target->identity); known != before.end()) {
      running_.insert(before.extract(known));
      continue;
    }
    auto running = std::make_shared<Running>(executor_, target, target->make(services_));
    running_[target->identity] = running;
    asio::awaitable<void> task = loop(running);
    running->task.spawn("probe " + target->labels.str(), std::move(task));
  }
  for (auto& [identity, running] : before) {
    running->task.cancel();
    leaving_.push_back(running);
  }
}

asio::awaitable<void> Scheduler::loop(std::shared_ptr<Running> running) {
  Clock& clock = services_.clock;
  const PlannedTarget& target = *running->target;
  const Slots slots = Slots::spread(target.labels.str(), target.interval);
  TimePoint last = clock.now();
  for (;;) {
    const TimePoint slot = slots.after(last);
    const TimePoint now = clock.now();
    // The clock was set back by more than a slot: begin anew instead of sleeping through the difference.
    const TimePoint next = slot > now + 2 * target.interval ? slots.after(now) : slot;
    co_await clock.sleep_until(next);

    ProbeRun run;
    run.target = running->target;
    run.at = clock.now();
    // Slots that went by while the run before was under way, or while this machine slept.
    run.missed_slots = static_cast<std::uint64_t>(slots.between(next, run.at));
    const TimePoint due = run.missed_slots == 0 ? next : slots.after(run.at) - target.interval;
    run.start_delay_seconds = to_seconds(run.at - due);
    // As Prometheus does: samples of one rhythm compress far better than samples that are a millisecond late.
    if (run.at - due <= std::min(kSlotTolerance, target.interval / 100)) run.at = due;
    const Deadline started = clock.steady();
    run.result = co_await run_once(*running->probe, started + target.timeout);
    run.duration_seconds = std::chrono::duration<double>(clock.steady() - started).count();
    last = std::max(run.at, next);
    finished(std::move(run));
  }
}

void Scheduler::finished(ProbeRun run) {
  if (batch_.empty()) asio::post(executor_, [this] { sink_(std::exchange(batch_, {})); });
  batch_.push_back(std::move(run));
}

asio::awaitable<void> Scheduler::stop() {
  set_targets({});
  for (const auto& running : leaving_) co_await running->task.join();
  leaving_.clear();
}

}  // namespace tocsin
