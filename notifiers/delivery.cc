// The thin shell around DeliveryQueue: one coroutine per attempt, which commits INTENT, sends, commits RESULT, and only
// then lets the next row of its incident go; and sleepers that look again when something is due. A kill at any point
// leaves the row pending or sending in state.db, and it is sent again with the same key: at most one extra copy per
// kill, and never out of order.
//
// Whatever runs holds the Impl, so that the Delivery object itself may go at any time.

#include "notifiers/delivery.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>

#include "agent/core/async.h"
#include "agent/core/log.h"
#include "notifiers/delivery_queue.h"
#include "notifiers/http_result.h"

namespace tocsin {

namespace asio = boost::asio;

namespace {

// A notifier returns by its deadline; one that does not is cut off so much later.
constexpr Duration kGrace = std::chrono::seconds(5);
// provider_refs remembered; the least recently used is forgotten.
constexpr std::size_t kRefsMax = 100'000;

struct Channel {
  std::shared_ptr<Notifier> notifier;  // null: not in the configuration now
  DeliveryQueue queue;
  ChannelStatus status;
};

struct ProviderRef {
  std::string text;
  TimePoint used_at;
};

std::string_view kind_name(SendResult::Kind kind) {
  switch (kind) {
    case SendResult::Kind::kOk:
      return "ok";
    case SendResult::Kind::kTransient:
      return "transient";
    case SendResult::Kind::kThrottled:
      return "throttled";
    case SendResult::Kind::kPermanent:
      return "permanent";
    case SendResult::Kind::kUnknown:
      return "unknown";
  }
  return "unknown";
}

// Commits and waits. Not given up by cancellation once throw_if_cancelled is off: a commit always answers.
asio::awaitable<Result<void>> committed(StateDb& db, StateChange change) {
  struct Waiting {
    explicit Waiting(const asio::any_io_executor& executor) : bell(executor, Deadline::max()) {}
    asio::steady_timer bell;
    std::optional<Result<void>> outcome;
  };
  const auto waiting = std::make_shared<Waiting>(co_await asio::this_coro::executor);
  StateDb::Done done = [waiting](Result<void> outcome) {
    waiting->outcome = std::move(outcome);
    waiting->bell.cancel();
  };
  db.commit(std::move(change), std::move(done));
  while (!waiting->outcome) {
    boost::system::error_code rung;
    co_await waiting->bell.async_wait(asio::redirect_error(asio::use_awaitable, rung));
  }
  co_return *waiting->outcome;
}

asio::awaitable<bool> joined(TaskGroup& tasks) {
  co_await tasks.join();
  co_return true;
}

}  // namespace

struct Delivery::Impl {
  Impl(asio::any_io_executor executor_, StateDb& db_, NotifierServices services_, DeliveryConfig config_,
       OnReceipt on_receipt_)
      : executor(executor_),
        db(db_),
        services(services_),
        config(config_),
        on_receipt(std::move(on_receipt_)),
        attempts(executor_),
        sleepers(executor_) {}

  asio::any_io_executor executor;
  StateDb& db;
  NotifierServices services;
  DeliveryConfig config;
  OnReceipt on_receipt;
  std::map<std::string, Channel> channels;
  std::map<std::pair<std::string, std::string>, ProviderRef> refs;  // by incident and channel
  std::set<TimePoint> alarms;                                       // of the sleepers
  bool stopping = false;
  TaskGroup attempts;
  TaskGroup sleepers;

  static void pump(const std::shared_ptr<Impl>& self);
  static asio::awaitable<void> attempt(std::shared_ptr<Impl> self, std::string channel, OutboxRow row);
  static asio::awaitable<void> bury(std::shared_ptr<Impl> self, std::string channel, OutboxRow row);
  static asio::awaitable<void> settle(std::shared_ptr<Impl> self, std::string channel, OutboxRow row, std::string ref);
  static asio::awaitable<void> sleep(std::shared_ptr<Impl> self, TimePoint until);

  Channel& channel_of(const std::string& id) {
    Channel& channel = channels[id];
    channel.status.channel = id;
    return channel;
  }
  void start_lone(const std::shared_ptr<Impl>& self, const std::string& id, Channel& channel, TimePoint now);
  void note(Channel& channel, const SendResult& result, const OutboxRow& row, TimePoint now);
  std::string ref_of(const OutboxRow& row, TimePoint now);
  void remember(const OutboxRow& row, const std::string& ref, TimePoint now);
};

void DeliveryConfig::fields(Fields& f) {
  using namespace std::chrono_literals;
  f("attempt_timeout", attempt_timeout, "How long one attempt may take.").range(1s, 10min);
  f("backoff_min", backoff_min, "The longest wait after the first failed attempt; doubled after each further one.")
      .range(10ms, 1h);
  f("backoff_max", backoff_max, "The longest wait between two attempts.").range(10ms, 24h);
  f("retry_after_max", retry_after_max, "A vendor's Retry-After is obeyed up to this.").range(0s, 24h);
  f("max_age", max_age, "A message that could not be delivered for so long is given up and becomes a dead letter.")
      .range(1s, 720h);
  f("concurrency_max", concurrency_max, "Attempts under way per channel, of different incidents.").range(1, 1000);
  if (backoff_max < backoff_min) f.mistake_at("backoff_max", "\"backoff_max\" must not be less than backoff_min.");
}

// Starts what may go, and sees to it that somebody wakes when the next may.
void Delivery::Impl::pump(const std::shared_ptr<Impl>& self) {
  if (self->stopping) return;
  const TimePoint now = self->services.clock.now();
  TimePoint next = TimePoint::max();
  for (auto& [id, channel] : self->channels) {
    if (channel.notifier == nullptr) self->start_lone(self, id, channel, now);
    while (channel.notifier != nullptr && channel.status.in_flight < self->config.concurrency_max) {
      std::optional<OutboxRow> row = channel.queue.take(now);
      if (!row) break;
      ++channel.status.in_flight;
      self->attempts.spawn("delivery to " + id, attempt(self, id, std::move(*row)));
    }
    if (channel.status.in_flight < self->config.concurrency_max) next = std::min(next, channel.queue.next());
  }
  if (next != TimePoint::max() && (self->alarms.empty() || next < *self->alarms.begin())) {
    self->alarms.insert(next);
    self->sleepers.spawn("delivery's alarm", sleep(self, next));
  }
}

// A channel that is gone: what is not too old waits for its return.
void Delivery::Impl::start_lone(const std::shared_ptr<Impl>& self, const std::string& id, Channel& channel,
                                TimePoint now) {
  while (std::optional<OutboxRow> row = channel.queue.take(now)) {
    row->last_error = "the channel is not in the configuration";
    row->not_before = row->created_at + config.max_age;
    if (row->not_before > now) {
      channel.queue.retry(std::move(*row));
    } else {
      ++channel.status.in_flight;
      attempts.spawn("delivery to " + id, bury(self, id, std::move(*row)));
    }
  }
}

asio::awaitable<void> Delivery::Impl::sleep(std::shared_ptr<Impl> self, TimePoint until) {
  co_await self->services.clock.sleep_until(until);
  self->alarms.erase(until);
  pump(self);
}

asio::awaitable<void> Delivery::Impl::bury(std::shared_ptr<Impl> self, std::string channel, OutboxRow row) {
  row.state = "dead";
  row.finished_at = self->services.clock.now();
  asio::awaitable<void> settling = settle(self, std::move(channel), std::move(row), "");
  co_await std::move(settling);
}

asio::awaitable<void> Delivery::Impl::attempt(std::shared_ptr<Impl> self, std::string channel_id, OutboxRow row) {
  const std::shared_ptr<Notifier> notifier = self->channel_of(channel_id).notifier;
  row.state = "sending";
  ++row.attempts;
  StateChange intent;
  intent.put_outbox.push_back(row);
  asio::awaitable<Result<void>> committing = committed(self->db, std::move(intent));
  const Result<void> noted = co_await std::move(committing);
  if (!noted) log::error("state.db: {}: sending without a note of it", noted.error().message);

  SendResult result;
  Result<Notification> notification = notification_from_json(row.notification);
  if (!notification) {
    result = SendResult::permanent(notification.error().message);
  } else {
    SendContext context;
    context.attempt = row.attempts;
    context.provider_ref = self->ref_of(row, self->services.clock.now());
    context.incident_started_at = notification->incident_started_at;
    const Deadline deadline = self->services.clock.steady() + self->config.attempt_timeout;
    try {
      asio::awaitable<SendResult> sending = notifier->send(*notification, context, deadline);
      asio::awaitable<std::optional<SendResult>> guarded = with_deadline(std::move(sending), deadline + kGrace);
      std::optional<SendResult> sent = co_await std::move(guarded);
      const asio::cancellation_state cancellation = co_await asio::this_coro::cancellation_state;
      // Stopped: the row stays as it is, and goes out again after the next start.
      if (!sent && cancellation.cancelled() != asio::cancellation_type::none) co_return;
      result =
          sent ? std::move(*sent) : SendResult{SendResult::Kind::kUnknown, "the attempt did not end in time", {}, ""};
    } catch (const boost::system::system_error& e) {
      if (e.code() == asio::error::operation_aborted) throw;
      result = SendResult::transient(safe_detail(e.what(), {}));
    } catch (const std::exception& e) {
      result = SendResult::transient(safe_detail(e.what(), {}));
    }
  }

  // What has happened is noted even when everything is being stopped.
  co_await asio::this_coro::throw_if_cancelled(false);
  const TimePoint now = self->services.clock.now();
  Channel& channel = self->channel_of(channel_id);
  row = after_attempt(std::move(row), result, self->config, now);
  self->note(channel, result, row, now);
  if (result.kind == SendResult::Kind::kThrottled && row.state == "pending") channel.queue.pause(row.not_before);
  asio::awaitable<void> settling = settle(self, channel_id, std::move(row), std::move(result.provider_ref));
  co_await std::move(settling);
}

// Commits RESULT with all that follows from it, then lets the lane go on.
asio::awaitable<void> Delivery::Impl::settle(std::shared_ptr<Impl> self, std::string channel_id, OutboxRow row,
                                             std::string ref) {
  const TimePoint now = self->services.clock.now();
  StateChange change;
  change.put_outbox.push_back(row);
  if (row.state != "pending") {
    const bool delivered = row.state == "delivered";
    if (delivered && !ref.empty()) self->remember(row, ref, now);
    if (!delivered) {
      ++self->channel_of(channel_id).status.dead_total;
      log::error("dead letter: incident {} on {}, message {}: {}", row.incident, channel_id, row.sequence,
                 row.last_error);
    }
    const Receipt receipt{row.incident, channel_id, row.sequence, delivered, now, row.last_error, std::move(ref)};
    change.append(self->on_receipt(receipt));
  }
  asio::awaitable<Result<void>> committing = committed(self->db, std::move(change));
  const Result<void> noted = co_await std::move(committing);
  if (!noted) log::error("state.db: {}: the outcome of a delivery is not noted", noted.error().message);

  Channel& channel = self->channel_of(channel_id);
  --channel.status.in_flight;
  if (row.state == "pending") {
    channel.queue.retry(std::move(row));
  } else {
    channel.queue.finish(row.incident);
  }
  pump(self);
}

void Delivery::Impl::note(Channel& channel, const SendResult& result, const OutboxRow& row, TimePoint now) {
  ChannelStatus& status = channel.status;
  ++status.attempts_total;
  if (result.kind == SendResult::Kind::kOk) {
    ++status.delivered_total;
    status.last_success = now;
    status.last_latency_seconds = to_seconds(now - row.created_at);
    return;
  }
  ++status.failed_total[std::string(kind_name(result.kind))];
  status.last_error = result.detail;
  status.last_error_at = now;
  log::warn("incident {} on {}, attempt {}: {} ({}), {}", row.incident, status.channel, row.attempts, result.detail,
            kind_name(result.kind), row.state == "pending" ? "again at " + format_rfc3339(row.not_before) : "given up");
}

std::string Delivery::Impl::ref_of(const OutboxRow& row, TimePoint now) {
  const auto found = refs.find({row.incident, row.channel});
  if (found == refs.end()) return "";
  found->second.used_at = now;
  return found->second.text;
}

void Delivery::Impl::remember(const OutboxRow& row, const std::string& ref, TimePoint now) {
  refs[{row.incident, row.channel}] = {ref, now};
  if (refs.size() <= kRefsMax) return;
  refs.erase(std::min_element(refs.begin(), refs.end(),
                              [](const auto& a, const auto& b) { return a.second.used_at < b.second.used_at; }));
}

Delivery::Delivery(asio::any_io_executor executor, StateDb& db, NotifierServices services, DeliveryConfig config,
                   OnReceipt on_receipt)
    : impl_(std::make_shared<Impl>(std::move(executor), db, services, config, std::move(on_receipt))) {}

Delivery::~Delivery() = default;

void Delivery::set_channels(const NotifyConfig& config) {
  const TimePoint now = impl_->services.clock.now();
  std::set<std::string> there;
  for (const auto& [name, receiver] : config.receivers) {
    for (const ChannelConfig& wanted : receiver.channels) {
      there.insert(wanted.id);
      Channel& channel = impl_->channel_of(wanted.id);
      if (channel.notifier == nullptr) channel.queue.hurry(now);
      channel.notifier = wanted.make(impl_->services);
    }
  }
  for (auto& [id, channel] : impl_->channels) {
    if (!there.contains(id)) channel.notifier = nullptr;
  }
  std::erase_if(impl_->channels, [](const auto& entry) {
    const Channel& c = entry.second;
    return c.notifier == nullptr && c.status.in_flight == 0 && c.queue.waiting() == 0;
  });
  Impl::pump(impl_);
}

void Delivery::enqueue(std::vector<OutboxRow> rows) {
  for (OutboxRow& row : rows) impl_->channel_of(row.channel).queue.push(std::move(row));
  Impl::pump(impl_);
}

void Delivery::restore(const StateSnapshot& snapshot) {
  const TimePoint now = impl_->services.clock.now();
  for (const NotificationLogRow& row : snapshot.notification_log) {
    if (!row.provider_ref.empty()) impl_->refs[{row.incident, row.channel}] = {row.provider_ref, now};
  }
}

asio::awaitable<void> Delivery::stop(Deadline deadline) {
  const std::shared_ptr<Impl> self = impl_;
  self->stopping = true;
  self->sleepers.cancel();
  asio::awaitable<bool> finishing = joined(self->attempts);
  asio::awaitable<std::optional<bool>> guarded = with_deadline(std::move(finishing), deadline);
  co_await std::move(guarded);
  self->attempts.cancel();
  co_await self->attempts.join();
  co_await self->sleepers.join();
}

std::vector<ChannelStatus> Delivery::status() const {
  std::vector<ChannelStatus> out;
  for (const auto& [id, channel] : impl_->channels) {
    out.push_back(channel.status);
    out.back().waiting = channel.queue.waiting();
  }
  return out;
}

}  // namespace tocsin
