// What lies on disk only, as a user of the HTTP API sees it: samples imported from the past are found by queries, by
// names and by labels, beside those that the agent takes in itself.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace tocsin::test {
namespace {

using nlohmann::json;

TEST(History, QueriesReachWhatIsOnDiskOnly) {
  const TempDir dir;
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  const long then = now.count() - 3 * 86400;
  std::string samples;
  for (int i = 0; i < 200; ++i)
    samples +=
        "orders_total{shop=\"old\"} " + std::to_string(i * 3) + " " + std::to_string((then + i * 15) * 1000) + "\n";
  const std::string file = dir.write("past.prom", samples);
  const std::uint16_t port = free_port();
  const std::string config = dir.write("tocsin.toml", "[server]\nlisten = \"127.0.0.1:" + std::to_string(port) +
                                                          "\"\n[storage]\ndirectory = \"" + dir.path("state") + "\"\n");
  const Output imported = run({tocsin_binary(), "import", "-c", config, file});
  ASSERT_EQ(imported.exit_code, 0) << imported.out << imported.err;
  Process agent({tocsin_binary(), "run", "-c", config}, dir.path("log"));
  int status = 0;
  ASSERT_TRUE(eventually([&] { return http_get(port, "/-/ready", &status), status == 200; })) << agent.log();
  const auto ask = [&](const std::string& path) { return json::parse(http_get(port, path), nullptr, false); };

  const std::string at = std::to_string(then + 1500);
  json answer = ask("/api/v1/query?query=orders_total&time=" + at);
  ASSERT_EQ(answer["data"]["result"].size(), 1U) << answer;
  EXPECT_EQ(answer["data"]["result"][0]["value"][1], "300");
  answer = ask("/api/v1/query?query=round(increase(orders_total[10m]))&time=" + at);
  EXPECT_EQ(answer["data"]["result"][0]["value"][1], "120") << answer;
  answer = ask("/api/v1/query_range?query=orders_total&start=" + std::to_string(then) + "&end=" + at + "&step=15");
  EXPECT_EQ(answer["data"]["result"][0]["values"].size(), 101U) << answer;
  answer = ask("/api/v1/query?query=sum_over_time(orders_total[4d])");
  EXPECT_EQ(answer["data"]["result"][0]["value"][1], std::to_string(3 * 199 * 200 / 2)) << answer;
  EXPECT_EQ(ask("/api/v1/query?query=orders_total")["data"]["result"].size(), 0U) << "it ended long ago";

  const std::string past = "start=" + std::to_string(then) + "&end=" + at;
  EXPECT_EQ(ask("/api/v1/series?match[]=orders_total&" + past)["data"],
            json::parse(R"([{"__name__":"orders_total","shop":"old"}])"));
  EXPECT_EQ(ask("/api/v1/label/shop/values?" + past)["data"], json::parse(R"(["old"])"));
  EXPECT_EQ(ask("/api/v1/labels?match[]=orders_total&start=" + std::to_string(then))["data"],
            json::parse(R"(["__name__","shop"])"));
  EXPECT_EQ(agent.stop(), 0) << agent.log();
}

}  // namespace
}  // namespace tocsin::test
