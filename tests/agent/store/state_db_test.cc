#include "agent/store/state_db.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <limits>
#include <mutex>
#include <set>

#include "agent/store/sqlite.h"
#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

using test::TempDir;
using namespace std::chrono_literals;

TimePoint at(std::int64_t ms) {
  return TimePoint{Duration{ms}};
}
void call(std::function<void()> f) {
  f();
}

std::unique_ptr<StateDb> open(const std::string& path) {
  auto db = StateDb::open(path, call);
  EXPECT_TRUE(db) << (db ? "" : db.error().message);
  return db ? std::move(*db) : nullptr;
}

Result<void> commit(StateDb& db, StateChange change) {
  std::promise<Result<void>> answer;
  db.commit(std::move(change), [&](Result<void> done) { answer.set_value(std::move(done)); });
  return answer.get_future().get();
}

OutboxRow outbox(std::int64_t sequence, const std::string& state = "pending") {
  OutboxRow row;
  row.incident = "incident-1";
  row.channel = "oncall/webhook/0";
  row.sequence = sequence;
  row.idempotency_key = "key";
  row.notification = R"({"a":"ü"})";
  row.created_at = at(1000 + sequence);
  row.not_before = at(2000);
  row.attempts = 3;
  row.state = state;
  row.last_error = "HTTP 500";
  return row;
}

StateChange one_of_each() {
  StateChange change;
  change.put_alert_states = {{"file;group;Rule;0",
                              Labels{{"alertname", "A"}},
                              "firing",
                              at(1),
                              at(2),
                              std::nullopt,
                              at(3),
                              1.5,
                              {{"summary", "say \"ü\""}}}};
  change.put_alerts = {
      {Labels{{"alertname", "A"}, {"instance", "b"}}, {{"summary", ""}}, at(1), at(2), at(3), "http://x", true}};
  change.put_incidents = {{"incident-1", "key", "oncall", Labels{{"alertname", "A"}}, at(5), std::nullopt, at(6)}};
  change.put_notification_log = {{"incident-1", "oncall/webhook/0", 2, at(7), {1, 0xffffffffffffffffU}, {3}, "ref"}};
  change.put_outbox = {outbox(1), outbox(2, "sending"), outbox(3, "delivered")};
  change.put_heartbeats = {{"backup", at(9), "ok", at(8)}};
  change.put_silences = {{"id-1", R"([[["a","=","b"]]])", at(1), at(2), at(3), "me", "why", {{"x", ""}}}};
  change.audit = {{at(1), "cli", "ack", "detail"}};
  return change;
}

TEST(StateDb, GivesBackWhatWasCommittedBeforeItWasClosed) {
  const TempDir dir;
  const std::string path = dir.path("state.db");
  {
    const auto db = open(path);
    ASSERT_TRUE(commit(*db, one_of_each()));
  }
  const auto db = open(path);
  const StateSnapshot& s = db->loaded();
  ASSERT_EQ(s.alert_states.size(), 1U);
  EXPECT_EQ(s.alert_states[0].labels, (Labels{{"alertname", "A"}}));
  EXPECT_EQ(s.alert_states[0].fired_at, at(2));
  EXPECT_EQ(s.alert_states[0].keep_firing_since, std::nullopt);
  EXPECT_EQ(s.alert_states[0].annotations.at("summary"), "say \"ü\"");
  ASSERT_EQ(s.alerts.size(), 1U);
  EXPECT_TRUE(s.alerts[0].timeout);
  EXPECT_EQ(s.alerts[0].annotations.at("summary"), "");
  ASSERT_EQ(s.incidents.size(), 1U);
  EXPECT_EQ(s.incidents[0].next_flush_at, at(6));
  ASSERT_EQ(s.notification_log.size(), 1U);
  EXPECT_EQ(s.notification_log[0].firing, (std::vector<std::uint64_t>{1, 0xffffffffffffffffU}));
  ASSERT_EQ(s.outbox.size(), 2U) << "what is delivered is history";
  EXPECT_EQ(s.outbox[0].sequence, 1);
  EXPECT_EQ(s.outbox[1].state, "sending");
  EXPECT_EQ(s.outbox[0].notification, R"({"a":"ü"})");
  ASSERT_EQ(s.heartbeats.size(), 1U);
  EXPECT_EQ(s.heartbeats[0].started_at, at(8));
  ASSERT_EQ(s.silences.size(), 1U);
  EXPECT_EQ(s.silences[0].matchers, R"([[["a","=","b"]]])");
  EXPECT_EQ(s.silences[0].ends_at, at(2));
  EXPECT_EQ(s.silences[0].annotations.at("x"), "");
}

TEST(StateDb, TheLaterOfTwoChangesOfARowCounts) {
  const TempDir dir;
  {
    const auto db = open(dir.path("state.db"));
    StateChange change = one_of_each();
    StateChange later;
    later.put_outbox = {outbox(1, "dead")};
    later.drop_alerts = {change.put_alerts[0].labels};
    change.append(std::move(later));
    ASSERT_TRUE(commit(*db, std::move(change)));
  }
  const auto db = open(dir.path("state.db"));
  EXPECT_EQ(db->loaded().outbox.size(), 1U);
  EXPECT_TRUE(db->loaded().alerts.empty());
}

TEST(StateDb, ARowThatIsDroppedAndPutAgainIsThere) {
  const TempDir dir;
  const StateChange rows = one_of_each();
  const auto& state = rows.put_alert_states[0];
  StateChange put;
  put.put_alert_states = rows.put_alert_states;
  put.put_alerts = rows.put_alerts;
  StateChange drop;
  drop.drop_alert_states = {{state.rule_id, state.labels}};
  drop.drop_alerts = {rows.put_alerts[0].labels};
  for (const bool there : {true, false}) {
    const std::string path = dir.path(there ? "there" : "gone");
    {
      const auto db = open(path);
      ASSERT_TRUE(commit(*db, put));
      StateChange change = there ? drop : put;
      change.append(StateChange(there ? put : drop));
      ASSERT_TRUE(commit(*db, std::move(change)));
    }
    const auto db = open(path);
    EXPECT_EQ(db->loaded().alert_states.size(), there ? 1U : 0U);
    EXPECT_EQ(db->loaded().alerts.size(), there ? 1U : 0U);
  }
}

TEST(StateDb, KeepsANaN) {
  const TempDir dir;
  {
    StateChange change = one_of_each();
    change.put_alert_states[0].value = std::numeric_limits<double>::quiet_NaN();
    const auto db = open(dir.path("state.db"));
    ASSERT_TRUE(commit(*db, std::move(change)));
  }
  EXPECT_TRUE(std::isnan(open(dir.path("state.db"))->loaded().alert_states.at(0).value));
}

TEST(StateDb, RefusesMoreThanItCanQueue) {
  std::promise<void> go_on;
  std::shared_future<void> held = go_on.get_future().share();
  const auto db = open(":memory:");
  std::promise<void> busy;
  db->commit({}, [&busy, held](Result<void>) {
    busy.set_value();
    held.wait();
  });
  busy.get_future().wait();
  std::atomic<int> refused = 0;
  for (int i = 0; i < 10'100; ++i) {
    db->commit({}, [&refused](Result<void> done) { refused += done ? 0 : 1; });
  }
  EXPECT_EQ(refused, 100);
  go_on.set_value();
  db->flush();
  EXPECT_EQ(refused, 100);
}

TEST(StateDb, AChangeThatCannotBeWrittenTakesNoOtherDownWithIt) {
  const TempDir dir;
  const auto db = open(dir.path("state.db"));
  std::vector<std::future<bool>> answers;
  for (int i = 0; i < 50; ++i) {
    StateChange change;
    change.put_outbox = {outbox(i, i == 20 ? "no such state" : "pending")};
    auto answer = std::make_shared<std::promise<bool>>();
    answers.push_back(answer->get_future());
    db->commit(std::move(change), [answer](Result<void> done) { answer->set_value(done.has_value()); });
  }
  for (std::size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(answers[i].get(), i != 20) << i;
}

TEST(StateDb, AFullDiskIsToldAndLeavesNothingHalfDone) {
  const TempDir dir;
  const std::string path = dir.path("state.db");
  {
    const auto db = open(path);
    ASSERT_TRUE(commit(*db, one_of_each()));
    db->limit_pages_for_test(40);
    StateChange large;
    large.put_outbox = {outbox(10)};
    OutboxRow big = outbox(11);
    big.notification.assign(1 << 20, 'x');
    large.put_outbox.push_back(big);
    const Result<void> refused = commit(*db, large);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("full"), std::string::npos) << refused.error().message;
    EXPECT_EQ(db->stats().errors_total, 1U);
    db->limit_pages_for_test(1'000'000);
    StateChange small;
    small.put_outbox = {outbox(12)};
    EXPECT_TRUE(commit(*db, small)) << "there is room again";
  }
  std::set<std::int64_t> sequences;
  const auto db = open(path);
  for (const OutboxRow& row : db->loaded().outbox) sequences.insert(row.sequence);
  EXPECT_EQ(sequences, (std::set<std::int64_t>{1, 2, 12}));
}

TEST(StateDb, SetsADamagedFileAsideAndGoesOn) {
  const TempDir dir;
  const std::string path = dir.write("state.db", std::string(8192, 'x'));
  const auto db = open(path);
  ASSERT_NE(db, nullptr);
  EXPECT_TRUE(db->loaded().outbox.empty());
  EXPECT_TRUE(std::filesystem::exists(path + ".corrupt-1"));
  EXPECT_TRUE(commit(*db, one_of_each()));
}

TEST(StateDb, SetsAFileAsideOfWhichAPageIsDamaged) {
  const TempDir dir;
  const std::string path = dir.path("state.db");
  {
    const auto db = open(path);
    StateChange change = one_of_each();
    for (int i = 10; i < 500; ++i) change.put_outbox.push_back(outbox(i));
    ASSERT_TRUE(commit(*db, change));
  }
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto pages = static_cast<std::int64_t>(std::filesystem::file_size(path)) / 4096;
    ASSERT_GT(pages, 20);
    file.seekp((pages - 5) * 4096);
    file << std::string(4096, 'x');
  }
  const auto db = open(path);
  ASSERT_NE(db, nullptr);
  EXPECT_TRUE(std::filesystem::exists(path + ".corrupt-1"));
  EXPECT_TRUE(db->loaded().outbox.empty());
  EXPECT_TRUE(commit(*db, one_of_each()));
}

TEST(StateDb, RefusesAFileOfANewerVersion) {
  const TempDir dir;
  const std::string path = dir.path("state.db");
  open(path);
  ASSERT_TRUE(sqlite::Database::open(path)->run("PRAGMA user_version = 999"));
  const auto db = StateDb::open(path, call);
  ASSERT_FALSE(db);
  EXPECT_NE(db.error().message.find("newer tocsin"), std::string::npos) << db.error().message;
  EXPECT_FALSE(std::filesystem::exists(path + ".corrupt-1"));
}

TEST(StateDb, PrunesHistoryOnly) {
  const TempDir dir;
  const auto db = open(dir.path("state.db"));
  StateChange change = one_of_each();
  change.put_outbox[2].finished_at = at(50);
  change.put_incidents.push_back({"incident-0", "old", "oncall", Labels(), at(1), at(60), at(0)});
  ASSERT_TRUE(commit(*db, change));
  std::promise<Result<void>> pruned;
  db->prune(at(1000), 900ms, [&](Result<void> done) { pruned.set_value(done); });
  ASSERT_TRUE(pruned.get_future().get());
  std::promise<std::vector<OutboxRow>> rows;
  db->recent_outbox(10, [&](auto found) { rows.set_value(*found); });
  EXPECT_EQ(rows.get_future().get().size(), 2U);
}

// A child commits and says what was acknowledged; it is killed at some moment; everything acknowledged is in the file.
TEST(StateDb, LosesNothingAcknowledgedWhenKilled) {
  for (int round = 0; round < 12; ++round) {
    const TempDir dir;
    const std::string path = dir.path("state.db");
    int pipe_fds[2];
    ASSERT_EQ(pipe(pipe_fds), 0);
    const pid_t child = fork();
    if (child == 0) {
      auto db = StateDb::open(path, call);
      for (std::int64_t i = 0; db; ++i) {
        StateChange change;
        change.put_outbox = {outbox(i)};
        (*db)->commit(std::move(change), [&, i](Result<void> done) {
          if (done && write(pipe_fds[1], &i, sizeof i) != sizeof i) _exit(1);
        });
        if (i % 8 == 0) (*db)->flush();
      }
      _exit(1);
    }
    close(pipe_fds[1]);
    std::set<std::int64_t> acknowledged;
    std::int64_t sequence = 0;
    const std::size_t enough = 10 + 37 * static_cast<std::size_t>(round);
    while (acknowledged.size() < enough && read(pipe_fds[0], &sequence, sizeof sequence) == sizeof sequence) {
      acknowledged.insert(sequence);
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    while (read(pipe_fds[0], &sequence, sizeof sequence) == sizeof sequence) acknowledged.insert(sequence);
    close(pipe_fds[0]);
    ASSERT_GE(acknowledged.size(), enough);
    const auto db = open(path);
    for (const OutboxRow& row : db->loaded().outbox) acknowledged.erase(row.sequence);
    EXPECT_TRUE(acknowledged.empty()) << acknowledged.size() << " lost in round " << round;
  }
}

}  // namespace
}  // namespace tocsin
