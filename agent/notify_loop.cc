#include "agent/notify_loop.h"

#include "agent/core/log.h"

namespace tocsin {

namespace asio = boost::asio;

NotifyLoop::NotifyLoop(asio::any_io_executor executor, Clock& clock, StateDb& db, Delivery& delivery,
                       std::shared_ptr<const NotifyConfig> config)
    : clock_(clock), db_(db), delivery_(delivery), manager_(std::move(config)), alarm_(std::move(executor), clock) {}

void NotifyLoop::restore(const StateSnapshot& snapshot) {
  manager_.restore(snapshot, clock_.now());
  delivery_.restore(snapshot);
  delivery_.enqueue(snapshot.outbox);
}

void NotifyLoop::apply(const std::vector<Alert>& alerts, StateChange with) {
  if (!alerts.empty()) with.append(manager_.apply(alerts, clock_.now()));
  commit(std::move(with), std::vector<OutboxRow>());
  alarm_.ring();
}

std::size_t NotifyLoop::post(const std::vector<Alert>& alerts, Done done) {
  std::size_t refused = 0;
  commit(manager_.apply(alerts, clock_.now(), &refused), std::move(done));
  alarm_.ring();
  return refused;
}

tl::expected<std::string, SilenceError> NotifyLoop::set_silence(Silence silence, Done done) {
  StateChange changes;
  auto id = manager_.set_silence(std::move(silence), clock_.now(), changes);
  if (id) commit(std::move(changes), std::move(done));
  return id;
}

tl::expected<void, SilenceError> NotifyLoop::expire_silence(const std::string& id, Done done) {
  StateChange changes;
  auto ended = manager_.expire_silence(id, clock_.now(), changes);
  if (ended) commit(std::move(changes), std::move(done));
  return ended;
}

void NotifyLoop::maintain() {
  commit(manager_.maintain(clock_.now()), std::vector<OutboxRow>());
}

StateChange NotifyLoop::receipt(const Receipt& receipt) {
  alarm_.ring();
  return manager_.delivered(receipt, clock_.now());
}

void NotifyLoop::reload(std::shared_ptr<const NotifyConfig> config) {
  delivery_.set_channels(*config);
  DueNotifications due = manager_.reload(std::move(config), clock_.now());
  commit(std::move(due.changes), std::move(due.messages));
  alarm_.ring();
}

asio::awaitable<void> NotifyLoop::run() {
  for (;;) {
    DueNotifications due = manager_.due(clock_.now());
    commit(std::move(due.changes), std::move(due.messages));
    co_await alarm_.sleep_until(manager_.next_due());
  }
}

void NotifyLoop::commit(StateChange change, std::vector<OutboxRow> messages) {
  if (change.empty() && messages.empty()) return;
  db_.commit(std::move(change), [this, messages = std::move(messages)](Result<void> done) mutable {
    if (!done) {
      ++commit_errors_total_;
      log::error("state.db: {}; going on from memory", done.error().message);
    }
    if (!messages.empty()) delivery_.enqueue(std::move(messages));
  });
}

// Also a change that is empty takes its turn: what it repeats may still be on its way to the disk.
void NotifyLoop::commit(StateChange change, Done done) {
  db_.commit(std::move(change), [this, done = std::move(done)](const Result<void>& outcome) {
    if (!outcome) {
      ++commit_errors_total_;
      log::error("state.db: {}; going on from memory", outcome.error().message);
    }
    done(outcome);
  });
}

}  // namespace tocsin
