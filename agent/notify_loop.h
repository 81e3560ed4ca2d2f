#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "agent/alarm.h"
#include "agent/core/clock.h"
#include "agent/store/state_db.h"
#include "notifiers/alert_manager.h"
#include "notifiers/delivery.h"

namespace tocsin {

/// Brings together who decides (AlertManager), what survives (StateDb) and who sends (Delivery): every change is
/// committed, and messages leave only once they are. When the disk fails, messages leave all the same: a page is worth
/// more than its record.
class NotifyLoop {
 public:
  NotifyLoop(boost::asio::any_io_executor executor, Clock& clock, StateDb& db, Delivery& delivery,
             std::shared_ptr<const NotifyConfig> config);

  void restore(const StateSnapshot& snapshot);
  /// New alerts, and rows that must become true with them.
  void apply(const std::vector<Alert>& alerts, StateChange with);
  /// Called with an error when what was to be written is not on disk.
  using Done = std::function<void(Result<void>)>;
  /// Alerts from outside; returns how many were refused because there are too many. `done` is posted when the rest is
  /// committed.
  std::size_t post(const std::vector<Alert>& alerts, Done done);
  /// Makes, changes or ends a silence. When that is possible, `done` is posted once it is committed.
  tl::expected<std::string, SilenceError> set_silence(Silence silence, Done done);
  tl::expected<void, SilenceError> expire_silence(const std::string& id, Done done);
  /// Forgets old silences.
  void maintain();
  /// What must become true with a receipt; the alert manager decides anew after it.
  StateChange receipt(const Receipt& receipt);
  void reload(std::shared_ptr<const NotifyConfig> config);
  /// Ends only by cancellation.
  boost::asio::awaitable<void> run();

  const AlertManager& alerts() const { return manager_; }
  std::uint64_t commit_errors_total() const { return commit_errors_total_; }

 private:
  void commit(StateChange change, std::vector<OutboxRow> messages);
  void commit(StateChange change, Done done);

  Clock& clock_;
  StateDb& db_;
  Delivery& delivery_;
  AlertManager manager_;
  Alarm alarm_;
  std::uint64_t commit_errors_total_ = 0;
};

}  // namespace tocsin
