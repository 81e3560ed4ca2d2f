#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/core/clock.h"
#include "agent/store/state_db.h"
#include "notifiers/alert_manager.h"
#include "notifiers/notifier.h"

namespace tocsin {

struct DeliveryConfig {
  Duration attempt_timeout = std::chrono::seconds(30);
  Duration backoff_min = std::chrono::seconds(1);
  Duration backoff_max = std::chrono::minutes(5);
  /// Retry-After of a vendor is obeyed up to this.
  Duration retry_after_max = std::chrono::hours(1);
  /// A message that could not be delivered for so long is given up and becomes a dead letter.
  Duration max_age = std::chrono::hours(24);
  std::size_t concurrency_max = 4;  // attempts under way per channel, of different incidents
  void fields(Fields& f);
};

/// How one channel is doing, for metrics, the page and the API.
struct ChannelStatus {
  std::string channel;
  std::size_t waiting = 0;
  std::size_t in_flight = 0;
  std::uint64_t attempts_total = 0;
  std::uint64_t delivered_total = 0;
  std::map<std::string, std::uint64_t> failed_total;  // by kind: transient, throttled, permanent, unknown
  std::uint64_t dead_total = 0;
  TimePoint last_success;
  std::string last_error;
  TimePoint last_error_at;
  double last_latency_seconds = 0;  // from created_at to delivered
};

/// Brings committed outbox rows to their channels: each row until it is delivered, refused for good, or too old.
///
/// Per (incident, channel) strictly in sequence. INTENT (state "sending") is committed before an attempt and RESULT
/// after it; a row found "sending" at start is sent again with the same key. Channels do not delay one another. One
/// executor, one thread.
class Delivery {
 public:
  /// Hears what became of a message, before that is committed. What it returns (AlertManager::delivered) is committed
  /// with it, so that a dead letter and what follows from it become true together.
  using OnReceipt = std::function<StateChange(const Receipt&)>;
  Delivery(boost::asio::any_io_executor executor, StateDb& db, NotifierServices services, DeliveryConfig config,
           OnReceipt on_receipt);
  ~Delivery();

  /// The channels there are now. Rows of a channel that is gone wait a day for its return (visible), then are dead
  /// letters.
  void set_channels(const NotifyConfig& config);
  /// Rows that are committed: new ones, or, once the channels are set, those of the snapshot after a start. One that is
  /// known is left alone.
  void enqueue(std::vector<OutboxRow> rows);
  /// Starts nothing new, lets attempts in flight finish until `deadline`, cancels the rest (they stay in the outbox).
  boost::asio::awaitable<void> stop(Deadline deadline);

  std::vector<ChannelStatus> status() const;
  /// provider_refs known from the snapshot's notification log.
  void restore(const StateSnapshot& snapshot);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace tocsin
