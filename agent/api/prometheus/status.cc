// status/*: what Prometheus tells of itself, as far as it means something here. Grafana reads from buildinfo which
// dialect it may speak.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <thread>

#include "agent/api/prometheus/params.h"
#include "agent/app.h"

namespace tocsin::promapi {
namespace {

namespace asio = boost::asio;

/// The Prometheus whose language and API this is.
constexpr std::string_view kDialect = "3.14.0";

ApiResult<Payload> buildinfo(App&, const ServerRequest&) {
  Payload out;
  out.json.open_object().key("version").string(kDialect).key("revision").string("tocsin " TOCSIN_VERSION);
  out.json.key("branch").string("tocsin").key("buildUser").string("").key("buildDate").string("");
  out.json.key("goVersion").string("").close_object();
  return out;
}

/// What is in force, secrets masked. It is TOML; the key is Prometheus' name for it.
ApiResult<Payload> config(App& app, const ServerRequest&) {
  Payload out;
  out.json.open_object().key("yaml").string(to_toml(effective_document(app.config()))).close_object();
  return out;
}

/// The settings that Prometheus has flags for, under their names.
ApiResult<Payload> flags(App& app, const ServerRequest&) {
  const Config& c = app.config();
  const std::map<std::string, std::string> all{
      {"config.file", c.file},
      {"log.level", std::string(EnumNames<LogLevel>::kNames[static_cast<int>(c.log_level)].name)},
      {"query.lookback-delta", format_duration(c.query.lookback)},
      {"query.max-concurrency", std::to_string(c.query.concurrency_max)},
      {"query.max-samples", std::to_string(c.query.samples_max)},
      {"query.timeout", format_duration(c.query.timeout)},
      {"storage.tsdb.retention.time", format_duration(c.storage.limits.retention)},
      {"web.cors.origin", c.server.cors_origin},
      {"web.enable-lifecycle", c.server.lifecycle ? "true" : "false"},
      {"web.external-url", c.notify->external_url},
      {"web.listen-address", c.server.listen},
      {"web.max-connections", std::to_string(c.server.connections_max)},
  };
  Payload out;
  out.json.open_object();
  for (const auto& [name, value] : all) out.json.key(name).string(value);
  out.json.close_object();
  return out;
}

ApiResult<Payload> runtimeinfo(App& app, const ServerRequest&) {
  std::error_code error;
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  Payload out;
  out.json.open_object().key("startTime").time(app.started_at());
  out.json.key("CWD").string(std::filesystem::current_path(error).string()).key("hostname").string(host);
  out.json.key("serverTime").time(app.clock().now());
  out.json.key("reloadConfigSuccess").boolean(app.last_reload().successful);
  out.json.key("lastConfigTime").time(app.last_reload().at).key("corruptionCount").integer(0);
  // Go's own: threads stand for goroutines.
  out.json.key("goroutineCount").integer(app.config().probe_threads + 1);
  out.json.key("GOMAXPROCS").integer(std::thread::hardware_concurrency());
  out.json.key("GOMEMLIMIT").integer(0).key("GOGC").string("").key("GODEBUG").string("");
  out.json.key("storageRetention").string(format_duration(app.config().storage.limits.retention)).close_object();
  return out;
}

ApiResult<Payload> walreplay(App&, const ServerRequest&) {
  Payload out;
  out.json.open_object().key("min").integer(0).key("max").integer(0).key("current").integer(0).close_object();
  return out;
}

using Count = std::pair<std::string, std::int64_t>;

/// The largest first; of equal ones by name.
void write_top(JsonWriter& json, std::string_view key, std::vector<Count> counts, std::size_t limit) {
  const auto before = [](const Count& a, const Count& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  };
  const auto middle = counts.begin() + static_cast<std::ptrdiff_t>(std::min(limit, counts.size()));
  std::partial_sort(counts.begin(), middle, counts.end(), before);
  counts.erase(middle, counts.end());
  json.key(key).open_array();
  for (const auto& [name, value] : counts) {
    json.open_object().key("name").string(name).key("value").integer(value).close_object();
  }
  json.close_array();
}

/// How many series each label and each pair of a label and a value has.
struct Cardinality {
  std::vector<Count> by_metric;
  std::vector<Count> values;
  std::vector<Count> bytes;
  std::vector<Count> by_pair;

  Result<void> count(const SeriesStore& store, Turn& turn) {
    for (const std::string& name : store.label_names()) {
      const std::vector<std::string> of_label = store.label_values(name);
      values.emplace_back(name, of_label.size());
      std::int64_t size = 0;
      for (const std::string& value : of_label) {
        if (Result<void> ok = turn.checkpoint(); !ok) return ok;
        const Matchers one{Matcher::equal(name, value)};
        const auto series = static_cast<std::int64_t>(store.match(one, TimePoint::min(), TimePoint::max()).size());
        size += series * static_cast<std::int64_t>(value.size());
        by_pair.emplace_back(name + "=" + value, series);
        if (name == kMetricName) by_metric.emplace_back(value, series);
      }
      bytes.emplace_back(name, size);
    }
    return {};
  }
};

asio::awaitable<ServerResponse> tsdb(App& app, ServerRequest request) {
  std::size_t limit = 10;
  if (const std::string_view text = request.param("limit"); !text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc() || end != text.data() + text.size() || limit < 1)
      co_return respond(bad_data("limit must be a positive number"));
  }
  Work work = [&app, limit](Turn& turn) -> ApiResult<Payload> {
    if (const Result<void> ok = turn.acquire(); !ok) return stopped_or_failed(turn, ok.error());
    const SeriesStoreStats stats = app.store().stats();
    const TimePoint now = app.clock().now();
    const TimePoint oldest = std::max(app.started_at(), now - app.config().storage.limits.retention);
    Cardinality all;
    if (const Result<void> ok = all.count(app.store(), turn); !ok) return stopped_or_failed(turn, ok.error());
    turn.release();
    Payload out;
    out.json.open_object().key("headStats").open_object();
    out.json.key("numSeries").integer(static_cast<std::int64_t>(stats.series));
    out.json.key("numLabelPairs").integer(static_cast<std::int64_t>(all.by_pair.size()));
    out.json.key("chunkCount").integer(static_cast<std::int64_t>(stats.chunks));
    out.json.key("minTime").integer(oldest.time_since_epoch().count());
    out.json.key("maxTime").integer(now.time_since_epoch().count()).close_object();
    write_top(out.json, "seriesCountByMetricName", std::move(all.by_metric), limit);
    write_top(out.json, "labelValueCountByLabelName", std::move(all.values), limit);
    write_top(out.json, "memoryInBytesByLabelName", std::move(all.bytes), limit);
    write_top(out.json, "seriesCountByLabelValuePair", std::move(all.by_pair), limit);
    out.json.close_object();
    return out;
  };
  co_return co_await run_work(app, std::move(request), std::move(work), app.config().query.timeout);
}

}  // namespace

void add_status_routes(Routes& routes) {
  routes.get("/status/buildinfo", buildinfo);
  routes.get("/status/config", config);
  routes.get("/status/flags", flags);
  routes.get("/status/runtimeinfo", runtimeinfo);
  routes.get("/status/tsdb", tsdb);
  routes.get("/status/walreplay", walreplay);
}

}  // namespace tocsin::promapi
