// The API as its users meet it: promtool, Grafana's "Save & test", `tocsin query`, and the real Prometheus beside it.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace tocsin::test {
namespace {

using nlohmann::json;

class PrometheusApiE2e : public testing::Test {
 protected:
  PrometheusApiE2e() {
    const std::string config =
        dir_.write("tocsin.toml",
                   "[[probe]]\ntype = \"heartbeat\"\nname = \"backup\"\n"
                   "target = \"nightly\"\nperiod = \"1h\"\ninterval = \"200ms\"\n"
                   "[query]\nsamples_max = 50000\n[server]\nlisten = \"127.0.0.1:" +
                       std::to_string(port_) + "\"\n[storage]\ndirectory = \"" + dir_.path("state") + "\"\n");
    agent_.emplace(std::vector<std::string>{tocsin_binary(), "run", "-c", config}, dir_.path("log"));
    EXPECT_TRUE(eventually([this] {
      return http_get(port_, "/api/v1/query?query=probe_success").find("nightly") != std::string::npos;
    })) << agent_->log();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  Output promtool(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "promtool");
    return run(std::move(arguments));
  }

  TempDir dir_;
  std::uint16_t port_ = free_port();
  std::optional<Process> agent_;
};

TEST_F(PrometheusApiE2e, PromtoolAsksIt) {
  const Output instant = promtool({"query", "instant", url(), "count(probe_success)"});
  EXPECT_EQ(instant.exit_code, 0) << instant.err;
  EXPECT_EQ(instant.out.substr(0, 8), "{} => 1 ") << instant.out;
  const Output range = promtool({"query", "range", "--step=1s", url(), "probe_success"});
  EXPECT_EQ(range.exit_code, 0) << range.err;
  EXPECT_NE(range.out.find("probe_success{instance=\"nightly\", job=\"backup\"} =>\n"), std::string::npos) << range.out;
  const Output series = promtool({"query", "series", "--match=probe_success", url()});
  EXPECT_EQ(series.out, "{__name__=\"probe_success\", instance=\"nightly\", job=\"backup\"}\n") << series.err;
  EXPECT_EQ(promtool({"query", "labels", url(), "job"}).out, "backup\ntocsin\n");
  EXPECT_NE(promtool({"query", "instant", url(), "sum("}).exit_code, 0);
}

TEST_F(PrometheusApiE2e, GrafanaSavesAndTests) {
  int status = 0;
  EXPECT_EQ(http_get(port_, "/api/v1/query?query=1%2B1&time=4", &status, "POST"),
            R"({"status":"success","data":{"resultType":"scalar","result":[4,"2"]}})");
  EXPECT_EQ(status, 200);
  EXPECT_GE(json::parse(http_get(port_, "/api/v1/status/buildinfo"))["data"]["version"].get<std::string>(), "2.24");
  EXPECT_NE(http_get(port_, "/api/v1/rules/test/test", &status).find("page not found"), std::string::npos);
  EXPECT_EQ(status, 404);
  EXPECT_EQ(json::parse(http_get(port_, "/api/v1/rules"))["status"], "success");
  EXPECT_TRUE(json::parse(http_get(port_, "/api/v1/metadata?limit=40000"))["data"].contains("probe_success"));
  EXPECT_FALSE(json::parse(http_get(port_, "/api/v1/label/__name__/values?limit=40000"))["data"].empty());
}

TEST_F(PrometheusApiE2e, TocsinQueryPrintsATableAndAPlot) {
  const auto query = [this](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {tocsin_binary(), "query", "--url", url()});
    return run(std::move(arguments));
  };
  const Output table = query({"count by (job) (probe_success)"});
  EXPECT_EQ(table.out, "{job=\"backup\"}  1\n") << table.err;
  EXPECT_EQ(table.exit_code, 0);
  const Output plot = query({"probe_success", "--range", "1m"});
  EXPECT_NE(plot.out.find("┤"), std::string::npos) << plot.out << plot.err;
  EXPECT_NE(plot.out.find("probe_success{instance=\"nightly\",job=\"backup\"}"), std::string::npos) << plot.out;
  EXPECT_EQ(query({"sum("}).exit_code, 2);
  EXPECT_EQ(query({"sum_over_time(vector(1)[1y:1s])"}).exit_code, 1);
  EXPECT_EQ(run({tocsin_binary(), "query", "--url", "http://127.0.0.1:1", "up"}).exit_code, 1);
}

/// What does not depend on what was scraped must be the same, byte for byte.
TEST_F(PrometheusApiE2e, AnswersWithTheBytesOfPrometheus) {
  const std::string config = dir_.write("prometheus.yml", "scrape_configs: []\n");
  const std::uint16_t port = free_port();
  Process prometheus({"prometheus", "--config.file=" + config, "--storage.tsdb.path=" + dir_.path("tsdb"),
                      "--web.listen-address=127.0.0.1:" + std::to_string(port)},
                     dir_.path("prometheus.log"));
  ASSERT_TRUE(eventually([port] {
    int status = 0;
    http_get(port, "/-/ready", &status);
    return status == 200;
  })) << prometheus.log();
  const char* paths[] = {
      "/api/v1/query?query=1%2B1&time=1.5",
      "/api/v1/query?query=1e21&time=4",
      "/api/v1/query?query=%22a%3Cb%26%22&time=4.05",
      "/api/v1/query?query=vector(1/3)&time=4.05",
      "/api/v1/query?query=vector(123456789012345680000)&time=4",
      "/api/v1/query?query=vector(-1e-7)&time=4",
      "/api/v1/query?query=vector(1e300)&time=4",
      "/api/v1/query?query=vector(5e-324)&time=4",
      "/api/v1/query?query=vector(0.1%2B0.2)&time=4",
      "/api/v1/query?query=nosuch",
      "/api/v1/query?query=up%2B",
      "/api/v1/query?query=up&time=x",
      "/api/v1/query?query=up&timeout=x",
      "/api/v1/query_range?query=sqrt(vector(time()))&start=1&end=5.5&step=1.25",
      "/api/v1/query_range?query=time()*1e18&start=1&end=2000&step=100",
      "/api/v1/query_range?query=vector(time())/7&start=1.234&end=100&step=3.7",
      "/api/v1/query_range?query=1&start=6&end=5&step=1",
      "/api/v1/query_range?query=1&start=0&end=11001&step=1",
      "/api/v1/query_range?query=1&start=0&end=5&step=0",
      "/api/v1/query_range?query=1&start=0&end=5&step=x",
      "/api/v1/series",
      "/api/v1/series?match[]=nosuch",
      "/api/v1/series?match[]={}",
      "/api/v1/labels?match[]=nosuch",
      "/api/v1/label/nosuch/values",
      "/api/v1/metadata?metric=nosuch",
      "/api/v1/metadata?limit=x",
      "/api/v1/rules",
      "/api/v1/rules?type=x",
      "/api/v1/alerts",
      "/api/v1/alertmanagers",
      "/api/v1/format_query?query=sum(up)by(job)",
      "/api/v1/query_exemplars?query=up",
      "/api/v1/status/walreplay",
      "/api/v1/nosuch",
      "/federate",
      "/-/healthy",
      "/-/ready",
      "/-/reload",
  };
  for (const char* path : paths) {
    int ours = 0, theirs = 0;
    const std::string mine = http_get(port_, path, &ours);
    EXPECT_EQ(mine, http_get(port, path, &theirs)) << path;
    EXPECT_EQ(ours, theirs) << path;
  }
}

}  // namespace
}  // namespace tocsin::test
