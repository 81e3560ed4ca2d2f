#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/core/alert.h"
#include "agent/store/state_db.h"
#include "notifiers/notification.h"
#include "notifiers/route.h"
#include "notifiers/silences.h"

namespace tocsin {

/// What became of a message: delivered, or given up for good.
struct Receipt {
  std::string incident;
  std::string channel;
  std::int64_t sequence = 0;
  bool delivered = false;
  TimePoint at;
  std::string detail;
  std::string provider_ref;
};

/// What is to be done now: rows to commit, in one transaction. The messages are in changes.put_outbox and may leave the
/// process once they are committed.
struct DueNotifications {
  std::vector<OutboxRow> messages;  // the same rows as in changes.put_outbox
  StateChange changes;
};

/// An alert as the API and the page show it.
struct AlertView {
  Alert alert;
  std::vector<std::string> receivers;
  std::string state;                      // unprocessed (no group of it has been flushed), active, suppressed
  std::vector<std::string> silenced_by;   // ids of silences
  std::vector<std::string> inhibited_by;  // the fingerprint of the alert that does
};
struct GroupView {
  std::string receiver;
  Labels labels;
  std::string incident;               // empty before the first notification
  std::vector<std::string> muted_by;  // names of time intervals
  std::vector<AlertView> alerts;
};

/// What the alert manager counts.
struct AlertManagerStats {
  std::map<std::string, std::uint64_t> suppressed_total;  // alerts that flushes did not tell of, by reason
  std::uint64_t limited_total = 0;            // alerts refused because there are too many, or too many groups
  std::map<std::string, std::size_t> alerts;  // firing ones by state, as of the last flush
  std::size_t groups = 0;
};

/// Routes and groups alerts and decides which message is due, with Alertmanager's semantics (dispatch/, notify/). No
/// clock, no I/O: a plain function of (alerts, now) with memory, and everything it must remember leaves it as rows.
class AlertManager {
 public:
  explicit AlertManager(std::shared_ptr<const NotifyConfig> config);
  ~AlertManager();

  /// Takes back what state.db held. Before anything else.
  void restore(const StateSnapshot& snapshot, TimePoint now);
  /// New or changed alerts. An alert is merged with the known one of the same labels: the earliest start wins while
  /// they overlap, the newest annotations win; after a gap it is a new occurrence. `refused` gets how many were not
  /// taken because there are too many alerts or groups.
  StateChange apply(std::span<const Alert> alerts, TimePoint now, std::size_t* refused = nullptr);
  /// The messages that are due. Groups without alerts end here, and with them their incidents.
  DueNotifications due(TimePoint now);
  /// When due() will next have something to do; TimePoint::max() when nothing is known.
  TimePoint next_due() const;
  /// The arrow back.
  StateChange delivered(const Receipt& receipt, TimePoint now);
  /// Other routes and receivers: groups whose route is still there go on with their timers; the others are routed anew,
  /// and a receiver that was told of a firing incident and lost the route is told of its end.
  DueNotifications reload(std::shared_ptr<const NotifyConfig> config, TimePoint now);

  /// Makes or changes a silence, or ends one; what must be committed first is in `changes`.
  tl::expected<std::string, SilenceError> set_silence(Silence silence, TimePoint now, StateChange& changes);
  tl::expected<void, SilenceError> expire_silence(const std::string& id, TimePoint now, StateChange& changes);
  const Silences& silences() const;
  /// Forgets old silences. To be called from time to time.
  StateChange maintain(TimePoint now);

  /// The firing alerts that `wanted` takes (all when it is empty).
  using AlertFilter = std::function<bool(const Alert&)>;
  std::vector<AlertView> alerts(TimePoint now, const AlertFilter& wanted = {}) const;
  std::vector<GroupView> groups(TimePoint now, const AlertFilter& wanted = {}) const;
  /// O(alerts), and cheap for each.
  AlertManagerStats stats(TimePoint now) const;
  const NotifyConfig& config() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tocsin
