// /federate: the newest samples of what match[] selects, in the text exposition format, for another Prometheus to
// scrape. The agent's own labels are added where a series has none of that name, and so is an empty instance, because a
// scraper tells series apart by it and shall not put its own in.

#include <algorithm>

#include "agent/api/api.h"
#include "agent/api/prometheus/params.h"
#include "agent/app.h"

namespace tocsin::promapi {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kSeriesBetweenCheckpoints = 200;

struct Newest {
  Labels labels;
  Sample sample;
};

using External = std::map<std::string, std::string>;

void append_label(std::string& out, std::string_view name, std::string_view value) {
  const auto put = [&out](std::string_view text) {
    out += '"';
    for (const char c : text) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n') out += '\\';
      out += c == '\n' ? 'n' : c;
    }
    out += '"';
  };
  if (name == kMetricName) return put(value);
  if (is_valid_legacy_label_name(name)) {
    out += name;
  } else {
    put(name);
  }
  out += '=';
  put(value);
}

void append_line(std::string& out, const Newest& one, const External& external) {
  const bool plain = is_valid_legacy_metric_name(one.labels.metric_name());
  if (plain) out += one.labels.metric_name();
  char separator = '{';
  const auto add = [&](std::string_view name, std::string_view value) {
    out += std::exchange(separator, ',');
    append_label(out, name, value);
  };
  for (const Label label : one.labels) {
    if (!plain || label.name != kMetricName) add(label.name, label.value);
  }
  for (const auto& [name, value] : external) {
    if (!one.labels.has(name)) add(name, value);
  }
  out += "} ";
  append_value(out, one.sample.v);
  out += fmt::format(" {}\n", one.sample.t.time_since_epoch().count());
}

std::string exposition(std::vector<Newest> all, const External& external) {
  std::sort(all.begin(), all.end(), [](const Newest& a, const Newest& b) {
    const std::string_view x = a.labels.metric_name(), y = b.labels.metric_name();
    return x != y ? x < y : a.labels < b.labels;
  });
  const auto same = [](const Newest& a, const Newest& b) { return a.labels == b.labels; };
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
  std::string out;
  std::string_view family;
  for (const Newest& one : all) {
    if (const std::string_view name = one.labels.metric_name(); name != family) {
      family = name;
      out += fmt::format("# TYPE {} untyped\n", is_valid_legacy_metric_name(name) ? std::string(name) : quoted(name));
    }
    append_line(out, one, external);
  }
  return out;
}

/// Takes the turn, and gives it back.
Result<std::vector<Newest>> newest(const App& app, const std::vector<Matchers>& selectors, TimePoint now, Turn& turn) {
  const QueryConfig& config = app.config().query;
  std::vector<Newest> out;
  if (Result<void> ok = turn.acquire(); !ok) return tl::make_unexpected(ok.error());
  for (const Matchers& matchers : selectors) {
    std::size_t count = 0;
    const std::vector<SeriesRef> refs = app.store().match(matchers, now - config.lookback, now);
    if (refs.size() > config.series_max) return fail("the request selects more than {} series", config.series_max);
    for (const SeriesRef ref : refs) {
      if (++count % kSeriesBetweenCheckpoints == 0) {
        if (Result<void> ok = turn.checkpoint(); !ok) return tl::make_unexpected(ok.error());
      }
      const auto sample = app.store().newest(ref, now, config.lookback);
      if (sample) out.push_back({app.store().labels(ref), *sample});
    }
  }
  turn.release();
  return out;
}

asio::awaitable<ServerResponse> federate(App& app, ServerRequest request) {
  if (!app.ready()) co_return ServerResponse::text(503, "Service Unavailable");
  Result<std::vector<Matchers>> selectors = match_params(request);
  if (!selectors) co_return ServerResponse::text(400, selectors.error().message + "\n");
  External external = app.config().external_labels;
  external.try_emplace("instance");
  ResponseWork work = [&app, selectors = std::move(*selectors), external = std::move(external),
                       now = app.clock().now()](Turn& turn) {
    Result<std::vector<Newest>> found = newest(app, selectors, now, turn);
    turn.release();
    if (!found)
      return ServerResponse::text(turn.state() == JobState::kRunning ? 422 : 503, found.error().message + "\n");
    ServerResponse response = ServerResponse::text(200, exposition(std::move(*found), external));
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return response;
  };
  co_return co_await run_response(app, std::move(request), std::move(work), app.config().query.timeout);
}

}  // namespace
}  // namespace tocsin::promapi

namespace tocsin {

void add_federate_routes(HttpServer& server, App& app) {
  server.route("GET", "/federate",
               [&app](ServerRequest request) { return promapi::federate(app, std::move(request)); });
}

}  // namespace tocsin
