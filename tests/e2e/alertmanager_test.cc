// The agent in Alertmanager's place: amtool and Prometheus from Debian work on it.

#include <gmock/gmock.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "tests/support/process.h"
#include "tests/support/real_server.h"
#include "tests/support/temp_dir.h"

namespace tocsin::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kRouting = R"(
[route]
receiver = "team"
group_by = ["alertname"]
group_wait = "0s"
[[route.routes]]
receiver = "database"
matchers = ['service="db"']
[[receiver]]
name = "team"
[[receiver.log]]
[[receiver]]
name = "database"
[[receiver.log]]
[[inhibit_rule]]
source_matchers = ['alertname="SiteDown"']
target_matchers = ['alertname="HostDown"']
equal = ["site"]
)";

class Agent {
 public:
  explicit Agent(const TempDir& dir) : dir_(dir) {
    config_ =
        dir.write("tocsin.toml", fmt::format("{}[server]\nlisten = \"127.0.0.1:{}\"\n[storage]\ndirectory = \"{}\"\n",
                                             kRouting, port_, dir.path("state")));
    start();
  }
  void start() {
    process_.emplace(std::vector<std::string>{tocsin_binary(), "run", "-c", config_}, dir_.path("tocsin.log"));
    EXPECT_TRUE(eventually([this] {
      int status = 0;
      http_get(port_, "/-/ready", &status);
      return status == 200;
    })) << process_->log();
  }
  void kill() {
    process_->signal(SIGKILL);
    process_->wait();
  }
  json get(const std::string& path) const { return json::parse(http_get(port_, path), nullptr, false); }
  std::uint16_t port() const { return port_; }
  Output amtool(std::vector<std::string> arguments) const {
    std::vector<std::string> argv{"amtool", "--no-version-check",
                                  "--alertmanager.url=http://127.0.0.1:" + std::to_string(port_)};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return run(argv);
  }
  std::string log() const { return process_->log(); }

 private:
  const TempDir& dir_;
  std::uint16_t port_ = free_port();
  std::string config_;
  std::optional<Process> process_;
};

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

TEST(AmtoolOnTocsin, AddsAndQueriesAlerts) {
  if (!installed("amtool")) GTEST_SKIP() << "amtool is not installed";
  const TempDir dir;
  const Agent agent(dir);
  for (const std::vector<std::string> add :
       {std::vector<std::string>{"alert", "add", "HostDown", "site=a", "host=1"},
        {"alert", "add", "SiteDown", "site=a"},
        {"alert", "add", "SlowQuery", "service=db", "--annotation=summary=slow"}}) {
    const Output added = agent.amtool(add);
    EXPECT_EQ(added.exit_code, 0) << added.err;
  }
  const Output all = agent.amtool({"alert", "query"});
  EXPECT_EQ(all.exit_code, 0) << all.err;
  EXPECT_THAT(all.out, HasSubstr("SiteDown"));
  EXPECT_THAT(all.out, HasSubstr("SlowQuery"));
  EXPECT_THAT(all.out, Not(HasSubstr("HostDown"))) << "inhibited ones only show when they are asked for";
  EXPECT_THAT(agent.amtool({"alert", "query", "--inhibited"}).out, HasSubstr("HostDown"));
  EXPECT_THAT(agent.amtool({"alert", "query", "service=db"}).out, Not(HasSubstr("SiteDown")));
  EXPECT_THAT(agent.amtool({"alert", "query", "--receiver=database"}).out, HasSubstr("SlowQuery"));
  const json groups = agent.get("/api/v2/alerts/groups?receiver=database");
  ASSERT_EQ(groups.size(), 1U) << groups;
  EXPECT_EQ(groups[0]["labels"], json({{"alertname", "SlowQuery"}}));
  EXPECT_EQ(groups[0]["alerts"][0]["annotations"]["summary"], "slow");
  EXPECT_THAT(http_get(agent.port(), "/metrics"),
              HasSubstr("alertmanager_alerts_received_total{status=\"firing\",version=\"v2\"} 3"));
}

TEST(AmtoolOnTocsin, SilencesSurviveAKill) {
  if (!installed("amtool")) GTEST_SKIP() << "amtool is not installed";
  const TempDir dir;
  Agent agent(dir);
  EXPECT_EQ(agent.amtool({"alert", "add", "HostDown", "site=b"}).exit_code, 0);
  const Output added =
      agent.amtool({"silence", "add", "-d", "1h", "-a", "me", "-c", "mending it", "alertname=HostDown", "site=~a|b"});
  ASSERT_EQ(added.exit_code, 0) << added.err;
  const std::string id = first_line(added.out);
  agent.kill();
  agent.start();
  const json silence = agent.get("/api/v2/silence/" + id);
  EXPECT_EQ(silence["status"]["state"], "active") << silence;
  EXPECT_EQ(silence["comment"], "mending it");
  const json alerts = agent.get("/api/v2/alerts");
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0]["status"]["silencedBy"], json::array({id}));
  EXPECT_THAT(agent.amtool({"silence", "query"}).out, HasSubstr(id));
  EXPECT_THAT(agent.amtool({"silence", "query", "alertname=Other"}).out, Not(HasSubstr(id)));
  const Output updated = agent.amtool({"silence", "update", "-d", "2h", "-c", "longer", id});
  EXPECT_EQ(updated.exit_code, 0) << updated.err;
  EXPECT_EQ(agent.get("/api/v2/silence/" + id)["comment"], "longer");
  const Output saved = agent.amtool({"silence", "query", "-o", "json"});
  EXPECT_EQ(agent.amtool({"silence", "expire", id}).exit_code, 0);
  EXPECT_EQ(agent.get("/api/v2/silence/" + id)["status"]["state"], "expired");
  const std::string file = dir.write("silences.json", saved.out);
  const Output imported = agent.amtool({"silence", "import", "--force", file});
  EXPECT_EQ(imported.exit_code, 0) << imported.err;
  EXPECT_THAT(agent.amtool({"silence", "query", "-q"}).out, Not(HasSubstr(id))) << "a new one";
  EXPECT_EQ(agent.get("/api/v2/silences?expired=false").size(), 1U);
}

TEST(AmtoolOnTocsin, ReadsRoutesAndStatus) {
  if (!installed("amtool")) GTEST_SKIP() << "amtool is not installed";
  const TempDir dir;
  const Agent agent(dir);
  const Output routes = agent.amtool({"config", "routes", "show"});
  EXPECT_EQ(routes.exit_code, 0) << routes.err;
  EXPECT_THAT(routes.out, HasSubstr("database"));
  const Output tested = agent.amtool({"config", "routes", "test", "service=db"});
  EXPECT_EQ(first_line(tested.out), "database") << tested.err;
  EXPECT_EQ(first_line(agent.amtool({"config", "routes", "test", "service=web"}).out), "team");
  EXPECT_EQ(agent.amtool({"config", "routes", "test", "--verify.receivers=team", "service=db"}).exit_code, 1);
  EXPECT_EQ(agent.amtool({"config", "show"}).exit_code, 0);
  EXPECT_EQ(agent.amtool({"cluster", "show"}).exit_code, 0);
  EXPECT_EQ(agent.get("/api/v2/receivers"), json::array({{{"name", "database"}}, {{"name", "team"}}}));
}

TEST(AlertmanagerApi, RefusesAsAlertmanagerDoes) {
  const TempDir dir;
  const Agent agent(dir);
  const auto post = [&](const std::string& path, const json& body) {
    int status = 0;
    const std::string answer = http_get(agent.port(), path, &status, "POST", body.dump(), "application/json");
    return answer + std::to_string(status);
  };
  const json good{{"labels", {{"alertname", "Good"}, {"empty", ""}}}};
  EXPECT_EQ(post("/api/v2/alerts", json::array({good, {{"labels", {{"empty", ""}}}}})),
            "\"at least one label pair required\"\n400");
  const json alerts = agent.get("/api/v2/alerts");
  ASSERT_EQ(alerts.size(), 1U) << "the valid one counts";
  EXPECT_EQ(alerts[0]["labels"], json({{"alertname", "Good"}}));
  EXPECT_THAT(post("/api/v2/alerts", json(5)), HasSubstr("\"code\":400"));
  json silence{{"matchers", {{{"name", "a"}, {"value", "("}, {"isRegex", true}}}},
               {"startsAt", "2026-01-01T00:00:00Z"},
               {"endsAt", "2099-01-01T00:00:00Z"},
               {"createdBy", "me"},
               {"comment", ""}};
  EXPECT_THAT(post("/api/v2/silences", silence), HasSubstr("invalid label matcher 0"));
  silence["matchers"][0] = {{"name", "a"}, {"value", "b"}, {"isRegex", false}};
  silence["id"] = "00000000-0000-0000-0000-000000000000";
  EXPECT_EQ(post("/api/v2/silences", silence), "\"silence not found\"\n404");
  silence.erase("id");
  silence["endsAt"] = "2020-01-01T00:00:00Z";
  EXPECT_THAT(post("/api/v2/silences", silence), HasSubstr("start time must be before end time"));
  silence.erase("comment");
  EXPECT_THAT(post("/api/v2/silences", silence), HasSubstr("422"));
  int status = 0;
  http_get(agent.port(), "/api/v2/silence/00000000-0000-0000-0000-000000000000", &status);
  EXPECT_EQ(status, 404);
  http_get(agent.port(), "/api/v2/silence/x", &status);
  EXPECT_EQ(status, 422);
  http_get(agent.port(), "/api/v2/alerts?filter=%7B%7B", &status);
  EXPECT_EQ(status, 400);
  http_get(agent.port(), "/api/v2/alerts", &status, "POST", "[]");
  EXPECT_EQ(status, 415) << "a web page cannot post";
}

TEST(PrometheusToTocsin, ItsAlertsArriveAndAreResolved) {
  if (!installed("prometheus")) GTEST_SKIP() << "prometheus is not installed";
  const TempDir dir;
  const Agent agent(dir);
  const std::string rules = dir.write("rules.yml", R"(
groups:
- name: g
  rules:
  - alert: AlwaysOn
    expr: vector(1)
    labels: {severity: page}
    annotations: {summary: "it is {{ $value }}"}
)");
  const std::string config = dir.write("prometheus.yml", fmt::format(R"(
global: {{evaluation_interval: 1s}}
rule_files: [{}]
alerting:
  alertmanagers:
  - static_configs: [{{targets: ["127.0.0.1:{}"]}}]
)",
                                                                     rules, agent.port()));
  Process prometheus({"prometheus", "--config.file=" + config, "--storage.tsdb.path=" + dir.path("tsdb"),
                      "--web.listen-address=127.0.0.1:" + std::to_string(free_port())},
                     dir.path("prometheus.log"));
  ASSERT_TRUE(eventually([&] { return agent.get("/api/v2/alerts?filter=alertname=AlwaysOn").size() == 1; }))
      << prometheus.log();
  const json alert = agent.get("/api/v2/alerts")[0];
  EXPECT_EQ(alert["annotations"]["summary"], "it is 1");
  EXPECT_THAT(alert["generatorURL"].get<std::string>(), HasSubstr("/graph"));
  EXPECT_TRUE(eventually([&] { return agent.log().find("AlwaysOn") != std::string::npos; })) << agent.log();
}

}  // namespace
}  // namespace tocsin::test
