#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "notifiers/delivery.h"

namespace tocsin {

/// What waits for one channel: per incident a lane, in order of sequence, of which only the first row is ever on its
/// way. Lanes take turns by when they may go. No clock, no I/O.
class DeliveryQueue {
 public:
  /// False when the row is known already.
  bool push(OutboxRow row);
  /// The first row of the lane whose turn it is, when one may go by now; the lane is busy until finish() or retry().
  std::optional<OutboxRow> take(TimePoint now);
  /// The taken row of this incident has found its end: the next one may go.
  void finish(const std::string& incident);
  /// The taken row goes back to the front of its lane, and may go at its not_before.
  void retry(OutboxRow row);
  /// Nothing goes before `until`: the vendor asked for a pause.
  void pause(TimePoint until) { paused_until_ = std::max(paused_until_, until); }
  /// Whatever waits for its time may go by `now`.
  void hurry(TimePoint now);

  /// When take() will next have something; TimePoint::max() when nothing waits but behind busy lanes.
  TimePoint next() const;
  std::size_t waiting() const { return waiting_; }

 private:
  struct Lane {
    std::deque<OutboxRow> rows;
    bool busy = false;
  };
  std::map<std::string, Lane> lanes_;                 // by incident
  std::set<std::pair<TimePoint, std::string>> idle_;  // not_before of the first row, incident
  std::size_t waiting_ = 0;                           // rows that are not on their way
  TimePoint paused_until_{};
};

/// The row as it is after an attempt that ended with `result`: delivered, dead, or pending with a new not_before.
///
/// Waits grow exponentially from backoff_min to backoff_max, of which a fraction is taken ("full jitter") that is drawn
/// from the key and the attempt: evenly spread between rows, the same in every run. A vendor's Retry-After is the least
/// wait, up to retry_after_max. The last attempt is made when the row is max_age old.
OutboxRow after_attempt(OutboxRow row, const SendResult& result, const DeliveryConfig& config, TimePoint now);

}  // namespace tocsin
