// Requests and the exact bodies that answer them, over HTTP against a whole App. What the bodies must be was taken down
// from Prometheus 2.42 (and from Prometheus' documentation where 3 differs).

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include "agent/app.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace tocsin {
namespace {

namespace asio = boost::asio;
using nlohmann::json;
using namespace std::chrono_literals;

constexpr const char* kConfig = R"toml(
[labels]
site = "a"
[query]
samples_max = 100000
series_max = 100
[server]
listen = "127.0.0.1:0"
cors_origin = "https://grafana.example"
lifecycle = false
[[probe]]
type = "heartbeat"
name = "backup"
target = "nightly"
period = "1h"
interval = "1h"
[[group]]
name = "g1"
[[group.rule]]
record = "a:b"
expr = "sum( up )"
labels = { x = "y" }
[[group.rule]]
alert = "Down"
expr = "up==0"
for = "1m"
labels = { severity = "page" }
annotations = { summary = "a <b> & c" }
[[group]]
name = "g2"
[[group.rule]]
alert = "Never"
expr = "up == 7"
)toml";

/// One App for all tests of this file, on a thread of its own.
class PrometheusApi : public testing::Test {
 protected:
  struct Running {
    test::TempDir dir;
    asio::io_context engine{1};
    SystemClock clock;
    std::unique_ptr<App> app;
    std::thread thread;

    Running() {
      Diagnostics diagnostics;
      auto config = parse_config(kConfig, "test.toml", diagnostics);
      EXPECT_TRUE(diagnostics.empty()) << diagnostics.str();
      auto db =
          StateDb::open(dir.path("state.db"), [this](std::function<void()> f) { asio::post(engine, std::move(f)); });
      app = std::make_unique<App>(engine, clock, config, std::move(*db));
      fill();
      EXPECT_TRUE(app->start());
      thread = std::thread([this] { engine.run(); });
    }
    ~Running() {
      asio::post(engine, [this] {
        asio::awaitable<void> stopping = app->stop();
        asio::co_spawn(engine, std::move(stopping), [this](std::exception_ptr) { engine.stop(); });
      });
      thread.join();
    }

    void add(Labels labels, std::vector<std::pair<int, double>> samples) {
      RemoteWriteSeries series;
      series.labels = std::move(labels);
      for (const auto& [ms, v] : samples) series.samples.push_back({base() + Duration(ms), v});
      RemoteWriteOutcome outcome;
      app->remote_write().apply(series, outcome);
    }
    void fill() {
      add(Labels{{"__name__", "m"}, {"i", "1"}}, {{0, 1}, {10'050, 2.5}, {20'000, 1e-7}});
      add(Labels{{"__name__", "m"}, {"i", "2"}}, {{0, kNaN}, {10'000, 1e21}, {20'000, HUGE_VAL}});
      add(Labels{{"__name__", "text"}, {"a", "<&>\"\\\n\xe2\x80\xa8\xff"}}, {{0, -0.0}});
      add(Labels{{"__name__", "dotted"}, {"http.status", "200"}}, {{0, 123456789012345680000.0}});
      for (int i = 0; i < 101; ++i) add(Labels{{"__name__", "many"}, {"i", std::to_string(i)}}, {{0, i}});
    }
  };
  static void SetUpTestSuite() { running_ = new Running; }
  static void TearDownTestSuite() { delete std::exchange(running_, nullptr); }

  /// What the tests write as 1000000: a time that the store still keeps.
  static TimePoint base() {
    static const TimePoint at = std::chrono::floor<std::chrono::seconds>(SystemClock().now()) - 30min;
    return TimePoint(at.time_since_epoch() / 100s * 100s);
  }
  static std::string at_base(const std::string& text) {
    static const std::regex kTime("\\b10000(\\d\\d)\\b");
    return std::regex_replace(text, kTime, std::to_string(base().time_since_epoch() / 100s) + "$1");
  }

  static std::string get(const std::string& path, int status = 200, const std::string& method = "GET") {
    int got = 0;
    std::string answer = test::http_get(running_->app->port(), at_base(path), &got, method);
    EXPECT_EQ(got, status) << method << " " << path << ": " << answer;
    return answer;
  }
  /// The value of "data" as it was sent.
  static std::string data(const std::string& path) {
    const std::string body = get("/api/v1" + path);
    constexpr std::string_view kBefore = R"({"status":"success","data":)";
    EXPECT_TRUE(body.starts_with(kBefore) && body.ends_with("}")) << body;
    return body.substr(kBefore.size(), body.size() - kBefore.size() - 1);
  }

  static inline Running* running_ = nullptr;
};

TEST_F(PrometheusApi, NumbersAndTimesAreWrittenAsGoWritesThem) {
  const std::pair<const char*, const char*> rows[] = {
      {"query=1%2B1&time=4", R"({"resultType":"scalar","result":[4,"2"]})"},
      {"query=1&time=1.5", R"({"resultType":"scalar","result":[1.5,"1"]})"},
      {"query=1&time=4.05", R"({"resultType":"scalar","result":[4.05,"1"]})"},
      {"query=1&time=2026-01-01T00:00:00.123Z", R"({"resultType":"scalar","result":[1767225600.123,"1"]})"},
      {"query=1e21&time=4", R"({"resultType":"scalar","result":[4,"1000000000000000000000"]})"},
      {"query=%22a%3Cb%22&time=4", R"({"resultType":"string","result":[4,"a\u003cb"]})"},
      {"query=vector(1e21)&time=4", R"({"resultType":"vector","result":[{"metric":{},"value":[4,"1e+21"]}]})"},
      {"query=vector(1e-7)&time=4", R"({"resultType":"vector","result":[{"metric":{},"value":[4,"1e-07"]}]})"},
      {"query=vector(NaN)&time=4", R"({"resultType":"vector","result":[{"metric":{},"value":[4,"NaN"]}]})"},
      {"query=vector(-Inf)&time=4", R"({"resultType":"vector","result":[{"metric":{},"value":[4,"-Inf"]}]})"},
      {"query=vector(-0.1)&time=-4.5", R"({"resultType":"vector","result":[{"metric":{},"value":[-4.500,"-0.1"]}]})"},
      {"query=vector(0.000001234)&time=4",
       R"({"resultType":"vector","result":[{"metric":{},"value":[4,"0.000001234"]}]})"},
      {"query=dotted&time=1000000",
       R"({"resultType":"vector","result":[{"metric":{"__name__":"dotted","http.status":"200"},"value":[1000000,"123456789012345680000"]}]})"},
      {"query=text&time=1000000",
       R"({"resultType":"vector","result":[{"metric":{"__name__":"text","a":"\u003c\u0026\u003e\"\\\n\u2028\ufffd"},"value":[1000000,"-0"]}]})"},
      {"query=m&time=1000010.05",
       R"({"resultType":"vector","result":[{"metric":{"__name__":"m","i":"1"},"value":[1000010.050,"2.5"]},{"metric":{"__name__":"m","i":"2"},"value":[1000010.050,"1e+21"]}]})"},
      {"query=m{i=%221%22}[1m]&time=1000020",
       R"({"resultType":"matrix","result":[{"metric":{"__name__":"m","i":"1"},"values":[[1000000,"1"],[1000010.050,"2.5"],[1000020,"1e-07"]]}]})"},
      {"query=nosuch", R"({"resultType":"vector","result":[]})"},
  };
  for (const auto& [query, expected] : rows)
    EXPECT_EQ(data("/query?" + std::string(query)), at_base(expected)) << query;
}

TEST_F(PrometheusApi, RangesAreMatrices) {
  EXPECT_EQ(data("/query_range?query=1&start=1&end=5.5&step=2"),
            R"({"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[3,"1"],[5,"1"]]}]})");
  EXPECT_EQ(
      data("/query_range?query=m&start=1000000&end=1000020&step=10"),
      at_base(
          R"({"resultType":"matrix","result":[{"metric":{"__name__":"m","i":"1"},"values":[[1000000,"1"],[1000010,"1"],[1000020,"1e-07"]]},{"metric":{"__name__":"m","i":"2"},"values":[[1000000,"NaN"],[1000010,"1e+21"],[1000020,"+Inf"]]}]})"));
  EXPECT_EQ(data("/query_range?query=nosuch&start=0&end=11&step=1m"), R"({"resultType":"matrix","result":[]})");
  EXPECT_EQ(json::parse(data("/query_range?query=1&start=0&end=11000&step=1"))["result"][0]["values"].size(), 11001U);
  EXPECT_EQ(get("/api/v1/query_range?query=1&start=1&end=1&step=1", 200, "POST"),
            R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"]]}]}})");
}

TEST_F(PrometheusApi, MistakesAreToldInPrometheusWords) {
  struct Row {
    const char* path;
    int status;
    const char* type;
    const char* error;
  };
  const Row rows[] = {
      {"/query?query=", 400, "bad_data",
       R"(invalid parameter "query": unknown position: parse error: no expression found in input)"},
      {"/query?query=up%2B", 400, "bad_data",
       R"(invalid parameter "query": 1:4: parse error: unexpected end of input)"},
      {"/query?query=up&time=foo", 400, "bad_data",
       R"(invalid parameter "time": Invalid time value for 'time': cannot parse "foo" to a valid timestamp)"},
      {"/query?query=up&timeout=foo", 400, "bad_data",
       R"(invalid parameter "timeout": cannot parse "foo" to a valid duration)"},
      {"/query?query=up&limit=x", 400, "bad_data",
       R"(invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax)"},
      {"/query?query=up&limit=-1", 400, "bad_data", R"(invalid parameter "limit": limit must be non-negative)"},
      {"/query?query=up&lookback_delta=x", 400, "bad_data",
       R"(error parsing lookback delta duration: cannot parse "x" to a valid duration)"},
      {"/query?query=m%2Bon()m&time=1000000", 422, "execution",
       R"(found duplicate series for the match group {} on the right hand-side of the operation: [{__name__="m", i="1"}, {__name__="m", i="2"}];many-to-many matching not allowed: matching labels must be unique on one side)"},
      {"/query?query=many&time=1000000", 422, "execution",
       "the query selects 101 series, more than 100: narrow its matchers"},
      {"/query?query=sum_over_time(vector(1)[10y:1s])", 422, "execution",
       "query processing would load too many samples into memory in query execution"},
      {"/query?query=1&timeout=0", 503, "timeout", "query timed out in query queue"},
      {"/query_range?query=up&end=5.5&step=1", 400, "bad_data",
       R"(invalid parameter "start": cannot parse "" to a valid timestamp)"},
      {"/query_range?query=up&start=6&end=5.5&step=1", 400, "bad_data",
       R"(invalid parameter "end": end timestamp must not be before start time)"},
      {"/query_range?query=up&start=1&end=5&step=0", 400, "bad_data",
       R"(invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer)"},
      {"/query_range?query=up&start=1&end=5&step=99999999999999999999", 400, "bad_data",
       R"(invalid parameter "step": cannot parse "99999999999999999999" to a valid duration. It overflows int64)"},
      {"/query_range?query=up&start=0&end=11001&step=1", 400, "bad_data",
       "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"},
      {"/query_range?query=up[5m]&start=0&end=11&step=1", 400, "bad_data",
       R"(invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or instant Vector)"},
      {"/series", 400, "bad_data", "no match[] parameter provided"},
      {"/series?match[]={}", 400, "bad_data",
       R"(invalid parameter "match[]": match[] must contain at least one non-empty matcher)"},
      {"/labels?match[]={}", 400, "bad_data", "match[] must contain at least one non-empty matcher"},
      {"/labels?start=x", 400, "bad_data",
       R"(invalid parameter "start": Invalid time value for 'start': cannot parse "x" to a valid timestamp)"},
      {"/series?match[]=many", 422, "execution", "the request selects more than 100 series: narrow its matchers"},
      {"/metadata?limit=x", 400, "bad_data", "limit must be a number"},
      {"/rules?type=x", 400, "bad_data", R"(invalid parameter "type": not supported value "x")"},
      {"/rules?group_next_token=x", 400, "bad_data",
       R"(invalid parameter "group_limit": group_limit needs to be present in order to paginate over the groups)"},
      {"/rules?group_limit=1&group_next_token=x", 400, "bad_data",
       R"(invalid parameter "group_next_token": invalid group_next_token 'x'. were rule groups changed?)"},
      {"/format_query?query=up%2B", 400, "bad_data",
       R"(invalid parameter "query": 1:4: parse error: unexpected end of input)"},
      {"/query_exemplars?query=up&start=6&end=5", 400, "bad_data", "end timestamp must not be before start timestamp"},
  };
  for (const Row& row : rows) {
    const json body = json::parse(get("/api/v1" + std::string(row.path), row.status), nullptr, false);
    ASSERT_TRUE(body.is_object()) << row.path;
    EXPECT_EQ(body.value("errorType", ""), row.type) << row.path;
    EXPECT_EQ(body.value("error", ""), row.error) << row.path;
  }
  EXPECT_EQ(get("/api/v1/series", 400),
            R"({"status":"error","errorType":"bad_data","error":"no match[] parameter provided"})");
}

TEST_F(PrometheusApi, SeriesLabelsAndValues) {
  const std::pair<const char*, const char*> rows[] = {
      {"/series?match[]=m", R"([{"__name__":"m","i":"1"},{"__name__":"m","i":"2"}])"},
      {"/series?match[]=m&match[]={__name__=%22m%22,i=%221%22}",
       R"([{"__name__":"m","i":"1"},{"__name__":"m","i":"2"}])"},
      {"/series?match[]=nosuch", "[]"},
      {"/series?match[]=m&end=1", "[]"},
      {"/labels?match[]=m", R"(["__name__","i"])"},
      {"/labels?match[]=nosuch", "[]"},
      {"/label/i/values?match[]=m", R"(["1","2"])"},
      {"/label/i/values?match[]=m&start=1000000&end=1000001", R"(["1","2"])"},
      {"/label/nosuch/values", "[]"},
      {"/label/U__http_2e_status/values", R"(["200"])"},
      {"/label/http.status/values", R"(["200"])"},
      {"/metadata?metric=nosuch", "{}"},
      {"/metadata?limit=0", "{}"},
      {"/metadata?metric=probe_success",
       R"({"probe_success":[{"type":"gauge","help":"Whether the probe succeeded.","unit":""}]})"},
  };
  for (const auto& [path, expected] : rows) EXPECT_EQ(data(path), expected) << path;
  EXPECT_EQ(get("/api/v1/series?match[]=m&limit=1"),
            R"({"status":"success","data":[{"__name__":"m","i":"1"}],"warnings":["results truncated due to limit"]})");
  EXPECT_EQ(
      get("/api/v1/query?query=m&time=1000000&limit=1"),
      at_base(
          R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"m","i":"1"},"value":[1000000,"1"]}]},"warnings":["results truncated due to limit"]})"));
}

TEST_F(PrometheusApi, RulesAndTheirFilters) {
  const json all = json::parse(data("/rules"));
  ASSERT_EQ(all["groups"].size(), 2U);
  const json& group = all["groups"][0];
  EXPECT_EQ(group["name"], "g1");
  EXPECT_EQ(group["file"], "test.toml");
  EXPECT_EQ(group["interval"], 15);
  EXPECT_EQ(group["rules"][0]["query"], "sum(up)");
  EXPECT_EQ(group["rules"][0]["type"], "recording");
  EXPECT_EQ(group["rules"][1]["duration"], 60);
  EXPECT_EQ(group["rules"][1]["keepFiringFor"], 0);
  EXPECT_EQ(group["rules"][1]["annotations"]["summary"], "a <b> & c");
  const auto names = [](const std::string& query) {
    std::string out;
    const json found = json::parse(data("/rules?" + query));
    for (const json& one : found["groups"]) {
      out += one["name"].get<std::string>() + ":";
      for (const json& rule : one["rules"]) out += rule["name"].get<std::string>() + ",";
    }
    return out;
  };
  EXPECT_EQ(names("type=alert"), "g1:Down,g2:Never,");
  EXPECT_EQ(names("type=record"), "g1:a:b,");
  EXPECT_EQ(names("rule_name[]=Never&rule_name[]=a:b"), "g1:a:b,g2:Never,");
  EXPECT_EQ(names("rule_group[]=g2"), "g2:Never,");
  EXPECT_EQ(names("file[]=other"), "");
  EXPECT_EQ(names("match[]={severity=%22page%22}"), "g1:Down,");
  const json first = json::parse(data("/rules?group_limit=1"));
  EXPECT_EQ(first["groups"].size(), 1U);
  EXPECT_EQ(names("group_limit=1&group_next_token=" + first["groupNextToken"].get<std::string>()), "g2:Never,");
  EXPECT_EQ(get("/api/v1/rules/test/test", 404), "404 page not found\n");
  EXPECT_EQ(data("/alerts"), R"({"alerts":[]})");
  EXPECT_EQ(data("/alertmanagers"), R"({"activeAlertmanagers":[],"droppedAlertmanagers":[]})");
}

TEST_F(PrometheusApi, TargetsAreProbes) {
  EXPECT_EQ(data("/scrape_pools"), R"({"scrapePools":["backup"]})");
  EXPECT_EQ(data("/targets?state=dropped"), R"({"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}})");
  EXPECT_EQ(data("/targets?scrapePool=other"), data("/targets?state=dropped"));
  const json targets = json::parse(data("/targets?state=active&scrapePool=backup"));
  ASSERT_EQ(targets["activeTargets"].size(), 1U);
  EXPECT_EQ(targets["activeTargets"][0]["scrapeUrl"], "heartbeat://nightly");
  EXPECT_EQ(targets["activeTargets"][0]["labels"], json({{"job", "backup"}, {"instance", "nightly"}}));
  EXPECT_EQ(targets["activeTargets"][0]["scrapeInterval"], "1h");
}

TEST_F(PrometheusApi, StatusFormatAndExemplars) {
  const json build = json::parse(data("/status/buildinfo"));
  EXPECT_EQ(build["version"], "3.14.0");
  EXPECT_NE(build["revision"].get<std::string>().find("tocsin"), std::string::npos);
  EXPECT_NE(json::parse(data("/status/config"))["yaml"].get<std::string>().find("samples_max = 100000"),
            std::string::npos);
  EXPECT_EQ(json::parse(data("/status/flags"))["query.max-samples"], "100000");
  EXPECT_EQ(json::parse(data("/status/runtimeinfo"))["reloadConfigSuccess"], true);
  EXPECT_EQ(data("/status/walreplay"), R"({"min":0,"max":0,"current":0})");
  const json tsdb = json::parse(data("/status/tsdb?limit=1"));
  EXPECT_EQ(tsdb["seriesCountByMetricName"], json::array({{{"name", "many"}, {"value", 101}}}));
  EXPECT_EQ(data("/format_query?query=sum(up)by(job)"), "\"sum by (job) (up)\"");
  EXPECT_EQ(data("/query_exemplars?query=up"), "[]");
  EXPECT_EQ(get("/api/v1/query_exemplars?query=1", 204), "");
  const json stats = json::parse(data("/query?query=m&time=1000000&stats=all"))["stats"];
  EXPECT_EQ(stats["samples"]["totalQueryableSamples"], 2);
  EXPECT_TRUE(stats["timings"].contains("execQueueTime"));
}

TEST_F(PrometheusApi, FederatesWithItsOwnLabels) {
  EXPECT_EQ(get("/federate"), "");
  get("/federate?match[]=up%2B", 400);
}

TEST_F(PrometheusApi, ManagementSpeaksPrometheusWords) {
  EXPECT_EQ(get("/-/healthy"), "Prometheus Server is Healthy.\n");
  EXPECT_EQ(get("/-/ready"), "Prometheus Server is Ready.\n");
  EXPECT_EQ(get("/-/reload", 405), "Only POST or PUT requests allowed");
  EXPECT_EQ(get("/-/reload", 403, "POST"), "Lifecycle API is not enabled.");
  EXPECT_EQ(get("/-/healthy", 200, "HEAD"), "");
  EXPECT_EQ(get("/api/v1/query", 204, "OPTIONS"), "");
  EXPECT_EQ(get("/api/v1/nosuch", 404), "404 page not found\n");
}

TEST_F(PrometheusApi, QueriesAreCountedUnderPrometheusNames) {
  data("/query?query=1");
  const std::string metrics = get("/metrics");
  EXPECT_NE(metrics.find("prometheus_engine_queries 0"), std::string::npos);
  EXPECT_NE(metrics.find("prometheus_engine_query_duration_seconds{slice=\"inner_eval\",quantile=\"0.99\"}"),
            std::string::npos);
}

}  // namespace
}  // namespace tocsin
