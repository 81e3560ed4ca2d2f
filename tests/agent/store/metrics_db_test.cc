#include "agent/store/metrics_db.h"

#include <gtest/gtest.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <map>

#include "agent/store/sqlite.h"
#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

using test::TempDir;
using namespace std::chrono_literals;

constexpr std::int64_t kStart = 1'700'000'000'000;

TimePoint at(Duration after_start) {
  return TimePoint(Duration(kStart)) + after_start;
}
Labels named(std::string_view name) {
  return Labels{{kMetricName, name}, {"job", "test"}};
}
Matchers matching(std::string_view text) {
  return *parse_matchers(text);
}

using Points = std::vector<std::pair<std::int64_t, double>>;

Points points(const SeriesStore& store, SeriesRef ref, TimePoint from = TimePoint::min(),
              TimePoint to = TimePoint::max()) {
  std::vector<Sample> samples;
  store.samples(ref, from, to, samples);
  Points out;
  for (const Sample& s : samples) out.emplace_back((s.t - at(0s)) / 1s, s.v);
  return out;
}
Points points(const SeriesStore& store, const Labels& labels) {
  return points(store, store.find(labels));
}

/// A store and its file, as the app has them.
struct Kept {
  explicit Kept(const std::string& path, TimePoint memory_since = TimePoint::min(), MetricsDbLimits limits = {},
                SeriesStoreLimits store_limits = {})
      : store(store_limits) {
    auto opened = MetricsDb::open(path, limits, store, memory_since);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    if (opened) db = std::move(*opened);
  }
  void append(const Labels& labels, TimePoint t, double v) {
    const auto ref = store.ref(labels);
    ASSERT_TRUE(ref) << ref.error().message;
    store.append(*ref, t, v);
  }
  void flush(TimePoint now, double part = 0.01) {
    db->flush(store, part, now);
    db->wait();
  }

  SeriesStore store;
  std::unique_ptr<MetricsDb> db;
};

/// A copy of the file as a kill at this moment would leave it.
std::string killed(const TempDir& dir, const std::string& path) {
  const std::string copy = dir.path("killed.db");
  for (const char* suffix : {"", "-wal"}) {
    std::filesystem::remove(copy + suffix);
    if (std::filesystem::exists(path + suffix)) std::filesystem::copy_file(path + suffix, copy + suffix);
  }
  std::filesystem::remove(copy + "-shm");
  return copy;
}

TEST(MetricsDb, GivesBackEverySampleThatWasFlushed) {
  const TempDir dir;
  Points counter, gauge;
  {
    Kept kept(dir.path("metrics.db"));
    for (int i = 0; i < 1000; ++i) {
      const Duration t = i * 15s;
      kept.append(named("counter"), at(t), i * 40);
      kept.append(named("gauge"), at(t), i % 7 == 0 ? -0.25 * i : 3.14159 * i);
      counter.emplace_back(i * 15, i * 40);
      gauge.emplace_back(i * 15, i % 7 == 0 ? -0.25 * i : 3.14159 * i);
      if (i % 4 == 0) kept.flush(at(t));
    }
    kept.flush(at(4h));
  }
  Kept kept(dir.path("metrics.db"));
  EXPECT_EQ(points(kept.store, named("counter")), counter);
  EXPECT_EQ(points(kept.store, named("gauge")), gauge);
  EXPECT_EQ(kept.store.stats().samples, 2000U);
  EXPECT_EQ(kept.store.append(kept.store.find(named("gauge")), at(15000s), 1), AppendResult::kAppended);
  EXPECT_EQ(kept.store.append(kept.store.find(named("gauge")), at(10s), 1), AppendResult::kOutOfOrder);
}

TEST(MetricsDb, KeepsEveryBitOfAValue) {
  const TempDir dir;
  const std::vector<double> values{kNaN, kStaleNaN, -0.0, 1e300, -5e-324, 0.1, 123456789.125, -7, INFINITY, 1e15, 0};
  {
    Kept kept(dir.path("metrics.db"));
    for (std::size_t i = 0; i < values.size(); ++i) kept.append(named("a"), at(i * 1s), values[i]);
    kept.flush(at(1min), 0);  // in the log only
  }
  for (int round = 0; round < 2; ++round) {
    Kept kept(dir.path("metrics.db"));
    std::vector<Sample> out;
    kept.store.samples(kept.store.find(named("a")), TimePoint::min(), TimePoint::max(), out);
    ASSERT_EQ(out.size(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(std::bit_cast<std::uint64_t>(out[i].v), std::bit_cast<std::uint64_t>(values[i])) << values[i];
    }
    kept.flush(at(2min), 1);  // from now on as a growing chunk
  }
}

TEST(MetricsDb, AKillLosesNothingThatWasFlushed) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  Kept kept(path);
  std::map<std::string, Points> flushed, now;
  for (int i = 0; i < 1500; ++i) {
    for (int s = 0; s < 5; ++s) {
      if ((i + s) % (s + 1) != 0) continue;
      const std::string name = "s" + std::to_string(s);
      kept.append(named(name), at(i * 1s), i * s);
      now[name].emplace_back(i, i * s);
    }
    if (i % 3 == 0) {
      kept.flush(at(i * 1s));
      flushed = now;
    }
    if (i % 97 != 0) continue;
    Kept other(killed(dir, path));
    for (const auto& [name, expected] : flushed) ASSERT_EQ(points(other.store, named(name)), expected) << name << i;
  }
}

TEST(MetricsDb, ForgetsTheLogThatChunksMadeNeedless) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  Kept kept(path);
  for (int i = 0; i < 500; ++i) {
    for (int s = 0; s < 100; ++s) kept.append(named("s" + std::to_string(s)), at(i * 1s), i);
    kept.flush(at(i * 1s), 0.01);
  }
  auto db = sqlite::Database::open(path);
  EXPECT_LE(*db->integer("SELECT count(*) FROM log"), 202) << "two laps of a hundred flushes";
  EXPECT_EQ(*db->integer("SELECT count(*) FROM growing"), 100);
}

TEST(MetricsDb, ASampleThatComesAfterALoadGoesOnWithItsSeries) {
  const TempDir dir;
  Points expected;
  for (int round = 0; round < 30; ++round) {
    Kept kept(dir.path("metrics.db"));
    EXPECT_EQ(points(kept.store, kept.store.find(named("a"))), expected) << round;
    for (int i = 0; i < 37; ++i) {
      const int n = round * 37 + i;
      kept.append(named("a"), at(n * 1s), n * 0.5);
      expected.emplace_back(n, n * 0.5);
    }
    kept.flush(at(round * 37s), round % 3 == 0 ? 1 : 0);
  }
}

TEST(MetricsDb, ReachesBackOverTheEdgeOfMemory) {
  const TempDir dir;
  Kept kept(dir.path("metrics.db"), TimePoint::min(), {}, {.retention = 1h});
  Points expected;
  for (int i = 0; i < 4000; ++i) {
    kept.append(named("a"), at(i * 5s), i);
    expected.emplace_back(i * 5, i);
    if (i % 100 == 0) kept.store.maintain(at(i * 5s));
  }
  kept.flush(at(20000s));
  const Points in_memory = points(kept.store, named("a"));
  EXPECT_LT(in_memory.size(), 1000U);
  const auto history = kept.db->history();
  const SeriesStore view = kept.store.reaching_back(*history, TimePoint::min(), at(20000s));
  const auto selected = view.select(matching(R"({__name__="a"})"), TimePoint::min(), TimePoint::max());
  ASSERT_EQ(selected.size(), 1U);
  EXPECT_EQ(points(view, selected[0].ref), expected);
  EXPECT_EQ(points(view, selected[0].ref, at(1000s), at(1009s)), (Points{{1000, 200}, {1005, 201}}));
  const std::int64_t edge = in_memory.front().first;
  EXPECT_EQ(points(view, selected[0].ref, at((edge - 5) * 1s), at(edge * 1s)).size(), 2U);
  EXPECT_EQ(view.newest(selected[0].ref, at(1003s))->v, 200);
  EXPECT_EQ(view.newest(selected[0].ref, at(20000s))->v, 3999);
  EXPECT_FALSE(view.newest(selected[0].ref, at(-1s)));
}

TEST(MetricsDb, ASeriesThatIsInMemoryNoMoreIsFoundInTheHistory) {
  const TempDir dir;
  Kept kept(dir.path("metrics.db"), TimePoint::min(), {}, {.retention = 1h});
  kept.append(named("old"), at(0s), 1);
  kept.append(named("old"), at(10s), 2);
  kept.append(Labels{{kMetricName, "other"}, {"zone", "b"}}, at(0s), 1);
  for (Duration t = 0s; t < 4h; t += 30s) {
    kept.append(named("new"), at(t), 1);
    kept.store.maintain(at(t));
    if (t % 5min == 0s) kept.flush(at(t));
  }
  EXPECT_FALSE(kept.store.find(named("old")));
  const auto history = kept.db->history();
  const auto select = [&](const SeriesStore& view, std::string_view text) {
    std::string names;
    for (const SelectedSeries& s : view.select(matching(text), TimePoint::min(), TimePoint::max())) {
      names += std::string(s.labels.metric_name()) + " ";
      EXPECT_EQ(view.labels(s.ref), s.labels);
    }
    return names;
  };
  const SeriesStore all = kept.store.reaching_back(*history, TimePoint::min(), at(4h));
  EXPECT_EQ(select(all, R"({job="test"})"), "new old ");
  EXPECT_EQ(select(all, R"({__name__=~".+",job=""})"), "other ");
  EXPECT_EQ(all.label_names(), (std::vector<std::string>{"__name__", "job", "zone"}));
  EXPECT_EQ(all.label_values("__name__"), (std::vector<std::string>{"new", "old", "other"}));
  EXPECT_EQ(all.label_values("__name__", matching(R"({job="test"})")), (std::vector<std::string>{"new", "old"}));
  const auto old = all.select(matching(R"({__name__="old"})"), TimePoint::min(), TimePoint::max());
  ASSERT_EQ(old.size(), 1U);
  EXPECT_EQ(points(all, old[0].ref), (Points{{0, 1}, {10, 2}}));
  EXPECT_EQ(all.newest(old[0].ref, at(1min))->v, 2);

  const SeriesStore lately = kept.store.reaching_back(*history, at(3h + 30min), at(4h));
  EXPECT_EQ(select(lately, R"({job="test"})"), "new ");
  EXPECT_EQ(select(kept.store, R"({job="test"})"), "new ") << "rules see what is in memory";
}

TEST(MetricsDb, ASeriesThatComesBackIsOneSeries) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  Points expected;
  {
    Kept kept(path, TimePoint::min(), {}, {.retention = 1h});
    for (const Duration day : {0h, 24h, 48h}) {
      kept.store.maintain(at(day + 1h));
      for (int i = 0; i < 200; ++i) {
        kept.append(named("a"), at(day + i * 10s), i);
        expected.emplace_back((day + i * 10s) / 1s, i);
      }
      for (int i = 0; i < 3; ++i) kept.store.maintain(at(day + 20h));
      EXPECT_FALSE(kept.store.find(named("a")));
      kept.flush(at(day + 20h));
    }
    kept.store.maintain(at(72h));
    kept.append(named("a"), at(72h), 5);
    expected.emplace_back(72 * 3600, 5);
    kept.flush(at(72h));
  }
  Kept kept(path, at(71h), {}, {.retention = 1h});
  EXPECT_EQ(points(kept.store, named("a")), (Points{{72 * 3600, 5}}));
  const auto history = kept.db->history();
  const SeriesStore view = kept.store.reaching_back(*history, TimePoint::min(), at(72h));
  const auto found = view.select(matching(R"({__name__="a"})"), TimePoint::min(), TimePoint::max());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(points(view, found[0].ref), expected);
}

TEST(MetricsDb, AfterALoadMemoryBeginsWhereItIsTold) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  {
    Kept kept(path);
    for (int i = 0; i < 2000; ++i) {
      kept.append(named("a"), at(i * 15s), i);
      if (i < 100) kept.append(named("ended"), at(i * 15s), i);
    }
    kept.flush(at(2000 * 15s));
  }
  Kept kept(path, at(2000 * 15s - 2h));
  const Points in_memory = points(kept.store, named("a"));
  ASSERT_FALSE(in_memory.empty());
  EXPECT_LE(in_memory.front().first, 2000 * 15 - 7200);
  EXPECT_GT(in_memory.front().first, 2000 * 15 - 7200 - 120 * 15);
  EXPECT_EQ(kept.store.complete_since(), at(2000 * 15s - 2h));
  for (int i = 0; i < 2; ++i) kept.store.maintain(at(2000 * 15s));
  kept.flush(at(2000 * 15s));
  EXPECT_FALSE(kept.store.find(named("ended")));
  const auto history = kept.db->history();
  const SeriesStore view = kept.store.reaching_back(*history, TimePoint::min(), at(2000 * 15s));
  const auto found = view.select(matching(R"({job="test"})"), TimePoint::min(), TimePoint::max());
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(points(view, found[0].ref).size(), 2000U);
  EXPECT_EQ(points(view, found[1].ref).size(), 100U);
}

TEST(MetricsDb, AFullDiskStopsNothingAndAllIsWrittenWhenThereIsRoom) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  Points expected;
  {
    Kept kept(path);
    const auto fill = [&](int from, int to, Duration pace) {
      for (int i = from; i < to; ++i) {
        for (int s = 0; s < 20; ++s) kept.append(named("s" + std::to_string(s)), at(i * pace), i * 0.1 + s);
        expected.emplace_back(i * pace / 1s, i * 0.1);
        if (i % 10 == 0) kept.flush(at(i * pace));
      }
    };
    fill(0, 100, 1s);
    EXPECT_FALSE(kept.db->stats().failing);
    kept.db->limit_pages_for_test(40);
    fill(100, 1000, 1s);
    EXPECT_TRUE(kept.db->stats().failing);
    EXPECT_NE(kept.db->stats().error.find("full"), std::string::npos) << kept.db->stats().error;
    EXPECT_GT(kept.db->stats().batches_skipped_total, 10U);
    EXPECT_EQ(points(kept.store, named("s0")), expected) << "memory goes on";
    kept.append(named("came meanwhile"), at(999s), 1);
    kept.db->limit_pages_for_test(1'000'000);
    fill(1000, 1500, 1s);
    kept.flush(at(1500s));
    EXPECT_FALSE(kept.db->stats().failing);
  }
  Kept kept(path);
  EXPECT_EQ(points(kept.store, named("s0")), expected);
  EXPECT_EQ(points(kept.store, named("came meanwhile")), (Points{{999, 1}}));
}

TEST(MetricsDb, ADiskThatIsTooSlowIsNotWaitedFor) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  {
    Kept kept(path, TimePoint::min(), {.queue_bytes_max = 10'000});
    for (int i = 0; i < 2000; ++i) kept.append(named("a"), at(i * 1s), i);  // more than fits into the queue
    kept.flush(at(2000s));
    EXPECT_EQ(kept.db->stats().batches_skipped_total, 1U);
    kept.flush(at(2005s));
    EXPECT_EQ(kept.db->stats().transactions_total, 0U) << "not at once";
    for (int i = 0; i < 3; ++i) kept.flush(at(2011s + i * 1s), 1);
  }
  Kept kept(path);
  EXPECT_EQ(points(kept.store, named("a")).size(), 2000U);
}

TEST(MetricsDb, DeletesWhatIsOlderThanTheRetention) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  Kept kept(path, TimePoint::min(), {.retention = 24h}, {.retention = 1h});
  kept.append(named("gone"), at(0s), 1);
  for (Duration t = 0s; t < 72h; t += 1min) {
    kept.append(named("a"), at(t), 1);
    if (t % 5min == 0s) {
      kept.store.maintain(at(t));
      kept.flush(at(t), 0.1);
    }
  }
  const auto history = kept.db->history();
  const SeriesStore view = kept.store.reaching_back(*history, TimePoint::min(), at(72h));
  const auto found = view.select(matching(R"({job="test"})"), TimePoint::min(), TimePoint::max());
  ASSERT_EQ(found.size(), 1U) << "a series without samples is forgotten";
  const Points left = points(view, found[0].ref);
  EXPECT_LE(left.front().first, 48 * 3600);
  EXPECT_GE(left.front().first, 44 * 3600) << "whole buckets";
  EXPECT_EQ(left.back().first, 72 * 3600 - 60);
  EXPECT_GE(kept.db->stats().oldest, at(44h));
}

TEST(MetricsDb, DeletesTheOldestWhenTheFileIsTooLarge) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  Kept kept(path, TimePoint::min(), {.bytes_max = 1 << 20}, {.retention = 1h});
  std::size_t most = 0;
  for (Duration t = 0s; t < 100h; t += 1min) {
    for (int s = 0; s < 60; ++s) {
      kept.append(named("s" + std::to_string(s)), at(t), static_cast<double>((t / 1min * 7919 + s) % 1000) / 7);
    }
    if (t % 5min != 0s) continue;
    kept.store.maintain(at(t));
    kept.flush(at(t), 0.1);
    most = std::max(most, kept.db->stats().bytes);
  }
  EXPECT_LE(most, (1U << 20) + (1U << 19));
  EXPECT_GT(kept.db->stats().bytes, 1U << 19);
  const auto history = kept.db->history();
  const SeriesStore view = kept.store.reaching_back(*history, TimePoint::min(), at(100h));
  const Points left = points(view, kept.store.find(named("s7")));
  EXPECT_GT(left.front().first, 3600);
  EXPECT_EQ(left.back().first, 100 * 3600 - 60);
}

TEST(MetricsDb, SetsADamagedFileAsideAndGoesOn) {
  const TempDir dir;
  const std::string path = dir.write("metrics.db", std::string(8192, 'x'));
  {
    Kept kept(path);
    ASSERT_NE(kept.db, nullptr);
    EXPECT_TRUE(std::filesystem::exists(path + ".corrupt-1"));
    kept.append(named("a"), at(0s), 1);
    kept.flush(at(0s));
  }
  Kept kept(path);
  EXPECT_EQ(points(kept.store, named("a")), (Points{{0, 1}}));
}

/// Writes nonsense over the pages from a third of the file on.
void damage(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path));
  ASSERT_GT(size, 40 * 4096);
  file.seekp(size / 3 / 4096 * 4096);
  file << std::string(static_cast<std::size_t>(size / 3), 'x');
}

TEST(MetricsDb, KeepsWhatCanBeReadOfAFileThatIsDamagedInside) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  const auto fill = [](Kept& kept, Duration from) {
    for (int i = 0; i < 1000; ++i) {
      for (int s = 0; s < 40; ++s) kept.append(named("s" + std::to_string(s)), at(from + i * 1s), i * 0.37 + s);
      if (i % 10 == 0) kept.flush(at(from + i * 1s), 0.1);
    }
    kept.flush(at(from + 1000s), 1);
  };
  {
    Kept kept(path);
    fill(kept, 0s);
  }
  damage(path);
  std::size_t samples = 0;
  {
    Kept kept(path);
    ASSERT_NE(kept.db, nullptr);
    EXPECT_TRUE(std::filesystem::exists(path + ".corrupt-1"));
    fill(kept, 2000s);
    samples = kept.store.stats().samples;
    EXPECT_GE(samples, 40'000U);
  }
  Kept kept(path);
  EXPECT_EQ(kept.store.stats().samples, samples) << "what was saved of the old file is in the new one";
}

TEST(MetricsDb, AFileThatIsTornUnderARunningAgentIsReplacedAndWrittenAnew) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  Kept kept(path, TimePoint::min(), {}, {.retention = 1h});
  for (int i = 0; i < 20'000; ++i) {
    for (int s = 0; s < 10; ++s) kept.append(named("s" + std::to_string(s)), at(i * 1s), i * 0.37 + s);
    if (i % 100 == 0) kept.flush(at(i * 1s), 0.1);
    if (i % 1000 == 0) kept.store.maintain(at(i * 1s));
  }
  ASSERT_TRUE(sqlite::Database::open(path)->run("PRAGMA wal_checkpoint(TRUNCATE)"));
  damage(path);
  const auto history = kept.db->history();
  const SeriesStore view = kept.store.reaching_back(*history, TimePoint::min(), at(20'000s));
  for (int s = 0; s < 10; ++s) (void)points(view, kept.store.find(named("s" + std::to_string(s))));
  for (int i = 20'000; i < 20'100; ++i) {
    for (int s = 0; s < 10; ++s) kept.append(named("s" + std::to_string(s)), at(i * 1s), i * 0.37 + s);
    kept.flush(at(i * 1s), 0.1);
  }
  EXPECT_TRUE(std::filesystem::exists(path + ".corrupt-1"));
  EXPECT_FALSE(kept.db->stats().failing);
  Kept other(killed(dir, path));
  EXPECT_EQ(points(other.store, named("s3")), points(kept.store, named("s3")));
}

TEST(MetricsDb, RefusesAFileOfANewerVersion) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  { Kept kept(path); }
  ASSERT_TRUE(sqlite::Database::open(path)->run("PRAGMA user_version = 999"));
  SeriesStore store;
  const auto db = MetricsDb::open(path, {}, store, TimePoint::min());
  ASSERT_FALSE(db);
  EXPECT_NE(db.error().message.find("newer tocsin"), std::string::npos) << db.error().message;
  EXPECT_FALSE(std::filesystem::exists(path + ".corrupt-1"));
}

TEST(MetricsDb, DamagedChunksAreLeftOut) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  {
    Kept kept(path, TimePoint::min(), {}, {.retention = 1h});
    for (int i = 0; i < 20'000; ++i) {
      kept.append(named("a"), at(i * 1s), i * 0.37);
      if (i % 1000 == 0) kept.store.maintain(at(i * 1s));
    }
    kept.flush(at(20'000s), 1);
  }
  auto db = sqlite::Database::open(path);
  ASSERT_TRUE(db->run("UPDATE chunk SET data = substr(data, 1, 20) || x'ff00ffa5' || substr(data, 25) WHERE first % 7 = 0;"
                      "UPDATE chunk SET count = 1 << 40 WHERE first % 7 = 1; UPDATE chunk SET data = x'' WHERE "
                      "first % 7 = 2; UPDATE growing SET data = randomblob(20), count = 100; "
                      "UPDATE log SET samples = randomblob(90)"));
  const std::int64_t sound = *db->integer("SELECT sum(count) FROM chunk WHERE first % 7 > 2");
  const std::int64_t chunks = *db->integer("SELECT count(*) FROM chunk");
  Kept kept(path, at(15'000s), {}, {.retention = 1h});
  const auto history = kept.db->history();
  const SeriesStore view = kept.store.reaching_back(*history, TimePoint::min(), TimePoint::max());
  const Points got = points(view, kept.store.find(named("a")));
  EXPECT_EQ(static_cast<std::int64_t>(got.size()), sound);
  EXPECT_EQ(chunks, 100);
  for (const auto& [t, v] : got) ASSERT_EQ(v, static_cast<double>(t) * 0.37);
}

TEST(MetricsImport, AddsSamplesOfThePast) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  {
    Kept kept(path);
    for (int i = 0; i < 100; ++i) kept.append(named("a"), at(100h + i * 1s), 1);
    kept.flush(at(101h));
  }
  {
    auto import = MetricsImport::open(path);
    ASSERT_TRUE(import) << import.error().message;
    std::vector<Sample> samples;
    for (int i = 0; i < 1000; ++i) samples.push_back({at(i * 1min), i * 1.0});
    ASSERT_TRUE(import->add(named("a"), samples));
    ASSERT_TRUE(import->add(named("b"), std::span(samples).first(300)));
    ASSERT_TRUE(import->commit());
    ASSERT_TRUE(import->add(named("b"), std::span(samples).subspan(300)));
    ASSERT_FALSE(import->add(named("b"), samples)) << "older than what it had";
    ASSERT_TRUE(import->commit());
    ASSERT_TRUE(import->add(named("never committed"), samples));
  }
  Kept kept(path, at(99h));
  EXPECT_EQ(points(kept.store, named("a")).size(), 100U);
  const auto history = kept.db->history();
  const SeriesStore view = kept.store.reaching_back(*history, TimePoint::min(), TimePoint::max());
  const auto found = view.select(matching(R"({job="test"})"), TimePoint::min(), TimePoint::max());
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(points(view, found[0].ref).size(), 1100U);
  EXPECT_EQ(points(view, found[1].ref).size(), 1000U);
}

TEST(MetricsImport, WhatIsNewEnoughIsInMemoryWhenTheAgentStarts) {
  const TempDir dir;
  const std::string path = dir.path("metrics.db");
  const std::vector<Sample> samples{{at(0s), 1}, {at(100h), 2}, {at(100h + 1s), 3}};
  auto import = MetricsImport::open(path);
  ASSERT_TRUE(import && import->add(named("a"), samples) && import->commit());
  for (int round = 0; round < 2; ++round) {
    Kept kept(path, at(99h));
    EXPECT_EQ(points(kept.store, named("a")).size(), 2U + static_cast<std::size_t>(round));
    kept.append(named("a"), at(101h), 4);
    kept.flush(at(101h));
  }
}

}  // namespace
}  // namespace tocsin
