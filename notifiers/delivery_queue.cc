#include "notifiers/delivery_queue.h"

#include <algorithm>

#include "notifiers/digest.h"

namespace tocsin {
namespace {

Duration backoff(const OutboxRow& row, const DeliveryConfig& config) {
  Duration cap = config.backoff_min;
  for (std::uint32_t i = 1; i < row.attempts && cap < config.backoff_max; ++i) cap *= 2;
  cap = std::min(cap, config.backoff_max);
  const double fraction = Digest().add(row.idempotency_key).add(std::to_string(row.attempts)).fraction();
  return Duration(static_cast<Duration::rep>(static_cast<double>(cap.count()) * fraction));
}

}  // namespace

bool DeliveryQueue::push(OutboxRow row) {
  Lane& lane = lanes_[row.incident];
  const auto place = std::lower_bound(lane.rows.begin(), lane.rows.end(), row.sequence,
                                      [](const OutboxRow& r, std::int64_t sequence) { return r.sequence < sequence; });
  if (place != lane.rows.end() && place->sequence == row.sequence) return false;
  // The row on its way stays the first.
  if (lane.busy && place == lane.rows.begin()) return false;
  if (!lane.busy && !lane.rows.empty()) idle_.erase({lane.rows.front().not_before, row.incident});
  lane.rows.insert(place, std::move(row));
  ++waiting_;
  if (!lane.busy) idle_.insert({lane.rows.front().not_before, lane.rows.front().incident});
  return true;
}

std::optional<OutboxRow> DeliveryQueue::take(TimePoint now) {
  if (next() > now) return std::nullopt;
  Lane& lane = lanes_.at(idle_.begin()->second);
  idle_.erase(idle_.begin());
  lane.busy = true;
  --waiting_;
  return lane.rows.front();
}

void DeliveryQueue::finish(const std::string& incident) {
  const auto lane = lanes_.find(incident);
  lane->second.busy = false;
  lane->second.rows.pop_front();
  if (lane->second.rows.empty()) {
    lanes_.erase(lane);
  } else {
    idle_.insert({lane->second.rows.front().not_before, incident});
  }
}

void DeliveryQueue::retry(OutboxRow row) {
  Lane& lane = lanes_.at(row.incident);
  lane.busy = false;
  ++waiting_;
  idle_.insert({row.not_before, row.incident});
  lane.rows.front() = std::move(row);
}

void DeliveryQueue::hurry(TimePoint now) {
  idle_.clear();
  for (auto& [incident, lane] : lanes_) {
    if (lane.busy) continue;
    lane.rows.front().not_before = std::min(lane.rows.front().not_before, now);
    idle_.insert({lane.rows.front().not_before, incident});
  }
}

TimePoint DeliveryQueue::next() const {
  return idle_.empty() ? TimePoint::max() : std::max(idle_.begin()->first, paused_until_);
}

OutboxRow after_attempt(OutboxRow row, const SendResult& result, const DeliveryConfig& config, TimePoint now) {
  row.last_error = result.detail;
  if (result.kind == SendResult::Kind::kOk || result.kind == SendResult::Kind::kPermanent) {
    row.state = result.kind == SendResult::Kind::kOk ? "delivered" : "dead";
    row.finished_at = now;
    return row;
  }
  const TimePoint too_old = row.created_at + config.max_age;
  if (now >= too_old) {
    row.state = "dead";
    row.finished_at = now;
    row.last_error = fmt::format("given up after {}: {}", format_duration(config.max_age), result.detail);
    return row;
  }
  const Duration asked = std::min(result.retry_after.value_or(Duration::zero()), config.retry_after_max);
  row.state = "pending";
  row.not_before = std::min(now + std::max(backoff(row, config), asked), too_old);
  return row;
}

}  // namespace tocsin
