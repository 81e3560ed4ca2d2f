// The binary as its user meets it: exit codes, mistakes told, reload all or nothing, the HTTP surface.

#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace tocsin::test {
namespace {

using nlohmann::json;

constexpr const char* kHeartbeat =
    "[[probe]]\ntype = \"heartbeat\"\nname = \"backup\"\ntarget = \"nightly\"\nperiod = \"1h\"\ninterval = \"200ms\"\n";

class Agent {
 public:
  explicit Agent(const TempDir& dir, const std::string& more = "") : dir_(dir) {
    write(more);
    start();
  }

  void write(const std::string& more) {
    config_ = dir_.write("tocsin.toml", more + "\n[server]\nlisten = \"127.0.0.1:" + std::to_string(port_) +
                                            "\"\n[storage]\ndirectory = \"" + dir_.path("state") + "\"\n");
  }
  void start() {
    process_.emplace(std::vector<std::string>{tocsin_binary(), "run", "-c", config_}, dir_.path("tocsin.log"));
    EXPECT_TRUE(eventually([this] { return status("/-/ready") == 200; })) << process_->log();
  }
  int status(const std::string& path, const std::string& method = "GET") const {
    int code = 0;
    http_get(port_, path, &code, method);
    return code;
  }
  std::string get(const std::string& path) const { return http_get(port_, path); }
  json status_json() const { return json::parse(get("/api/tocsin/v1/status"), nullptr, false); }
  std::uint16_t port() const { return port_; }
  Process& process() { return *process_; }

 private:
  const TempDir& dir_;
  std::uint16_t port_ = free_port();
  std::string config_;
  std::optional<Process> process_;
};

TEST(AgentBinary, StartsOnItsEmbeddedDefault) {
  const TempDir dir;
  // The default has a fixed port, so only one such agent can run on a machine.
  int taken = 0;
  http_get(8627, "/-/ready", &taken);
  if (taken != 0) GTEST_SKIP() << "port 8627 is in use";
  Process agent({tocsin_binary(), "run"}, dir.path("log"), {{"STATE_DIRECTORY", dir.path("state")}});
  ASSERT_TRUE(eventually([&] { return http_get(8627, "/metrics").find("node_load1{") != std::string::npos; }))
      << agent.log();
  EXPECT_NE(agent.log().find("look at http://127.0.0.1:8627/"), std::string::npos) << agent.log();
  EXPECT_TRUE(std::filesystem::exists(dir.path("state/state.db")));
  EXPECT_EQ(agent.stop(), 0) << agent.log();
}

TEST(AgentBinary, AnswersOnItsHttpSurface) {
  const TempDir dir;
  Agent agent(dir, "rule_packs = [\"self\"]\n" + std::string(kHeartbeat));
  EXPECT_EQ(agent.status("/-/healthy"), 200);
  EXPECT_NE(agent.get("/").find("<title>tocsin</title>"), std::string::npos);
  EXPECT_EQ(agent.status("/page.js"), 200);
  EXPECT_EQ(agent.status("/page.css"), 200);
  EXPECT_TRUE(json::accept(agent.get("/grafana/tocsin.json")));
  EXPECT_EQ(agent.status("/no/such/page"), 404);
  EXPECT_EQ(agent.status("/metrics", "DELETE"), 405);
  const json status = agent.status_json();
  ASSERT_EQ(status["targets"].size(), 1U);
  EXPECT_EQ(status["targets"][0]["labels"]["job"], "backup");
}

TEST(AgentBinary, AHeartbeatThatWasAnsweredSurvivesSigkill) {
  const TempDir dir;
  Agent agent(dir, kHeartbeat);
  EXPECT_TRUE(eventually([&] { return agent.status("/heartbeat/nightly", "POST") == 200; }));
  EXPECT_EQ(agent.status("/heartbeat/unknown", "POST"), 404);
  agent.process().signal(SIGKILL);
  agent.process().wait();
  agent.start();
  EXPECT_TRUE(eventually([&] {
    const std::string metrics = agent.get("/metrics");
    return metrics.find("probe_heartbeat_last_timestamp_seconds{") != std::string::npos &&
           metrics.find("probe_success{instance=\"nightly\",job=\"backup\"} 1\n") != std::string::npos;
  })) << agent.get("/metrics");
}

TEST(AgentBinary, TwoOfThemDoNotShareAState) {
  const TempDir dir;
  Agent agent(dir);
  const std::string other = dir.write(
      "other.toml", "[server]\nlisten = \"127.0.0.1:0\"\n[storage]\ndirectory = \"" + dir.path("state") + "\"\n");
  const Output second = run({tocsin_binary(), "run", "-c", other});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_NE(second.err.find("another agent runs on"), std::string::npos) << second.err;
}

TEST(AgentBinary, ReloadIsAllOrNothing) {
  const TempDir dir;
  Agent agent(dir);
  agent.write("[[probe]]\ntype = \"tcp\"\ntarget = \"127.0.0.1:1\"\nintervall = \"1s\"\n[[probe]]\ntype = \"nope\"\n");
  int status = 0;
  const std::string answer = http_get(agent.port(), "/-/reload", &status, "POST");
  EXPECT_EQ(status, 400);
  EXPECT_NE(answer.find("intervall"), std::string::npos) << answer;
  EXPECT_NE(answer.find("nope"), std::string::npos) << "all mistakes are told: " << answer;
  EXPECT_NE(agent.get("/metrics").find("tocsin_config_last_reload_successful 0\n"), std::string::npos);
  EXPECT_EQ(agent.status_json()["targets"].size(), 0U) << "nothing is half applied";

  agent.write("[[probe]]\ntype = \"tcp\"\ntarget = \"127.0.0.1:1\"\ninterval = \"1s\"\n");
  agent.process().signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return agent.status_json()["targets"].size() == 1; }));
  EXPECT_NE(agent.get("/metrics").find("tocsin_config_last_reload_successful 1\n"), std::string::npos);
}

std::string down_rule(const std::string& group, const std::string& more) {
  return "[[group]]\nname = \"" + group + "\"\ninterval = \"200ms\"\n[[group.rule]]\nalert = \"" + group +
         "\"\nexpr = 'probe_success == 0'\n" + more;
}

TEST(AgentBinary, ABrokenRuleFileKeepsItsRulesAndTheOthersChange) {
  const TempDir dir;
  const auto names = [&](const Agent& agent) {
    std::string out;
    const json status = agent.status_json();
    for (const json& group : status["rules"]) out += group["group"].get<std::string>() + " ";
    return out;
  };
  dir.write("rules/a.toml", down_rule("A", ""));
  dir.write("rules/b.toml", "[[group]\n");
  Agent agent(dir, "rule_files = [\"rules/*.toml\"]\n");
  EXPECT_EQ(names(agent), "A ") << "it starts without the broken one";
  EXPECT_NE(agent.get("/metrics").find("tocsin_rule_files_broken 1\n"), std::string::npos);

  dir.write("rules/a.toml", down_rule("A", "for = \"soon\"\n"));
  dir.write("rules/b.toml", down_rule("B", ""));
  int status = 0;
  const std::string answer = http_get(agent.port(), "/-/reload", &status, "POST");
  EXPECT_EQ(status, 400);
  EXPECT_NE(answer.find("soon"), std::string::npos) << answer;
  EXPECT_EQ(names(agent), "B A ");
  EXPECT_NE(agent.get("/metrics").find("tocsin_config_last_reload_successful 0\n"), std::string::npos);
}

TEST(AgentBinary, TellsWhyAnAlertFiresAndWhyNot) {
  const TempDir dir;
  Agent agent(dir, down_rule("Down", "") +
                       "[[group.rule]]\nalert = \"Typo\"\nexpr = 'probe_sucess == 0'\n[[probe]]\ntype = \"tcp\"\n"
                       "target = \"127.0.0.1:1\"\ninterval = \"200ms\"\n[route]\nreceiver = \"oncall\"\n"
                       "group_wait = \"0s\"\n[[receiver]]\nname = \"oncall\"\n[[receiver.log]]\n");
  const std::string url = "http://127.0.0.1:" + std::to_string(agent.port());
  Output why;
  EXPECT_TRUE(eventually([&] {
    why = run({tocsin_binary(), "why", "Down", "job=tcp", "--url", url});
    return why.out.find("delivered") != std::string::npos;
  })) << why.out
      << why.err;
  EXPECT_NE(why.out.find("is firing since"), std::string::npos) << why.out;
  EXPECT_NE(why.out.find("goes to oncall"), std::string::npos) << why.out;
  EXPECT_NE(why.out.find("inactive -> firing"), std::string::npos) << why.out;

  why = run({tocsin_binary(), "why", "Typo", "--url", url});
  EXPECT_EQ(why.exit_code, 0);
  EXPECT_NE(why.out.find("matches no series, and never has since the start"), std::string::npos) << why.out;
  EXPECT_NE(agent.get("/metrics").find("tocsin_rule_selector_never_matched{"), std::string::npos);
  why = run({tocsin_binary(), "why", "Nobody", "--url", url});
  EXPECT_EQ(why.exit_code, 1);
  EXPECT_NE(why.err.find("no rule raises"), std::string::npos) << why.err;
}

TEST(AgentBinary, TellsEveryMistakeWithItsPlaceAndExitsWithTwo) {
  const TempDir dir;
  const std::string config = dir.write("bad.toml", R"(evaluation_interval = "soon"
[sever]
[[probe]]
type = "http"
target = "http://127.0.0.1/"
timeout = "1x"
[route]
receiver = "nobody"
[[group]]
name = "g"
[[group.rule]]
alert = "A"
expr = "sum("
)");
  for (const auto& argv : std::vector<std::vector<std::string>>{{tocsin_binary(), "check", config},
                                                                {tocsin_binary(), "run", "-c", config}}) {
    const Output output = run(argv);
    EXPECT_EQ(output.exit_code, 2);
    for (const char* place : {"bad.toml:1:23: ", "bad.toml:2:", "bad.toml:6:11: ", "bad.toml:8:", "bad.toml:13:"}) {
      EXPECT_NE(output.err.find(place), std::string::npos) << place << "\n" << output.err;
    }
  }
}

TEST(AgentBinary, ExitCodesSayWhatHappened) {
  const TempDir dir;
  const std::string tocsin = tocsin_binary();
  EXPECT_EQ(run({tocsin, "version"}).exit_code, 0);
  EXPECT_EQ(run({tocsin, "no-such-command"}).exit_code, 2);
  EXPECT_EQ(run({tocsin, "probe", "tcp", "127.0.0.1:" + std::to_string(free_port())}).exit_code, 1);
  EXPECT_EQ(run({tocsin, "probe", "exec", "true", "--set", "command = [\"true\"]"}).exit_code, 0);
  EXPECT_EQ(run({tocsin, "probe", "nope", "x"}).exit_code, 2);
  EXPECT_EQ(run({tocsin, "notify-test", "log"}).exit_code, 0);
  EXPECT_EQ(run({tocsin, "notify-test", "nobody"}).exit_code, 2);
  const Output by_default = run({tocsin, "config", "default"});
  EXPECT_EQ(by_default.exit_code, 0);
  EXPECT_EQ(run({tocsin, "check", dir.write("default.toml", by_default.out)}).exit_code, 0);
}

TEST(AgentBinary, ShowsNoSecret) {
  const TempDir dir;
  const std::string config = dir.write("tocsin.toml", R"(
[[probe]]
type = "http"
target = "http://127.0.0.1/"
basic_auth = { username = "u", password = "hunter2" }
[route]
receiver = "r"
[[receiver]]
name = "r"
[[receiver.pagerduty]]
routing_key = "hunter2"
)");
  const Output shown = run({tocsin_binary(), "config", "show", "-c", config});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_EQ(shown.out.find("hunter2"), std::string::npos) << shown.out;
  EXPECT_NE(shown.out.find("********"), std::string::npos);
}

TEST(AgentBinary, DocumentsItself) {
  const Output docs = run({tocsin_binary(), "docs"});
  EXPECT_EQ(docs.exit_code, 0);
  for (const char* word :
       {"evaluation_interval", "valid_status_codes", "routing_key", "group_wait", "keep_firing_for"}) {
    EXPECT_NE(docs.out.find(word), std::string::npos) << word;
  }
}

}  // namespace
}  // namespace tocsin::test
