// One thread owns the connection. Whoever has a change puts it into a queue; the thread takes all that waits, writes it
// as one transaction and posts the answers. When the transaction as a whole fails, its changes are tried one by one, so
// that one that cannot be written takes no other down with it; on a full disk each of them is told so, and nothing half
// done stays.

#include "agent/store/state_db.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <span>
#include <thread>

#include "agent/core/log.h"
#include "agent/store/state_schema.h"

namespace tocsin {
namespace {

constexpr std::size_t kBatchMax = 1000;
constexpr std::size_t kQueueMax = 10'000;

template <class T>
void move_to_end(std::vector<T>& into, std::vector<T>& from) {
  into.insert(into.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

using AlertStateKey = std::pair<std::string, Labels>;
AlertStateKey key_of(const AlertStateRow& row) {
  return {row.rule_id, row.labels};
}
const AlertStateKey& key_of(const AlertStateKey& key) {
  return key;
}
Labels key_of(const AlertRow& row) {
  return row.labels;
}
const Labels& key_of(const Labels& key) {
  return key;
}
const std::string& key_of(const SilenceRow& row) {
  return row.id;
}
const std::string& key_of(const std::string& key) {
  return key;
}

/// Takes out of `rows` those that `newer` speaks of too: rows that are put again, or dropped.
template <class Rows, class Newer>
void forget(Rows& rows, const Newer& newer) {
  if (rows.empty() || newer.empty()) return;
  std::set<std::decay_t<decltype(key_of(newer.front()))>> keys;
  for (const auto& row : newer) keys.insert(key_of(row));
  std::erase_if(rows, [&](const auto& row) { return keys.contains(key_of(row)); });
}

Result<sqlite::Database> open_file(const std::string& path, bool& corrupt) {
  Result<sqlite::Database> db = sqlite::Database::open(path);
  if (!db) return db;
  Result<void> ready = db->run(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;");
  // Reads the whole file once: damage is to be found now, not when a page is to be sent.
  if (ready) ready = db->check();
  if (ready) ready = state_schema::migrate(*db);
  corrupt = !ready && db->corrupt();
  if (!ready) return fail_in(path, ready.error());
  return db;
}

tl::unexpected<Error> queue_full() {
  return fail("the disk does not keep up: {} changes wait to be written to state.db", kQueueMax);
}

}  // namespace

bool StateChange::empty() const {
  return put_alert_states.empty() && drop_alert_states.empty() && put_alerts.empty() && drop_alerts.empty() &&
         put_incidents.empty() && put_notification_log.empty() && put_outbox.empty() && put_heartbeats.empty() &&
         put_silences.empty() && drop_silences.empty() && audit.empty();
}

void StateChange::append(StateChange&& other) {
  // Drops are written before puts, so of the two only the later may stay.
  forget(put_alert_states, other.drop_alert_states);
  forget(drop_alert_states, other.put_alert_states);
  forget(put_alerts, other.drop_alerts);
  forget(drop_alerts, other.put_alerts);
  forget(put_silences, other.drop_silences);
  forget(drop_silences, other.put_silences);
  move_to_end(put_alert_states, other.put_alert_states);
  move_to_end(drop_alert_states, other.drop_alert_states);
  move_to_end(put_alerts, other.put_alerts);
  move_to_end(drop_alerts, other.drop_alerts);
  move_to_end(put_incidents, other.put_incidents);
  move_to_end(put_notification_log, other.put_notification_log);
  move_to_end(put_outbox, other.put_outbox);
  move_to_end(put_heartbeats, other.put_heartbeats);
  move_to_end(put_silences, other.put_silences);
  move_to_end(drop_silences, other.drop_silences);
  move_to_end(audit, other.audit);
}

struct StateDb::Impl {
  /// One thing to do on the disk thread: returns what to post.
  struct Job {
    std::optional<StateChange> change;  // part of the next transaction
    Done done;
    std::function<std::function<void()>(sqlite::Database&)> other;  // anything else, between transactions
  };

  Impl(sqlite::Database opened, std::function<void(std::function<void()>)> post_back)
      : db(std::move(opened)), post(std::move(post_back)) {}

  /// False when the queue is full; then nothing has changed.
  bool push(Job&& job) {
    {
      const std::lock_guard lock(mutex);
      if (jobs.size() >= kQueueMax) {
        ++stats.errors_total;
        return false;
      }
      jobs.push_back(std::move(job));
      ++handed_over;
      stats.queued = jobs.size();
    }
    wake.notify_one();
    return true;
  }

  void run();
  void commit(std::vector<Job>& batch);
  Result<void> transaction(std::span<Job> batch);

  sqlite::Database db;
  std::function<void(std::function<void()>)> post;
  StateSnapshot loaded;

  std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable idle;
  std::deque<Job> jobs;
  std::uint64_t handed_over = 0;  // jobs so far
  std::uint64_t finished = 0;
  bool stop = false;
  Stats stats;
  std::thread thread;
};

Result<void> StateDb::Impl::transaction(std::span<Job> batch) {
  Result<void> good = db.run("BEGIN IMMEDIATE");
  if (!good) return good;
  for (Job& job : batch) {
    if (good) good = state_schema::write(db, *job.change);
  }
  if (good) good = db.run("COMMIT");
  if (!good) (void)db.run("ROLLBACK");  // SQLite may have rolled back by itself
  return good;
}

void StateDb::Impl::commit(std::vector<Job>& batch) {
  if (batch.empty()) return;
  std::vector<Result<void>> outcomes(batch.size());
  const Result<void> all = transaction(batch);
  std::uint64_t errors = 0;
  if (!all && batch.size() == 1) {
    outcomes[0] = all;
    errors = 1;
  } else if (!all) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      outcomes[i] = transaction(std::span(batch).subspan(i, 1));
      errors += outcomes[i] ? 0 : 1;
    }
  }
  {
    const std::lock_guard lock(mutex);
    ++stats.transactions_total;
    stats.changes_total += batch.size();
    stats.errors_total += errors;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].done) post([done = std::move(batch[i].done), outcome = std::move(outcomes[i])] { done(outcome); });
  }
  batch.clear();
}

void StateDb::Impl::run() {
  pthread_setname_np(pthread_self(), "state-db");
  std::unique_lock lock(mutex);
  for (;;) {
    wake.wait(lock, [this] { return stop || !jobs.empty(); });
    if (jobs.empty()) return;
    std::deque<Job> taken;
    taken.swap(jobs);
    stats.queued = 0;
    lock.unlock();
    std::vector<Job> batch;
    for (Job& job : taken) {
      if (job.change) {
        batch.push_back(std::move(job));
        if (batch.size() == kBatchMax) commit(batch);
        continue;
      }
      commit(batch);
      post(job.other(db));
    }
    commit(batch);
    lock.lock();
    finished += taken.size();
    idle.notify_all();
  }
}

Result<std::unique_ptr<StateDb>> StateDb::open(const std::string& path,
                                               std::function<void(std::function<void()>)> post) {
  bool corrupt = false;
  Result<sqlite::Database> db = open_file(path, corrupt);
  Result<StateSnapshot> loaded;
  if (db) {
    loaded = state_schema::load(*db);
    corrupt = !loaded && db->corrupt();
  }
  if (corrupt) {
    db = fail("closed");  // before its files are moved
    const std::string aside = sqlite::set_aside(path);
    log::error("{} is damaged and was set aside as {}; going on with a new one", path, aside);
    db = open_file(path, corrupt);
    loaded = StateSnapshot();
  }
  if (!db) return tl::make_unexpected(db.error());
  if (!loaded) return fail_in(path, loaded.error());
  auto impl = std::make_unique<Impl>(std::move(*db), std::move(post));
  impl->loaded = std::move(*loaded);
  impl->thread = std::thread([raw = impl.get()] { raw->run(); });
  return std::unique_ptr<StateDb>(new StateDb(std::move(impl)));
}

StateDb::StateDb(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

StateDb::~StateDb() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->wake.notify_one();
  impl_->thread.join();
}

const StateSnapshot& StateDb::loaded() const {
  return impl_->loaded;
}
void StateDb::forget_loaded() {
  impl_->loaded = {};
}

void StateDb::commit(StateChange change, Done done) {
  Impl::Job job{std::move(change), std::move(done), nullptr};
  if (impl_->push(std::move(job)) || !job.done) return;
  impl_->post([done = std::move(job.done)] { done(queue_full()); });
}

void StateDb::flush() {
  std::unique_lock lock(impl_->mutex);
  impl_->idle.wait(lock, [this, until = impl_->handed_over] { return impl_->finished >= until; });
}

void StateDb::prune(TimePoint now, Duration keep, Done done) {
  const auto prune = [before = now - keep, done](sqlite::Database& db) {
    return [outcome = state_schema::prune(db, before), done] { done(outcome); };
  };
  if (!impl_->push({std::nullopt, nullptr, prune})) impl_->post([done] { done(queue_full()); });
}

void StateDb::recent_outbox(std::size_t limit, std::function<void(Result<std::vector<OutboxRow>>)> done) {
  const auto read = [limit, done](sqlite::Database& db) {
    return [outcome = state_schema::recent_outbox(db, limit), done] { done(outcome); };
  };
  if (!impl_->push({std::nullopt, nullptr, read})) impl_->post([done] { done(queue_full()); });
}

void StateDb::limit_pages_for_test(std::int64_t pages) {
  impl_->push({std::nullopt, nullptr, [pages](sqlite::Database& db) {
                 (void)db.integer(fmt::format("PRAGMA max_page_count = {}", pages));
                 return [] {};
               }});
  flush();
}

StateDb::Stats StateDb::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->stats;
}

}  // namespace tocsin
