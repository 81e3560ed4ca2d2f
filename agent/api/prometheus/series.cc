// What series there are: series, labels, the values of a label, and what is known of metrics.
//
// Names and values come from the indexes of memory and disk: whether each of the series that is in memory has a sample
// just then is not looked at, as Prometheus does not for its head block.

#include <algorithm>
#include <charconv>
#include <set>

#include "agent/api/prometheus/params.h"
#include "agent/app.h"
#include "agent/store_view.h"
#include "rules/promql/plan.h"

namespace tocsin::promapi {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kSeriesBetweenCheckpoints = 200;

struct Asked {
  std::vector<Matchers> selectors;
  TimePoint from;
  TimePoint to;
  std::size_t limit = 0;
  std::uint64_t series_max = 0;
  std::string name;  // of the label
};

ApiResult<Asked> read(const App& app, const ServerRequest& request, bool selectors_are_named) {
  Asked asked;
  const ApiResult<std::size_t> limit = limit_param(request);
  if (!limit) return tl::make_unexpected(limit.error());
  const ApiResult<TimePoint> from = optional_time(request, "start", kEarliest);
  if (!from) return tl::make_unexpected(from.error());
  const ApiResult<TimePoint> to = optional_time(request, "end", kLatest);
  if (!to) return tl::make_unexpected(to.error());
  Result<std::vector<Matchers>> selectors = match_params(request);
  if (!selectors) {
    if (selectors_are_named) return invalid_parameter("match[]", selectors.error().message);
    return bad_data(selectors.error().message);
  }
  asked.selectors = std::move(*selectors);
  asked.from = *from;
  asked.to = *to;
  asked.limit = *limit;
  asked.series_max = app.config().query.series_max;
  return asked;
}

/// The label sets that any of the selectors selects, in no order, those that several select more than once. Takes the
/// turn, and has it at the end when there is no error.
ApiResult<std::vector<Labels>> select(const SeriesStore& store, const Asked& asked, Turn& turn) {
  std::vector<Labels> out;
  for (const Matchers& matchers : asked.selectors) {
    const std::vector<SeriesRef> refs = store.match(matchers, asked.from, asked.to);
    if (out.size() + refs.size() > asked.series_max) {
      return api_error("execution",
                       fmt::format("the request selects more than {} series: narrow its matchers", asked.series_max));
    }
    for (std::size_t i = 0; i < refs.size(); ++i) {
      if (i % kSeriesBetweenCheckpoints == 0) {
        if (const Result<void> ok = turn.checkpoint(); !ok) return stopped_or_failed(turn, ok.error());
      }
      Labels labels = store.labels(refs[i]);
      if (!labels.empty()) out.push_back(std::move(labels));
    }
  }
  return out;
}

/// Gives `read` the store as far back as was asked for. Where the turn is not given again after the disk was read, what
/// the job ended with.
template <class Read>
auto with_view(const App& app, const Asked& asked, Turn& turn, Read&& read) -> decltype(read(app.store())) {
  try {
    const StoreView view(app.store(), app.metrics_db(), turn, asked.from, asked.to);
    return read(view.store());
  } catch (const promql::Stopped& stopped) {
    return stopped_or_failed(turn, stopped.error);
  }
}

template <class T>
void cut(std::vector<T>& list, std::size_t limit, Payload& out) {
  if (limit == 0 || list.size() <= limit) return;
  list.resize(limit);
  out.warnings.emplace_back(kTruncated);
}

asio::awaitable<ServerResponse> series(App& app, ServerRequest request) {
  if (request.params("match[]").empty()) co_return respond(bad_data("no match[] parameter provided"));
  ApiResult<Asked> asked = read(app, request, true);
  if (!asked) co_return respond(tl::make_unexpected(asked.error()));
  Work work = [&app, asked = std::move(*asked)](Turn& turn) -> ApiResult<Payload> {
    if (const Result<void> ok = turn.acquire(); !ok) return stopped_or_failed(turn, ok.error());
    ApiResult<std::vector<Labels>> found =
        with_view(app, asked, turn, [&](const SeriesStore& store) { return select(store, asked, turn); });
    turn.release();
    if (!found) return tl::make_unexpected(found.error());
    std::sort(found->begin(), found->end());
    found->erase(std::unique(found->begin(), found->end()), found->end());
    Payload out;
    cut(*found, asked.limit, out);
    out.json.open_array();
    for (const Labels& labels : *found) out.json.labels(labels);
    out.json.close_array();
    return out;
  };
  co_return co_await run_work(app, std::move(request), std::move(work), app.config().query.timeout);
}

/// Names of labels, or values of asked.name.
ApiResult<std::vector<std::string>> from_index(const SeriesStore& store, const Asked& asked) {
  const auto one = [&](const Matchers& matchers) {
    return asked.name.empty() ? store.label_names(matchers) : store.label_values(asked.name, matchers);
  };
  if (asked.selectors.size() <= 1) return one(asked.selectors.empty() ? Matchers{} : asked.selectors.front());
  std::set<std::string> all;
  for (const Matchers& matchers : asked.selectors) {
    for (std::string& text : one(matchers)) all.insert(std::move(text));
  }
  return std::vector<std::string>(all.begin(), all.end());
}

std::vector<std::string> from_series(const std::vector<Labels>& series, const std::string& name) {
  std::set<std::string, std::less<>> all;
  for (const Labels& labels : series) {
    if (!name.empty() && labels.has(name)) all.emplace(labels.get(name));
    if (name.empty()) {
      for (const Label label : labels) all.emplace(label.name);
    }
  }
  return {all.begin(), all.end()};
}

/// From the indexes when the time asked for reaches into memory; else from the series that have samples then.
ApiResult<std::vector<std::string>> names(const App& app, const SeriesStore& store, Asked asked, Turn& turn) {
  if (asked.from <= app.clock().now() && asked.to >= app.store().complete_since()) return from_index(store, asked);
  if (asked.selectors.empty()) asked.selectors.emplace_back();
  const ApiResult<std::vector<Labels>> found = select(store, asked, turn);
  if (!found) return tl::make_unexpected(found.error());
  return from_series(*found, asked.name);
}

asio::awaitable<ServerResponse> names_or_values(App& app, ServerRequest request, std::string name) {
  ApiResult<Asked> asked = read(app, request, false);
  if (!asked) co_return respond(tl::make_unexpected(asked.error()));
  asked->name = std::move(name);
  Work work = [&app, asked = std::move(*asked)](Turn& turn) -> ApiResult<Payload> {
    if (const Result<void> ok = turn.acquire(); !ok) return stopped_or_failed(turn, ok.error());
    ApiResult<std::vector<std::string>> list =
        with_view(app, asked, turn, [&](const SeriesStore& store) { return names(app, store, asked, turn); });
    turn.release();
    if (!list) return tl::make_unexpected(list.error());
    Payload out;
    cut(*list, asked.limit, out);
    out.json.strings(*list);
    return out;
  };
  co_return co_await run_work(app, std::move(request), std::move(work), app.config().query.timeout);
}

asio::awaitable<ServerResponse> labels(App& app, ServerRequest request) {
  return names_or_values(app, std::move(request), "");
}

asio::awaitable<ServerResponse> label_values(App& app, ServerRequest request) {
  constexpr std::string_view kBefore = "/api/v1/label/";
  constexpr std::string_view kAfter = "/values";
  std::string_view name = std::string_view(request.path).substr(kBefore.size());
  if (!name.ends_with(kAfter) || name.size() == kAfter.size())
    co_return ServerResponse::text(404, "404 page not found\n");
  name.remove_suffix(kAfter.size());
  std::string unescaped = unescape_label_name(name);
  if (!is_valid_utf8(unescaped)) {
    co_return respond(bad_data(fmt::format("invalid label name: {}", quoted(unescaped))));
  }
  co_return co_await names_or_values(app, std::move(request), std::move(unescaped));
}

/// `limit` and `limit_per_metric`; -1: none.
ApiResult<std::int64_t> count_param(const ServerRequest& request, std::string_view name) {
  const std::string_view text = request.param(name);
  if (text.empty()) return -1;
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size())
    return bad_data(fmt::format("{} must be a number", name));
  return count;
}

ApiResult<Payload> metadata(App& app, const ServerRequest& request) {
  const ApiResult<std::int64_t> limit = count_param(request, "limit");
  if (!limit) return tl::make_unexpected(limit.error());
  const ApiResult<std::int64_t> per_metric = count_param(request, "limit_per_metric");
  if (!per_metric) return tl::make_unexpected(per_metric.error());
  const std::map<std::string, MetricInfo> known = app.metric_infos();
  const std::string_view metric = request.param("metric");
  Payload out;
  out.json.open_object();
  std::int64_t count = 0;
  for (const auto& [name, info] : known) {
    if (!metric.empty() && name != metric) continue;
    if (*limit >= 0 && count++ >= *limit) break;
    out.json.key(name).open_array();
    if (*per_metric != 0) {
      out.json.open_object().key("type").string(info.type == "untyped" ? "unknown" : info.type);
      out.json.key("help").string(info.help).key("unit").string("").close_object();
    }
    out.json.close_array();
  }
  out.json.close_object();
  return out;
}

}  // namespace

void add_series_routes(Routes& routes) {
  routes.get_or_post("/series", series);
  routes.get_or_post("/labels", labels);
  routes.get("/label/*", label_values);
  routes.get("/metadata", metadata);
}

}  // namespace tocsin::promapi
