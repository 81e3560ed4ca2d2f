#include "agent/store/series_store.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <map>
#include <random>

namespace tocsin {
namespace {

TimePoint at(std::int64_t ms) {
  return TimePoint(Duration(ms));
}
TimePoint sec(std::int64_t s) {
  return at(s * 1000);
}
const TimePoint kAlways = TimePoint::min();
const TimePoint kForever = TimePoint::max();

Matcher m(std::string_view name, MatchOp op, std::string_view value) {
  return *Matcher::make(name, op, value);
}

SeriesRef must(SeriesStore& store, const Labels& labels) {
  const auto ref = store.ref(labels);
  EXPECT_TRUE(ref) << labels.str();
  return ref ? *ref : SeriesRef{};
}

std::vector<Sample> all(const SeriesStore& store, SeriesRef ref, TimePoint from = kAlways, TimePoint to = kForever) {
  std::vector<Sample> out;
  store.samples(ref, from, to, out);
  return out;
}

std::vector<std::string> selected(const SeriesStore& store, const Matchers& matchers) {
  std::vector<std::string> out;
  for (const SelectedSeries& s : store.select(matchers, kAlways, kForever)) out.push_back(s.labels.metric_str());
  return out;
}

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

TEST(SeriesStore, GivesEqualLabelsTheSameRef) {
  SeriesStore store;
  const SeriesRef a = must(store, {{"__name__", "up"}, {"job", "api"}});
  EXPECT_EQ(must(store, {{"job", "api"}, {"__name__", "up"}}), a);
  EXPECT_EQ(store.find({{"__name__", "up"}, {"job", "api"}}), a);
  EXPECT_FALSE(store.find({{"__name__", "up"}}));
  EXPECT_EQ(store.labels(a), (Labels{{"__name__", "up"}, {"job", "api"}}));
  EXPECT_EQ(store.stats().series, 1U);
}

TEST(SeriesStore, ReturnsWhatWasAppended) {
  SeriesStore store;
  const SeriesRef ref = must(store, {{"__name__", "up"}});
  for (int i = 0; i < 500; ++i) ASSERT_EQ(store.append(ref, sec(15 * i), i * 0.5), AppendResult::kAppended);
  const auto got = all(store, ref);
  ASSERT_EQ(got.size(), 500U);
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(got[static_cast<std::size_t>(i)].t, sec(15 * i));
    EXPECT_EQ(got[static_cast<std::size_t>(i)].v, i * 0.5);
  }
  EXPECT_EQ(all(store, ref, sec(15), sec(45)).size(), 3U);
  EXPECT_EQ(all(store, ref, at(15001), at(44999)).size(), 1U);
  EXPECT_EQ(store.stats().samples, 500U);
}

TEST(SeriesStore, SaysWhyItDidNotTakeASample) {
  SeriesStore store;
  const SeriesRef ref = must(store, {{"__name__", "up"}});
  store.maintain(sec(1000));
  EXPECT_EQ(store.append(ref, sec(1000), 1), AppendResult::kAppended);
  EXPECT_EQ(store.append(ref, sec(1000), 1), AppendResult::kDuplicate);
  EXPECT_EQ(store.append(ref, sec(1000), 2), AppendResult::kConflict);
  EXPECT_EQ(store.append(ref, sec(999), 1), AppendResult::kOutOfOrder);
  EXPECT_EQ(store.append(ref, sec(1600), 1), AppendResult::kAppended);
  EXPECT_EQ(store.append(ref, at(1600001), 1), AppendResult::kTooFarFuture);
  EXPECT_EQ(store.append({}, sec(1000), 1), AppendResult::kUnknownRef);
  EXPECT_EQ(store.append({ref.id + 1}, sec(1000), 1), AppendResult::kUnknownRef);
  EXPECT_EQ(store.append({ref.id + (std::uint64_t{1} << 32)}, sec(1000), 1), AppendResult::kUnknownRef);
  const SeriesStoreStats& stats = store.stats();
  EXPECT_EQ(stats.appended_total, 2U);
  EXPECT_EQ(stats.duplicate_total, 1U);
  EXPECT_EQ(stats.conflict_total, 1U);
  EXPECT_EQ(stats.out_of_order_total, 1U);
  EXPECT_EQ(stats.too_far_future_total, 1U);
}

TEST(SeriesStore, RefusesInstantsThatNobodyMeans) {
  SeriesStore store;
  const SeriesRef ref = must(store, {{"__name__", "up"}});
  EXPECT_EQ(store.append(ref, TimePoint::max(), 1), AppendResult::kTooFarFuture);
  EXPECT_EQ(store.append(ref, TimePoint::min(), 1), AppendResult::kOutOfOrder);
  EXPECT_TRUE(all(store, ref).empty());
}

TEST(SeriesStore, TellsANaNRepeatedFromAnotherNaN) {
  SeriesStore store;
  const SeriesRef ref = must(store, {{"__name__", "up"}});
  EXPECT_EQ(store.append(ref, sec(1), kNaN), AppendResult::kAppended);
  EXPECT_EQ(store.append(ref, sec(1), kNaN), AppendResult::kDuplicate);
  EXPECT_EQ(store.append(ref, sec(1), kStaleNaN), AppendResult::kConflict);
}

TEST(SeriesStore, FindsTheNewestSampleWithinTheLeftOpenLookback) {
  SeriesStore store;
  const SeriesRef ref = must(store, {{"__name__", "up"}});
  for (int i = 0; i < 300; ++i) store.append(ref, sec(i), i);
  const struct {
    TimePoint at;
    double want;  // -1: nothing
  } rows[] = {{sec(299), 299}, {at(299999), 299}, {at(298999), 298},    {sec(0), 0},
              {sec(120), 120}, {at(-1), -1},      {sec(299 + 300), -1}, {at((299 + 300) * 1000 - 1), 299}};
  for (const auto& row : rows) {
    const auto got = store.newest(ref, row.at);
    EXPECT_EQ(got ? got->v : -1, row.want) << row.at.time_since_epoch().count();
  }
  EXPECT_FALSE(store.newest({}, sec(1)));
}

TEST(SeriesStore, HasNoNewestSampleBehindAStaleMarker) {
  SeriesStore store;
  const SeriesRef ref = must(store, {{"__name__", "up"}});
  store.append(ref, sec(1), 7);
  store.append(ref, sec(2), kStaleNaN);
  EXPECT_FALSE(store.newest(ref, sec(2)));
  EXPECT_EQ(store.newest(ref, at(1999))->v, 7);
  EXPECT_TRUE(is_stale(all(store, ref).back().v));
  store.append(ref, sec(3), kNaN);
  ASSERT_TRUE(store.newest(ref, sec(3)));
  EXPECT_TRUE(same_bits(store.newest(ref, sec(3))->v, kNaN));
}

class Selecting : public testing::Test {
 protected:
  Selecting() {
    for (const Labels& labels : {Labels{{"__name__", "up"}, {"job", "api"}, {"instance", "a"}},
                                 Labels{{"__name__", "up"}, {"job", "api"}, {"instance", "b"}},
                                 Labels{{"__name__", "up"}, {"job", "db"}, {"instance", "c"}},
                                 Labels{{"__name__", "up"}, {"instance", "d"}}, Labels{{"__name__", "down"}}}) {
      store.append(must(store, labels), sec(1), 1);
    }
  }
  SeriesStore store;
};

TEST_F(Selecting, FollowsEveryKindOfMatcher) {
  using Texts = std::vector<std::string>;
  const auto up = [](const char* rest) { return std::string("up{") + rest + "}"; };
  const std::string a = up(R"(instance="a",job="api")");
  const std::string b = up(R"(instance="b",job="api")");
  const std::string c = up(R"(instance="c",job="db")");
  const std::string d = up(R"(instance="d")");
  const struct {
    const char* matchers;
    Texts want;
  } rows[] = {
      {R"({__name__="up"})", {a, b, c, d}},
      {R"({__name__="up",job="api"})", {a, b}},
      {R"({job="api",instance="b"})", {b}},
      {R"({job="api",instance="c"})", {}},
      {R"({job="none"})", {}},
      {R"({none="x"})", {}},
      {R"({none=""})", {"down", a, b, c, d}},
      {R"({none!="x"})", {"down", a, b, c, d}},
      {R"({none!~".+"})", {"down", a, b, c, d}},
      {R"({none!=""})", {}},
      {R"({none=~".+"})", {}},
      {R"({job=""})", {"down", d}},
      {R"({job!=""})", {a, b, c}},
      {R"({job!="api"})", {"down", c, d}},
      {R"({__name__="up",job!="api"})", {c, d}},
      {R"({__name__="up",job=""})", {d}},
      {R"({job=~"api|db"})", {a, b, c}},
      {R"({job=~"api|none"})", {a, b}},
      {R"({job=~"api|api"})", {a, b}},
      {R"({job=~"api|"})", {"down", a, b, d}},
      {R"({job=~"a.*"})", {a, b}},
      {R"({job=~"ap"})", {}},
      {R"({job=~".*"})", {"down", a, b, c, d}},
      {R"({job=~".+"})", {a, b, c}},
      {R"({job!~"a.*"})", {"down", c, d}},
      {R"({job!~"api|db"})", {"down", d}},
      {R"({job!~".*"})", {}},
      {R"({job!~"",instance!~"a|c"})", {b}},
      {R"({job="api",job="db"})", {}},
      {R"({job=~"(?i)API"})", {a, b}},
  };
  for (const auto& row : rows) {
    const auto matchers = parse_matchers(row.matchers);
    ASSERT_TRUE(matchers) << row.matchers;
    EXPECT_EQ(selected(store, *matchers), row.want) << row.matchers;
  }
  EXPECT_EQ(selected(store, {}), (Texts{"down", a, b, c, d}));
}

TEST_F(Selecting, LeavesOutWhatHasNoSamplesInTheWindow) {
  const Matchers down{Matcher::equal("__name__", "down")};
  EXPECT_EQ(store.select(down, sec(1), sec(1)).size(), 1U);
  EXPECT_EQ(store.select(down, at(1001), sec(9)).size(), 0U);
  EXPECT_EQ(store.select(down, sec(0), at(999)).size(), 0U);
}

TEST_F(Selecting, ListsNamesAndValues) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(store.label_names(), (Texts{"__name__", "instance", "job"}));
  EXPECT_EQ(store.label_names({Matcher::equal("__name__", "down")}), (Texts{"__name__"}));
  EXPECT_EQ(store.label_values("job"), (Texts{"api", "db"}));
  EXPECT_EQ(store.label_values("job", {m("instance", MatchOp::kRegex, "a|b|d")}), (Texts{"api"}));
  EXPECT_TRUE(store.label_values("none").empty());
}

TEST(SeriesStore, RefusesSeriesAboveTheLimitAndKeepsTheOthers) {
  SeriesStore store({.series_max = 2});
  const SeriesRef a = must(store, {{"n", "a"}});
  must(store, {{"n", "b"}});
  EXPECT_FALSE(store.ref({{"n", "c"}}));
  EXPECT_EQ(must(store, {{"n", "a"}}), a);
  EXPECT_EQ(store.stats().series_refused_total, 1U);
}

TEST(SeriesStore, DropsWhatIsOlderThanTheRetention) {
  SeriesStore store({.retention = std::chrono::minutes(60)});
  const SeriesRef live = must(store, {{"n", "live"}});
  const SeriesRef gone = must(store, {{"n", "gone"}});
  store.append(gone, sec(0), 1);
  const auto before = store.generation();
  for (int i = 0; i <= 1000; ++i) {
    store.append(live, sec(15 * i), i);
    store.maintain(sec(15 * i));
  }
  EXPECT_NE(store.generation(), before);
  EXPECT_EQ(store.append(gone, sec(15000), 1), AppendResult::kUnknownRef);
  EXPECT_TRUE(store.labels(gone).empty());
  EXPECT_FALSE(store.find({{"n", "gone"}}));
  EXPECT_EQ(selected(store, {}), (std::vector<std::string>{R"({n="live"})"}));
  const auto kept = all(store, live);
  EXPECT_LE(kept.front().t, sec(15000 - 3600));
  EXPECT_GE(kept.front().t, sec(15000 - 3600 - 1800)) << "at most half a retention more";
  EXPECT_EQ(kept.size(), store.stats().samples);
}

TEST(SeriesStore, KeepsASeriesJustMadeAndDropsOneThatStaysEmpty) {
  SeriesStore store;
  const SeriesRef ref = must(store, {{"n", "a"}});
  store.maintain(sec(1));
  EXPECT_EQ(store.append(ref, sec(1), 1), AppendResult::kAppended);
  const SeriesRef empty = must(store, {{"n", "b"}});
  store.maintain(sec(2));
  EXPECT_EQ(store.find({{"n", "b"}}), empty);
  store.maintain(sec(3));
  EXPECT_FALSE(store.find({{"n", "b"}}));
  EXPECT_EQ(store.stats().series_removed_total, 1U);
}

TEST(SeriesStore, NeverUsesARefTwice) {
  SeriesStore store({.retention = std::chrono::minutes(1)});
  const SeriesRef first = must(store, {{"n", "a"}});
  store.append(first, sec(0), 1);
  store.maintain(sec(100));
  store.maintain(sec(100));
  const SeriesRef second = must(store, {{"n", "a"}});
  EXPECT_NE(first, second);
  EXPECT_EQ(store.append(first, sec(100), 1), AppendResult::kUnknownRef);
  EXPECT_EQ(store.append(second, sec(100), 1), AppendResult::kAppended);
}

TEST(SeriesStore, GivesUpTheOldestChunksWhenItTakesTooManyBytes) {
  SeriesStore store({.bytes_max = 200'000});
  std::vector<SeriesRef> refs;
  for (int i = 0; i < 50; ++i) refs.push_back(must(store, {{"n", std::to_string(i)}}));
  std::mt19937_64 random(1);
  for (int t = 0; t < 1000; ++t) {
    for (const SeriesRef ref : refs) store.append(ref, sec(t), std::bit_cast<double>(random() >> 2));
    store.maintain(sec(t));
    ASSERT_LT(store.stats().bytes, 300'000U) << t;
  }
  EXPECT_EQ(store.stats().series, 50U);
  for (const SeriesRef ref : refs) EXPECT_EQ(all(store, ref).back().t, sec(999));
}

// A store that is thrown all kinds of things, held against a map of vectors.
class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) { store_.maintain(now_); }

  void step() {
    now_ += Duration(roll(20'000));
    const Labels labels = random_labels();
    const SeriesRef ref = must(store_, labels);
    auto& samples = model_[labels];
    const int count = roll(40);
    for (int i = 0; i < count; ++i) {
      const TimePoint t =
          (samples.empty() ? now_ : samples.back().t) + Duration(roll(4) == 0 ? roll(100'000) - 50 : 15'000);
      const double v = random_value(samples.empty() ? 0 : samples.back().v);
      const bool newer = (samples.empty() || t > samples.back().t) && t <= maintained_ + std::chrono::minutes(10);
      if (newer) samples.push_back({t, v});
      EXPECT_EQ(store_.append(ref, t, v) == AppendResult::kAppended, newer);
      if (newer) now_ = std::max(now_, t);
    }
    if (roll(4) == 0) maintain();
  }

  void check() {
    std::vector<std::string> want;
    for (const auto& [labels, samples] : model_) want.push_back(labels.metric_str());
    ASSERT_EQ(selected(store_, {}), want);
    std::size_t total = 0;
    for (const auto& [labels, samples] : model_) {
      total += samples.size();
      const SeriesRef ref = store_.find(labels);
      ASSERT_TRUE(ref);
      expect_same(all(store_, ref), samples);
      const TimePoint from = now_ - Duration(roll(3'000'000));
      const TimePoint to = from + Duration(roll(3'000'000));
      std::vector<Sample> window;
      for (const Sample& s : samples) {
        if (from <= s.t && s.t <= to) window.push_back(s);
      }
      expect_same(all(store_, ref, from, to), window);
      std::optional<Sample> newest;
      for (const Sample& s : samples) {
        if (s.t <= to && s.t > to - kDefaultLookback) newest = s;
      }
      if (newest && is_stale(newest->v)) newest.reset();
      const auto got = store_.newest(ref, to);
      ASSERT_EQ(got.has_value(), newest.has_value());
      if (got) expect_same({*got}, {*newest});
    }
    EXPECT_EQ(store_.stats().samples, total);
    EXPECT_EQ(store_.stats().series, model_.size());
    for (int i = 0; i < 20; ++i) check_select();
  }

 private:
  int roll(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }

  Labels random_labels() {
    LabelsBuilder b;
    for (const char* name : {"a", "b", "c", "d"}) b.set(name, roll(3) == 0 ? "" : "v" + std::to_string(roll(4)));
    return b.labels();
  }

  double random_value(double last) {
    switch (roll(8)) {
      case 0:
        return std::bit_cast<double>(random_());
      case 1:
        return kStaleNaN;
      case 2:
        return kNaN;
      case 3:
        return -0.0;
      case 4:
        return last + roll(100);
      default:
        return last;
    }
  }

  // What is left is asked of the store, and must be a tail of what was there, of which nothing within the retention is
  // gone.
  void maintain() {
    maintained_ = now_;
    store_.maintain(now_);
    store_.maintain(now_);
    for (auto entry = model_.begin(); entry != model_.end();) {
      auto& samples = entry->second;
      const SeriesRef ref = store_.find(entry->first);
      const auto left = ref ? all(store_, ref) : std::vector<Sample>();
      ASSERT_LE(left.size(), samples.size());
      for (std::size_t i = 0; i + left.size() < samples.size(); ++i) {
        EXPECT_LE(samples[i].t, now_ - std::chrono::hours(2));
      }
      samples.erase(samples.begin(), samples.end() - static_cast<std::ptrdiff_t>(left.size()));
      entry = ref ? std::next(entry) : model_.erase(entry);
    }
  }

  void check_select() {
    Matchers matchers;
    const char* const values[] = {"", "v0", "v1", "v1|v2", "v.", ".*", ".+", "v0|", "v9", "x"};
    const char* const names[] = {"a", "b", "c", "d", "none"};
    const MatchOp ops[] = {MatchOp::kEqual, MatchOp::kNotEqual, MatchOp::kRegex, MatchOp::kNotRegex};
    for (int i = roll(4); i >= 0; --i) matchers.push_back(m(names[roll(5)], ops[roll(4)], values[roll(10)]));
    std::vector<std::string> want;
    for (const auto& [labels, samples] : model_) {
      if (matches(matchers, labels)) want.push_back(labels.metric_str());
    }
    EXPECT_EQ(selected(store_, matchers), want);
  }

  static void expect_same(const std::vector<Sample>& got, const std::vector<Sample>& want) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].t, want[i].t);
      ASSERT_TRUE(same_bits(got[i].v, want[i].v));
    }
  }

  std::mt19937_64 random_;
  TimePoint now_ = sec(1'700'000'000);
  TimePoint maintained_ = now_;
  SeriesStore store_;
  std::map<Labels, std::vector<Sample>> model_;
};

TEST(SeriesStore, AgreesWithAMapOfVectors) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    Model model(seed);
    for (int i = 0; i < 400; ++i) {
      model.step();
      if (i % 100 == 99) model.check();
      if (testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace tocsin
