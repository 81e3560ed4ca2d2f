// One thread owns the connection that writes. The engine hands it a batch per flush, and each batch is a transaction;
// a bounded step of pruning follows, so that no flush waits for a large deletion.
//
// A batch that cannot be written is lost, with all that wait behind it. Then batches are refused for a while, the store
// is told to tell everything again, and the next one that is taken begins to. So the file may have a hole for as long
// as the disk was full, but after it what is in memory is on disk again.

#include "agent/store/metrics_db.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "agent/core/log.h"
#include "agent/store/metrics_history.h"
#include "agent/store/metrics_schema.h"

namespace tocsin {

namespace {

constexpr Duration kRetryAfter = std::chrono::seconds(10);

Result<sqlite::Database> open_file(const std::string& path, bool& corrupt) {
  Result<sqlite::Database> db = sqlite::Database::open(path);
  if (!db) return db;
  const Result<void> ready = metrics_schema::prepare(*db);
  corrupt = !ready && db->corrupt();
  if (!ready) return fail_in(path, ready.error());
  return db;
}

}  // namespace

struct MetricsDb::Impl {
  Impl(std::string p, MetricsDbLimits l) : path(std::move(p)), limits(l), file(std::make_shared<MetricsFile>(path)) {}

  struct Work {
    SeriesBatch batch;
    std::size_t bytes = 0;
    TimePoint now;
  };

  bool take(SeriesBatch&& batch, TimePoint now);
  void run();
  void write(const Work& work);
  void fail_work(const Error& error, TimePoint now);
  /// Opens the file anew, or another one in its place.
  Result<void> reopen(bool damaged);

  const std::string path;
  MetricsDbLimits limits;  // under the mutex
  std::shared_ptr<MetricsFile> file;
  std::optional<sqlite::Database> db;  // the thread's, once it runs
  std::optional<metrics_schema::Writer> writer;

  mutable std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable idle;
  std::deque<Work> queue;
  std::function<void()> job;  // anything else, for tests
  bool busy = false;
  bool stop = false;
  bool lost = false;  // something that was taken did not reach the file
  TimePoint retry_at = TimePoint::min();
  Stats stats;
  std::thread thread;
};

bool MetricsDb::Impl::take(SeriesBatch&& batch, TimePoint now) {
  const std::lock_guard lock(mutex);
  const std::size_t bytes = batch.bytes();
  if (now < retry_at || std::exchange(lost, false)) {
    ++stats.batches_skipped_total;
    return false;
  }
  if (stats.queued_bytes + bytes > limits.queue_bytes_max) {
    ++stats.batches_skipped_total;
    retry_at = now + kRetryAfter;
    log::warn("{}: the disk does not keep up, {} MiB wait to be written; newer samples are only in memory until it does",
              path, stats.queued_bytes >> 20);
    return false;
  }
  if (batch.empty()) return true;
  stats.queued_bytes += bytes;
  queue.push_back({std::move(batch), bytes, now});
  wake.notify_one();
  return true;
}

void MetricsDb::Impl::fail_work(const Error& error, TimePoint now) {
  const std::lock_guard lock(mutex);
  ++stats.errors_total;
  stats.batches_skipped_total += 1 + queue.size();
  for (const Work& work : queue) stats.queued_bytes -= work.bytes;
  queue.clear();
  lost = true;
  retry_at = now + kRetryAfter;
  stats.error = error.message;
  if (!std::exchange(stats.failing, true)) {
    log::error("{}: {}; samples are only in memory until it can be written again, everything else goes on", path,
               error.message);
  }
}

Result<void> MetricsDb::Impl::reopen(bool damaged) {
  writer.reset();
  db.reset();
  if (damaged) {
    const std::string aside = sqlite::set_aside(path);
    log::error("{} is damaged and was set aside as {}; going on with a new one", path, aside);
  }
  file->moved();
  bool corrupt = false;
  Result<sqlite::Database> opened = open_file(path, corrupt);
  if (!opened) return tl::make_unexpected(opened.error());
  db.emplace(std::move(*opened));
  Result<metrics_schema::Writer> made = metrics_schema::Writer::make(*db);
  if (!made) return tl::make_unexpected(made.error());
  writer.emplace(std::move(*made));
  return {};
}

void MetricsDb::Impl::write(const Work& work) {
  const bool damaged = file->take_damage();
  Result<void> good = writer && !damaged ? writer->write(work.batch, work.now) : fail("there is no usable file");
  MetricsDbLimits now_limits;
  {
    const std::lock_guard lock(mutex);
    now_limits = limits;
  }
  if (good) {
    good = writer->prune({work.now - now_limits.retention, now_limits.bytes_max}, work.batch.samples_needed_since);
  }
  const bool move_away = damaged || (writer && writer->corrupt());
  if (!good && (move_away || !writer)) {
    if (const Result<void> opened = reopen(move_away); !opened) good = opened;
  }
  if (!good) return fail_work(good.error(), work.now);
  const Result<std::int64_t> bytes = writer->bytes();
  const Result<std::optional<std::int64_t>> oldest = writer->oldest_bucket();
  const std::lock_guard lock(mutex);
  ++stats.transactions_total;
  stats.samples_written_total += work.batch.samples.size();
  if (bytes) stats.bytes = static_cast<std::size_t>(*bytes);
  stats.oldest = oldest && *oldest ? metrics_schema::bucket_start(**oldest) : TimePoint();
  if (std::exchange(stats.failing, false)) log::info("{} is written again", path);
}

void MetricsDb::Impl::run() {
  pthread_setname_np(pthread_self(), "metrics-db");
  std::unique_lock lock(mutex);
  for (;;) {
    wake.wait(lock, [this] { return stop || job || !queue.empty(); });
    if (job) {
      const auto do_it = std::exchange(job, nullptr);
      do_it();
    }
    if (queue.empty()) {
      idle.notify_all();
      if (stop) return;
      continue;
    }
    const Work work = std::move(queue.front());
    queue.pop_front();
    busy = true;
    lock.unlock();
    write(work);
    lock.lock();
    busy = false;
    stats.queued_bytes -= work.bytes;
    idle.notify_all();
  }
}

Result<std::unique_ptr<MetricsDb>> MetricsDb::open(const std::string& path, MetricsDbLimits limits, SeriesStore& store,
                                                   TimePoint memory_since) {
  auto impl = std::make_unique<Impl>(path, limits);
  bool corrupt = false;
  Result<sqlite::Database> db = open_file(path, corrupt);
  if (!db && !corrupt) return tl::make_unexpected(db.error());
  SeriesLoader loader(store);
  if (db) {
    const Result<void> loaded = metrics_schema::load(*db, loader, memory_since);
    corrupt = !loaded && db->corrupt();
    if (!loaded && !corrupt) log::warn("{}: {}; what could not be read is left out", path, loaded.error().message);
    impl->db.emplace(std::move(*db));
    Result<metrics_schema::Writer> writer = metrics_schema::Writer::make(*impl->db);
    corrupt = corrupt || !writer;
    if (writer) impl->writer.emplace(std::move(*writer));
  }
  if (corrupt) {
    db = fail("closed");
    if (const Result<void> begun = impl->reopen(true); !begun) return tl::make_unexpected(begun.error());
    store.rewrite();
  }
  if (loader.damaged() > 0) log::warn("{}: {} chunks of samples are damaged and were left out", path, loader.damaged());
  impl->thread = std::thread([raw = impl.get()] { raw->run(); });
  return std::unique_ptr<MetricsDb>(new MetricsDb(std::move(impl)));
}

MetricsDb::MetricsDb(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

MetricsDb::~MetricsDb() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->wake.notify_one();
  impl_->thread.join();
}

void MetricsDb::flush(SeriesStore& store, double part, TimePoint now) {
  bool behind = false;
  {
    const std::lock_guard lock(impl_->mutex);
    behind = !impl_->queue.empty();
  }
  if (!impl_->take(store.drain(behind ? 0 : part), now)) store.rewrite();
}

void MetricsDb::wait() {
  std::unique_lock lock(impl_->mutex);
  impl_->idle.wait(lock, [this] { return impl_->queue.empty() && !impl_->busy && !impl_->job; });
}

void MetricsDb::set_limits(MetricsDbLimits limits) {
  const std::lock_guard lock(impl_->mutex);
  impl_->limits = limits;
}

std::unique_ptr<History> MetricsDb::history(Apart apart) const {
  return std::make_unique<MetricsHistory>(impl_->file, std::move(apart));
}

MetricsDb::Stats MetricsDb::stats() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->stats;
}

void MetricsDb::limit_pages_for_test(std::int64_t pages) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->job = [this, pages] { (void)impl_->db->integer(fmt::format("PRAGMA max_page_count = {}", pages)); };
  }
  impl_->wake.notify_one();
  wait();
}

}  // namespace tocsin
