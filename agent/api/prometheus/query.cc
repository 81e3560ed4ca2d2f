// query, query_range, query_exemplars and format_query. A query is parsed, evaluated and written out on a worker's
// thread; only the evaluation takes the engine's turn.

#include <algorithm>

#include "agent/api/prometheus/params.h"
#include "agent/app.h"
#include "agent/store_view.h"
#include "rules/promql/ast.h"
#include "rules/promql/earliest.h"
#include "rules/promql/plan.h"

namespace tocsin::promapi {
namespace {

namespace asio = boost::asio;

constexpr std::int64_t kPointsMax = 11'000;

/// A query as it was asked.
struct Asked {
  std::string text;
  bool is_range = false;
  TimePoint start;  // or the one instant
  TimePoint end;
  Duration step{1};
  std::size_t limit = 0;
  Duration timeout{};
  bool stats = false;
  promql::QueryOptions options;
};

/// What the parameters of both kinds say, but for `limit`, which comes first.
ApiResult<void> read_common(const App& app, const ServerRequest& request, Asked& asked) {
  const QueryConfig& config = app.config().query;
  const ApiResult<Duration> timeout = optional_duration(request, "timeout", config.timeout);
  if (!timeout) return tl::make_unexpected(timeout.error());
  Duration lookback = config.lookback;
  if (const std::string_view text = request.param("lookback_delta"); !text.empty()) {
    const Result<Duration> given = parse_step(text);
    if (!given) return bad_data("error parsing lookback delta duration: " + given.error().message);
    if (*given > Duration{0}) lookback = *given;
  }
  asked.text = std::string(request.param("query"));
  asked.timeout = std::min(*timeout, config.timeout);
  asked.stats = !request.param("stats").empty();
  asked.options.lookback = lookback;
  asked.options.samples_max = config.samples_max;
  asked.options.series_max = config.series_max;
  return {};
}

ApiResult<Asked> read_instant(const App& app, const ServerRequest& request) {
  Asked asked;
  const ApiResult<std::size_t> limit = limit_param(request);
  if (!limit) return tl::make_unexpected(limit.error());
  asked.limit = *limit;
  const ApiResult<TimePoint> at = optional_time(request, "time", app.clock().now());
  if (!at) return tl::make_unexpected(at.error());
  if (auto ok = read_common(app, request, asked); !ok) return tl::make_unexpected(ok.error());
  asked.start = asked.end = *at;
  return asked;
}

ApiResult<Asked> read_range(const App& app, const ServerRequest& request) {
  Asked asked;
  asked.is_range = true;
  const ApiResult<std::size_t> limit = limit_param(request);
  if (!limit) return tl::make_unexpected(limit.error());
  asked.limit = *limit;
  const ApiResult<TimePoint> start = required_time(request, "start");
  if (!start) return tl::make_unexpected(start.error());
  const ApiResult<TimePoint> end = required_time(request, "end");
  if (!end) return tl::make_unexpected(end.error());
  if (*end < *start) return invalid_parameter("end", "end timestamp must not be before start time");
  const Result<Duration> step = parse_step(request.param("step"));
  if (!step) return invalid_parameter("step", step.error().message);
  if (*step <= Duration{0}) {
    return invalid_parameter("step",
                             "zero or negative query resolution step widths are not accepted. Try a positive integer");
  }
  if ((*end - *start) / *step > kPointsMax) {
    return bad_data(
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)");
  }
  asked.start = *start;
  asked.end = *end;
  asked.step = *step;
  if (auto ok = read_common(app, request, asked); !ok) return tl::make_unexpected(ok.error());
  return asked;
}

template <class Series>
void cut(std::vector<Series>& series, const Asked& asked, Payload& out) {
  if (asked.limit == 0 || series.size() <= asked.limit) return;
  series.resize(asked.limit);
  out.warnings.emplace_back(kTruncated);
}

void write_value(JsonWriter& json, const promql::Vector& vector) {
  json.open_array();
  for (const promql::VectorElement& element : vector) {
    json.open_object().key("metric").labels(element.labels);
    json.key("value").sample(element.sample).close_object();
  }
  json.close_array();
}

void write_value(JsonWriter& json, const promql::Matrix& matrix) {
  json.open_array();
  for (const promql::MatrixSeries& series : matrix) {
    json.open_object().key("metric").labels(series.labels).key("values").open_array();
    for (const Sample& sample : series.samples) json.sample(sample);
    json.close_array().close_object();
  }
  json.close_array();
}

/// Scalars and strings have other encoders in Prometheus than samples: a plain float for the time, no exponents.
double plain_seconds(TimePoint t) {
  return static_cast<double>(t.time_since_epoch().count()) / 1000;
}

void write_value(JsonWriter& json, const promql::ScalarValue& scalar) {
  json.open_array().number(plain_seconds(scalar.sample.t));
  json.string(promql::format_go_f(scalar.sample.v)).close_array();
}

void write_value(JsonWriter& json, const promql::StringValue& string) {
  json.open_array().number(plain_seconds(string.t)).string(string.text).close_array();
}

/// What Prometheus calls the phases of a query, in seconds.
struct Timings {
  double queue = 0;
  double prepare = 0;
  double evaluate = 0;
};

void write_stats(JsonWriter& json, const Timings& t, const promql::QueryResult& result) {
  json.key("stats").open_object().key("timings").open_object();
  json.key("evalTotalTime").number(t.prepare + t.evaluate).key("resultSortTime").number(0);
  json.key("queryPreparationTime").number(t.prepare).key("innerEvalTime").number(t.evaluate);
  json.key("execQueueTime").number(t.queue).key("execTotalTime").number(t.queue + t.prepare + t.evaluate);
  json.close_object().key("samples").open_object();
  json.key("totalQueryableSamples").integer(static_cast<std::int64_t>(result.samples_read));
  json.key("peakSamples").integer(static_cast<std::int64_t>(result.samples_peak));
  json.close_object().close_object();
}

Payload to_payload(const Asked& asked, promql::QueryResult result, const Timings& timings) {
  Payload out;
  if (auto* vector = std::get_if<promql::Vector>(&result.value)) cut(*vector, asked, out);
  if (auto* matrix = std::get_if<promql::Matrix>(&result.value)) cut(*matrix, asked, out);
  out.json.open_object().key("resultType").string(promql::to_string(result.type())).key("result");
  std::visit([&](const auto& value) { write_value(out.json, value); }, result.value);
  if (asked.stats) write_stats(out.json, timings, result);
  out.json.close_object();
  out.warnings.insert(out.warnings.end(), result.warnings.begin(), result.warnings.end());
  out.infos = std::move(result.infos);
  return out;
}

/// On the worker.
ApiResult<Payload> evaluate(App& app, const Asked& asked, Turn& turn, Deadline asked_at) {
  const Clock& clock = app.clock();
  const auto seconds = [](Deadline from, Deadline to) { return std::chrono::duration<double>(to - from).count(); };
  auto parsed = promql::parse(asked.text);
  if (!parsed) return invalid_parameter("query", parsed.error().str());
  const promql::ValueType type = (*parsed)->type();
  if (asked.is_range && type != promql::ValueType::kVector && type != promql::ValueType::kScalar) {
    return invalid_parameter(
        "query", fmt::format("invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                             type == promql::ValueType::kMatrix ? "range vector" : "string"));
  }
  if (const Result<void> ok = turn.acquire(); !ok) return stopped_or_failed(turn, ok.error());
  const Deadline begun = clock.steady();
  promql::QueryOptions options = asked.options;
  options.checkpoint = [&turn] { return turn.checkpoint(); };
  const TimePoint from = promql::earliest_sample(**parsed, asked.start, asked.end, options);
  const StoreView view(app.store(), app.metrics_db(), turn, from, TimePoint::max());
  promql::Query query(std::move(*parsed), std::move(options));
  const Deadline prepared = clock.steady();
  Result<promql::QueryResult> result = asked.is_range ? query.range(view.store(), asked.start, asked.end, asked.step)
                                                      : query.instant(view.store(), asked.start);
  if (!result) return stopped_or_failed(turn, result.error());
  const Timings timings{seconds(asked_at, begun), seconds(begun, prepared), seconds(prepared, clock.steady())};
  app.observe_query(timings.queue, timings.prepare, timings.evaluate, result->samples_read);
  turn.release();
  return to_payload(asked, std::move(*result), timings);
}

asio::awaitable<ServerResponse> answer(App& app, ServerRequest request, ApiResult<Asked> asked) {
  if (!asked) co_return respond(tl::make_unexpected(asked.error()));
  const Duration timeout = asked->timeout;
  Work work = [&app, asked = std::move(*asked), at = app.clock().steady()](Turn& turn) {
    return evaluate(app, asked, turn, at);
  };
  co_return co_await run_work(app, std::move(request), std::move(work), timeout);
}

asio::awaitable<ServerResponse> query(App& app, ServerRequest request) {
  ApiResult<Asked> asked = read_instant(app, request);
  return answer(app, std::move(request), std::move(asked));
}

asio::awaitable<ServerResponse> query_range(App& app, ServerRequest request) {
  ApiResult<Asked> asked = read_range(app, request);
  return answer(app, std::move(request), std::move(asked));
}

ApiResult<Payload> format_query(App&, const ServerRequest& request) {
  const auto parsed = promql::parse(request.param("query"));
  if (!parsed) return invalid_parameter("query", parsed.error().str());
  Payload out;
  out.json.string(promql::pretty(**parsed));
  return out;
}

bool has_selector(const promql::Expr& expr) {
  bool found = expr.as<promql::VectorSelector>() != nullptr || expr.as<promql::MatrixSelector>() != nullptr;
  promql::for_each_child(expr, [&](const promql::ExprPtr& child) { found = found || has_selector(*child); });
  return found;
}

/// There are none: exemplars are not kept.
ApiResult<Payload> query_exemplars(App&, const ServerRequest& request) {
  const ApiResult<TimePoint> start = optional_time(request, "start", kEarliest);
  if (!start) return tl::make_unexpected(start.error());
  const ApiResult<TimePoint> end = optional_time(request, "end", kLatest);
  if (!end) return tl::make_unexpected(end.error());
  if (*end < *start) return bad_data("end timestamp must not be before start timestamp");
  const auto parsed = promql::parse(request.param("query"));
  if (!parsed) return bad_data(parsed.error().str());
  Payload out;
  out.nothing = !has_selector(**parsed);
  out.json.open_array().close_array();
  return out;
}

}  // namespace

void add_query_routes(Routes& routes) {
  routes.get_or_post("/query", query);
  routes.get_or_post("/query_range", query_range);
  routes.get_or_post("/query_exemplars", query_exemplars);
  routes.get_or_post("/format_query", format_query);
}

}  // namespace tocsin::promapi
