// Delivery in virtual time, against receivers that do what a test tells them to, with a real state.db. What a receiver
// saw survives the kills; everything else comes back from the file.

#include "notifiers/delivery.h"

#include <gmock/gmock.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "agent/core/async.h"
#include "agent/core/log.h"
#include "agent/net/http_client.h"
#include "tests/notifiers/timeline.h"
#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using test::at;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Strings = std::vector<std::string>;

// The world outside: what arrived where, and how each channel answers.
struct Receivers {
  struct Arrival {
    TimePoint at;
    std::string channel, incident, key, provider_ref;
    std::int64_t sequence;
    std::uint32_t attempt;
    bool accepted;
  };
  std::vector<Arrival> arrivals;
  // By channel: the answer to an attempt, and how long it takes.
  std::map<std::string, std::function<SendResult(const Notification&, const SendContext&)>> answers;
  std::map<std::string, Duration> delays;
  std::size_t in_flight = 0, in_flight_max = 0;

  Strings seen(const std::string& channel) const {
    Strings out;
    for (const Arrival& a : arrivals) {
      if (a.channel == channel) {
        out.push_back(fmt::format("{} {}#{}{}", test::seconds(a.at), a.incident, a.sequence, a.accepted ? "" : " no"));
      }
    }
    return out;
  }
};

class FakeNotifier final : public Notifier {
 public:
  FakeNotifier(Receivers& world, Clock& clock) : world_(world), clock_(clock) {}
  asio::awaitable<SendResult> send(const Notification& n, const SendContext& context, Deadline) override {
    const auto answer = world_.answers.find(n.channel);
    const SendResult result = answer == world_.answers.end() ? SendResult::ok() : answer->second(n, context);
    world_.arrivals.push_back({clock_.now(), n.channel, n.incident, n.idempotency_key, context.provider_ref, n.sequence,
                               context.attempt, result.kind == SendResult::Kind::kOk});
    world_.in_flight_max = std::max(world_.in_flight_max, ++world_.in_flight);
    const Duration delay = world_.delays[n.channel];
    if (delay > 0ms) co_await clock_.sleep_until(clock_.now() + delay);
    --world_.in_flight;
    co_return result;
  }

 private:
  Receivers& world_;
  Clock& clock_;
};

OutboxRow row(const std::string& incident, const std::string& channel, std::int64_t sequence, double created = 0) {
  Notification n;
  n.incident = incident;
  n.channel = channel;
  n.sequence = sequence;
  n.idempotency_key = idempotency_key(incident, channel, sequence);
  n.created_at = at(created);
  OutboxRow r;
  r.incident = incident;
  r.channel = channel;
  r.sequence = sequence;
  r.idempotency_key = n.idempotency_key;
  r.notification = to_json(n);
  r.created_at = r.not_before = at(created);
  return r;
}

// One life of the process, from start to kill.
class Life {
 public:
  Life(const std::string& path, Receivers& world, double now, DeliveryConfig config = {})
      : clock_(std::make_unique<ManualClock>(at(now))), io_(std::make_unique<asio::io_context>()), world_(world) {
    auto opened = StateDb::open(path, [io = io_.get()](std::function<void()> f) { asio::post(*io, std::move(f)); });
    EXPECT_TRUE(opened) << opened.error().message;
    db_ = std::move(*opened);
    http_ = std::make_unique<HttpClient>(io_->get_executor());
    delivery_ = std::make_unique<Delivery>(
        io_->get_executor(), *db_, NotifierServices{*clock_, *http_}, config, [this](const Receipt& r) {
          receipts.push_back(fmt::format("{}#{} {}", r.incident, r.sequence, r.delivered ? "delivered" : r.detail));
          StateChange change;
          NotificationLogRow log;
          log.incident = r.incident;
          log.channel = r.channel;
          log.sequence = r.sequence;
          log.provider_ref = r.provider_ref;
          change.put_notification_log.push_back(log);
          return change;
        });
  }
  // kill -9: whatever is under way is simply gone.
  ~Life() {
    db_->flush();
    ::testing::internal::CaptureStderr();  // the tasks that are left are meant to be
    delivery_.reset();
    http_.reset();
    clock_.reset();
    io_.reset();
    ::testing::internal::GetCapturedStderr();
  }

  void channels(const Strings& ids) {
    NotifyConfig config;
    for (const std::string& id : ids) {
      ChannelConfig channel;
      channel.id = id;
      channel.make = [this](NotifierServices& s) { return std::make_unique<FakeNotifier>(world_, s.clock); };
      config.receivers[id].channels.push_back(std::move(channel));
    }
    delivery_->set_channels(config);
  }
  void start(const Strings& ids) {
    delivery_->restore(db_->loaded());
    channels(ids);
    delivery_->enqueue(db_->loaded().outbox);
  }
  // As the app does: rows go to Delivery once they are committed.
  void commit(std::vector<OutboxRow> rows) {
    StateChange change;
    change.put_outbox = rows;
    db_->commit(std::move(change), [this, rows](const Result<void>& done) {
      EXPECT_TRUE(done);
      delivery_->enqueue(rows);
    });
  }
  // One handler of the executor; false when nothing is left to do at this instant.
  bool step() {
    for (int tries = 0; tries < 2; ++tries) {
      io_->restart();
      if (io_->poll_one() > 0) return true;
      db_->flush();
    }
    return false;
  }
  void settle() {
    while (step()) {
    }
  }
  void run_until(double t) {
    settle();
    while (clock_->next_wake() <= at(t)) {
      clock_->advance_to(clock_->next_wake());
      settle();
    }
    clock_->advance_to(at(t));
    settle();
  }
  void advance_to_next() { clock_->advance_to(clock_->next_wake()); }
  bool idle() const { return clock_->next_wake() == TimePoint::max(); }

  ManualClock& clock() { return *clock_; }
  asio::io_context& io() { return *io_; }
  Delivery& delivery() { return *delivery_; }
  StateDb& db() { return *db_; }
  ChannelStatus status(const std::string& channel) {
    for (const ChannelStatus& s : delivery_->status()) {
      if (s.channel == channel) return s;
    }
    return {};
  }
  Strings receipts;

 private:
  std::unique_ptr<ManualClock> clock_;
  std::unique_ptr<asio::io_context> io_;
  Receivers& world_;
  std::unique_ptr<StateDb> db_;
  std::unique_ptr<HttpClient> http_;
  std::unique_ptr<Delivery> delivery_;
};

class DeliveryTest : public ::testing::Test {
 protected:
  Strings left_in_outbox() {
    auto db = StateDb::open(dir.path("state.db"), [](const std::function<void()>& f) { f(); });
    Strings out;
    for (const OutboxRow& r : (*db)->loaded().outbox) {
      out.push_back(fmt::format("{} {}#{} {}", r.channel, r.incident, r.sequence, r.state));
    }
    return out;
  }
  std::string path() { return dir.path("state.db"); }
  test::TempDir dir;
  Receivers world;
};

TEST_F(DeliveryTest, DeliversInSequenceAndNotesIt) {
  {
    Life life(path(), world, 0);
    life.start({"a", "b"});
    life.commit({row("i", "a", 1), row("i", "b", 1), row("i", "a", 2), row("j", "a", 1)});
    life.run_until(1);
    EXPECT_THAT(world.seen("a"), ElementsAre("0 i#1", "0 j#1", "0 i#2"));
    EXPECT_THAT(world.seen("b"), ElementsAre("0 i#1"));
    EXPECT_EQ(life.receipts.size(), 4U);
    EXPECT_EQ(life.status("a").delivered_total, 3U);
    EXPECT_EQ(life.status("a").waiting, 0U);
    EXPECT_EQ(life.status("a").in_flight, 0U);
    EXPECT_TRUE(life.idle());
  }
  EXPECT_THAT(left_in_outbox(), IsEmpty());
}

// Alertmanager's acceptance test "Retry", with receivers on the same incident.
TEST_F(DeliveryTest, ABrokenChannelDelaysNoOther) {
  world.answers["b"] = [&](const Notification&, const SendContext&) {
    return world.arrivals.size() < 6 ? SendResult::transient("HTTP 500 from b") : SendResult::ok();
  };
  Life life(path(), world, 0);
  life.start({"a", "b"});
  life.commit({row("i", "a", 1), row("i", "b", 1), row("i", "a", 2), row("i", "b", 2)});
  life.run_until(0);
  EXPECT_THAT(world.seen("a"), ElementsAre("0 i#1", "0 i#2"));
  EXPECT_EQ(life.status("b").waiting, 2U);
  EXPECT_EQ(life.status("b").last_error, "HTTP 500 from b");
  life.run_until(600);
  const Strings b = world.seen("b");
  ASSERT_EQ(b.size(), 6U);
  EXPECT_THAT(b[4], ::testing::EndsWith("i#1"));
  EXPECT_THAT(b[5], ::testing::EndsWith("i#2")) << "never before the one in front of it";
  EXPECT_EQ(life.status("b").failed_total["transient"], 4U);
}

TEST_F(DeliveryTest, BacksOffWithJitterThatIsTheSameInEveryRun) {
  const auto run = [](Receivers& w) {
    test::TempDir other;
    w.answers["a"] = [](const Notification&, const SendContext&) { return SendResult::transient("refused"); };
    Life life(other.path("s.db"), w, 0);
    life.start({"a"});
    life.commit({row("i", "a", 1), row("j", "a", 1)});
    life.run_until(3600);
    return w.seen("a");
  };
  Receivers again;
  const Strings first = run(world);
  EXPECT_EQ(first, run(again));
  std::map<std::string, std::vector<Receivers::Arrival>> by_incident;
  for (const auto& a : world.arrivals) by_incident[a.incident].push_back(a);
  for (const auto& [incident, arrivals] : by_incident) {
    ASSERT_GT(arrivals.size(), 12U);
    Duration cap = 1s;
    for (std::size_t i = 1; i < arrivals.size(); ++i, cap = std::min<Duration>(cap * 2, 5min)) {
      EXPECT_LE(arrivals[i].at - arrivals[i - 1].at, cap);
      EXPECT_EQ(arrivals[i].key, arrivals[0].key);
      EXPECT_EQ(arrivals[i].attempt, i + 1);
    }
  }
  EXPECT_NE(by_incident["i"][3].at, by_incident["j"][3].at);
}

TEST_F(DeliveryTest, ObeysRetryAfterForTheWholeChannelUpToItsLimit) {
  for (const auto& [asked, waited] : std::vector<std::pair<Duration, double>>{{90s, 90}, {10h, 3600}}) {
    Receivers w;
    test::TempDir other;
    w.answers["a"] = [&w, wait = asked](const Notification&, const SendContext&) {
      SendResult throttled{SendResult::Kind::kThrottled, "HTTP 429 from a", wait, ""};
      return w.arrivals.empty() ? throttled : SendResult::ok();
    };
    Life life(other.path("s.db"), w, 0);
    life.start({"a"});
    life.commit({row("i", "a", 1)});
    life.run_until(1);
    life.commit({row("j", "a", 1)});
    life.run_until(waited - 1);
    EXPECT_EQ(w.arrivals.size(), 1U);
    life.run_until(waited);
    EXPECT_EQ(w.arrivals.size(), 3U);
  }
}

TEST_F(DeliveryTest, WhatIsRefusedForGoodIsADeadLetterAndTheNextGoesOn) {
  world.answers["a"] = [](const Notification& n, const SendContext&) {
    return n.sequence == 1 ? SendResult::permanent("HTTP 400 from a") : SendResult::ok();
  };
  {
    Life life(path(), world, 0);
    life.start({"a"});
    life.commit({row("i", "a", 1), row("i", "a", 2)});
    life.run_until(1);
    EXPECT_THAT(life.receipts, ElementsAre("i#1 HTTP 400 from a", "i#2 delivered"));
    EXPECT_EQ(life.status("a").dead_total, 1U);
  }
  EXPECT_THAT(left_in_outbox(), IsEmpty());
}

TEST_F(DeliveryTest, GivesUpWhatIsTooOld) {
  world.answers["a"] = [](const Notification&, const SendContext&) { return SendResult::transient("refused"); };
  DeliveryConfig config;
  config.max_age = 30min;
  Life life(path(), world, 0, config);
  life.start({"a"});
  life.commit({row("i", "a", 1)});
  life.run_until(1799.9);
  EXPECT_THAT(life.receipts, IsEmpty());
  life.run_until(1800);
  EXPECT_THAT(life.receipts, ElementsAre("i#1 given up after 30m: refused"));
  EXPECT_TRUE(life.idle());
}

TEST_F(DeliveryTest, RowsOfAChannelThatIsGoneWaitForItsReturn) {
  Life life(path(), world, 0);
  life.start({"b"});
  life.commit({row("i", "a", 1), row("j", "a", 1)});
  life.run_until(3600);
  EXPECT_EQ(life.status("a").waiting, 2U);
  life.channels({"a", "b"});
  life.run_until(3600);
  EXPECT_THAT(world.seen("a"), ElementsAre("3600 i#1", "3600 j#1"));
  life.channels({"b"});
  life.commit({row("k", "a", 1, 3600)});
  life.run_until(3600 + 86'400);
  EXPECT_THAT(life.receipts.back(), "k#1 the channel is not in the configuration");
}

TEST_F(DeliveryTest, SendsOnlySoManyAtOnceAndNeverTwoOfOneIncident) {
  world.delays["a"] = 10s;
  Life life(path(), world, 0);
  life.start({"a"});
  std::vector<OutboxRow> rows;
  for (int i = 0; i < 10; ++i) {
    rows.push_back(row(fmt::format("i{}", i), "a", 1));
    rows.push_back(row(fmt::format("i{}", i), "a", 2));
  }
  life.commit(rows);
  life.run_until(5);
  EXPECT_EQ(life.status("a").in_flight, 4U);
  life.run_until(100);
  EXPECT_EQ(world.arrivals.size(), 20U);
  EXPECT_EQ(world.in_flight_max, 4U);
}

TEST_F(DeliveryTest, HandsTheVendorsReferenceToTheNextMessage) {
  world.answers["a"] = [](const Notification& n, const SendContext&) {
    return SendResult::ok(fmt::format("ref-{}-{}", n.incident, n.sequence));
  };
  {
    Life life(path(), world, 0);
    life.start({"a"});
    life.commit({row("i", "a", 1)});
    life.run_until(1);
    life.commit({row("i", "a", 2), row("i", "a", 3)});
    life.db().flush();
  }
  Life life(path(), world, 2);
  life.start({"a"});
  life.run_until(3);
  ASSERT_EQ(world.arrivals.size(), 3U);
  EXPECT_EQ(world.arrivals[0].provider_ref, "");
  EXPECT_EQ(world.arrivals[1].provider_ref, "ref-i-1");
  EXPECT_EQ(world.arrivals[2].provider_ref, "ref-i-2");
}

asio::awaitable<void> stopped(Delivery& delivery, Deadline deadline, bool& done) {
  co_await delivery.stop(deadline);
  done = true;
}

TEST_F(DeliveryTest, StopsWithWhatIsInFlightAndKeepsTheRest) {
  world.delays["a"] = 10s;
  {
    Life life(path(), world, 0);
    life.start({"a"});
    life.commit({row("i", "a", 1), row("i", "a", 2)});
    life.run_until(5);
    bool done = false;
    asio::co_spawn(life.io(), stopped(life.delivery(), Deadline::max(), done), asio::detached);
    life.run_until(9);
    EXPECT_FALSE(done);
    life.run_until(11);
    EXPECT_TRUE(done);
    EXPECT_THAT(life.receipts, ElementsAre("i#1 delivered"));
  }
  EXPECT_THAT(left_in_outbox(), ElementsAre("a i#2 pending"));
}

TEST_F(DeliveryTest, CancelsWhatIsStillInFlightAtTheDeadline) {
  world.delays["a"] = 24h;
  {
    Life life(path(), world, 0);
    life.start({"a"});
    life.commit({row("i", "a", 1)});
    life.run_until(5);
    bool done = false;
    asio::co_spawn(life.io(), stopped(life.delivery(), Deadline{}, done), asio::detached);
    life.settle();
    EXPECT_TRUE(done);
    EXPECT_THAT(life.receipts, IsEmpty());
  }
  EXPECT_THAT(left_in_outbox(), ElementsAre("a i#1 sending"));
}

TEST_F(DeliveryTest, GoesOnFromMemoryWhenTheDiskIsFull) {
  Life life(path(), world, 0);
  life.start({"a"});
  life.settle();
  life.db().limit_pages_for_test(1);
  std::vector<OutboxRow> rows;
  for (int i = 0; i < 50; ++i) rows.push_back(row(fmt::format("i{}", i), "a", 1));
  life.delivery().enqueue(rows);
  life.run_until(10);
  EXPECT_EQ(world.arrivals.size(), 50U);
  EXPECT_EQ(life.receipts.size(), 50U);
}

// Kills the process after its n-th step, for every n, and looks at what the receivers saw in the end.
TEST_F(DeliveryTest, NothingIsLostWhereverItIsKilled) {
  const std::vector<OutboxRow> rows{row("i", "a", 1), row("i", "b", 1), row("j", "a", 1), row("i", "a", 2)};
  bool killed = true;
  std::size_t kills = 0, copies = 0;
  log::set_level("error");
  for (std::size_t n = 0; killed; ++n) {
    killed = false;
    Receivers w;
    test::TempDir place;
    w.delays["a"] = 2s;
    w.answers["a"] = [](const Notification& m, const SendContext& context) {
      if (m.sequence == 1 && context.attempt == 1) return SendResult::transient("HTTP 500 from a");
      return SendResult::ok();
    };
    double now = 0;
    {
      Life life(place.path("s.db"), w, 0);
      life.start({"a", "b"});
      StateChange change;
      change.put_outbox = rows;
      life.db().commit(std::move(change), [](const Result<void>&) {});
      life.db().flush();
      life.delivery().enqueue(rows);
      for (std::size_t steps = 0; !(killed = steps == n); ++steps) {
        if (life.step()) continue;
        if (life.idle()) break;
        life.advance_to_next();
      }
      now = to_seconds(life.clock().now() - at(0));
      kills += killed ? 1 : 0;
    }
    Life life(place.path("s.db"), w, now);
    life.start({"a", "b"});
    life.run_until(now + 100);

    std::map<std::string, int> accepted;
    std::map<std::pair<std::string, std::string>, std::int64_t> last;
    for (const Receivers::Arrival& a : w.arrivals) {
      EXPECT_EQ(a.key, idempotency_key(a.incident, a.channel, a.sequence));
      if (!a.accepted) continue;
      std::int64_t& before = last[{a.incident, a.channel}];
      EXPECT_TRUE(a.sequence == before || a.sequence == before + 1) << "killed at step " << n;
      before = a.sequence;
      copies += ++accepted[a.key] == 2 ? 1 : 0;
    }
    EXPECT_EQ(accepted.size(), rows.size()) << "killed at step " << n;
    for (const auto& [key, times] : accepted) EXPECT_LE(times, 2) << "killed at step " << n;
  }
  EXPECT_GT(kills, 30U);
  EXPECT_GT(copies, 0U) << "no kill hit the moment between a send and its RESULT: this test tests nothing";
  log::set_level("info");
  RecordProperty("kills", std::to_string(kills));
}

}  // namespace
}  // namespace tocsin
