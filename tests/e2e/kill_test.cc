// The agent is killed again and again while it takes samples in. What it had flushed is there when it is back: every run
// of a probe that its page showed before a flush, and every sample that was found after the kill before.
//
// TOCSIN_KILLS=200 makes it a longer loop.

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "agent/store/metrics_db.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace tocsin::test {
namespace {

using namespace std::chrono_literals;

using Samples = std::map<std::string, std::map<TimePoint, double>>;

/// All samples in the file, as an agent that starts now would have them.
Samples read(const std::string& path) {
  SeriesStore store;
  const auto db = MetricsDb::open(path, {}, store, TimePoint::min());
  EXPECT_TRUE(db) << (db ? "" : db.error().message);
  Samples out;
  std::vector<Sample> samples;
  for (const SelectedSeries& s : store.select({}, TimePoint::min(), TimePoint::max())) {
    samples.clear();
    store.samples(s.ref, TimePoint::min(), TimePoint::max(), samples);
    for (const Sample& sample : samples) out[s.labels.metric_str()].emplace(sample.t, sample.v);
  }
  return out;
}

std::size_t count(const Samples& samples) {
  std::size_t out = 0;
  for (const auto& [series, points] : samples) out += points.size();
  return out;
}

/// The bits of a value: a stale marker is not equal to itself.
std::uint64_t bits(double v) {
  return std::bit_cast<std::uint64_t>(v);
}

/// What the agent's page knows of its probes' runs.
Samples shown(std::uint16_t port) {
  Samples out;
  const auto status = nlohmann::json::parse(http_get(port, "/api/tocsin/v1/status"), nullptr, false);
  EXPECT_FALSE(status.is_discarded());
  for (const auto& target : status.value("targets", nlohmann::json::array())) {
    if (target["type"] != "tcp") continue;
    const Labels labels{{"__name__", "probe_success"},
                        {"instance", target["labels"]["instance"].get<std::string>()},
                        {"job", target["labels"]["job"].get<std::string>()}};
    for (const auto& run : target["history"]) {
      out[labels.metric_str()].emplace(TimePoint(Duration(run[0].get<std::int64_t>())), run[2].get<double>());
    }
  }
  return out;
}

/// How often the agent has written to metrics.db.
double flushes(std::uint16_t port) {
  constexpr std::string_view kName = "\ntocsin_storage_transactions_total ";
  const std::string metrics = http_get(port, "/metrics");
  const std::size_t at = metrics.find(kName);
  return at == std::string::npos ? 0 : std::stod(metrics.substr(at + kName.size()));
}

/// How many of `expected` are not in `found`.
std::size_t missing(const Samples& expected, const Samples& found) {
  std::size_t out = 0;
  for (const auto& [series, points] : expected) {
    const auto place = found.find(series);
    for (const auto& [t, v] : points) {
      const bool there = place != found.end() && place->second.contains(t) && bits(place->second.at(t)) == bits(v);
      out += there ? 0 : 1;
    }
  }
  return out;
}

TEST(Kill, LosesNoSampleThatIsOlderThanTheLastFlush) {
  const char* given = std::getenv("TOCSIN_KILLS");
  const int kills = given == nullptr ? 10 : std::atoi(given);
  const TempDir dir;
  const std::string state = dir.path("state");
  const std::uint16_t port = free_port();
  std::string config = "[server]\nlisten = \"127.0.0.1:" + std::to_string(port) + "\"\n[storage]\ndirectory = \"" +
                       state + "\"\nflush_interval = \"200ms\"\n";
  // Probes that fail at once and give half a dozen series each, and the agent's own metrics by way of itself.
  for (int i = 0; i < 20; ++i) {
    config += "[[probe]]\ntype = \"tcp\"\nname = \"t" + std::to_string(i) +
              "\"\ntarget = \"127.0.0.1:1\"\ninterval = \"100ms\"\n";
  }
  config += "[[probe]]\ntype = \"scrape\"\nname = \"self\"\ntarget = \"http://127.0.0.1:" + std::to_string(port) +
            "/metrics\"\ninterval = \"250ms\"\n";
  const std::string file = dir.write("tocsin.toml", config);

  std::mt19937 random(7);
  Samples known;  // all that was ever seen in the file
  std::size_t lost = 0, runs = 0;
  for (int i = 0; i < kills; ++i) {
    Process agent({tocsin_binary(), "run", "-c", file}, dir.path("tocsin.log"));
    int status = 0;
    ASSERT_TRUE(eventually([&] { return http_get(port, "/-/ready", &status), status == 200; })) << agent.log();
    std::this_thread::sleep_for(std::chrono::milliseconds(100 + random() % 500));
    const Samples before = shown(port);
    // The flush after the one that may be under way has all of it.
    const double enough = flushes(port) + 2;
    ASSERT_TRUE(eventually([&] { return flushes(port) >= enough; })) << agent.log();
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 250));
    agent.signal(SIGKILL);
    EXPECT_EQ(agent.wait(), -SIGKILL) << agent.log();

    const Samples found = read(state + "/metrics.db");
    runs += count(before);
    lost += missing(before, found) + missing(known, found);
    known = found;
  }
  std::cout << kills << " kills, " << count(known) << " samples, " << runs << " runs of probes were shown before a flush, "
            << lost << " samples lost\n";
  EXPECT_EQ(lost, 0U);
  EXPECT_GT(runs, static_cast<std::size_t>(kills) * 20);
  EXPECT_GT(count(known), static_cast<std::size_t>(kills) * 100);
}

}  // namespace
}  // namespace tocsin::test
