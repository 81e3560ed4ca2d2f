#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "agent/api/prometheus/json.h"
#include "agent/net/http_server.h"
#include "agent/query_runner.h"

namespace tocsin {
class App;
}

namespace tocsin::promapi {

/// A refusal: `type` is Prometheus' errorType, which decides the status.
struct ApiError {
  std::string_view type;
  std::string message;
};
template <class T>
using ApiResult = tl::expected<T, ApiError>;

tl::unexpected<ApiError> api_error(std::string_view type, std::string message);
tl::unexpected<ApiError> bad_data(std::string message);
/// `invalid parameter "time": …`
tl::unexpected<ApiError> invalid_parameter(std::string_view name, std::string_view message);

/// A good answer being written: what is written into `json` is the value of "data".
struct Payload {
  JsonWriter json{R"({"status":"success","data":)"};
  std::vector<std::string> warnings;
  std::vector<std::string> infos;
  bool nothing = false;  // 204 without a body
};

inline constexpr std::string_view kTruncated = "results truncated due to limit";

/// The envelope; at most 10 warnings and 10 infos.
ServerResponse respond(ApiResult<Payload> result);

/// Packs the body as the client takes it. For long bodies, on a worker's thread, so that the engine does not do it.
void compress(ServerResponse& response, std::string_view accept_encoding);

/// What runs on a worker: takes the turn when it needs the store. An error without a type is the query's own.
using Work = std::function<ApiResult<Payload>(Turn&)>;
using ResponseWork = std::function<ServerResponse(Turn&)>;

/// Runs `work` under the limits of [query] and turns its result into an answer, all on the worker's thread.
boost::asio::awaitable<ServerResponse> run_work(App& app, ServerRequest request, Work work, Duration timeout);
boost::asio::awaitable<ServerResponse> run_response(App& app, ServerRequest request, ResponseWork work,
                                                    Duration timeout);

/// The error of a checkpoint, or of an evaluation that one has ended.
tl::unexpected<ApiError> stopped_or_failed(const Turn& turn, const Error& error);

using Handler = boost::asio::awaitable<ServerResponse> (*)(App&, ServerRequest);
using PlainHandler = ApiResult<Payload> (*)(App&, const ServerRequest&);

/// Routes below /api/v1, with CORS, and 503 while the agent is not ready.
class Routes {
 public:
  Routes(HttpServer& server, App& app) : server_(server), app_(app) {}
  void get(const std::string& path, PlainHandler handler);
  void get(const std::string& path, Handler handler);
  void get_or_post(const std::string& path, PlainHandler handler);
  void get_or_post(const std::string& path, Handler handler);
  /// Every other path: 404 as Go's server says it, and OPTIONS.
  void not_found();

 private:
  void options(const std::string& path);
  HttpServer& server_;
  App& app_;
};

// One per chapter.
void add_query_routes(Routes& routes);   // query, query_range, query_exemplars, format_query
void add_series_routes(Routes& routes);  // series, labels, label/*/values, metadata
void add_rule_routes(Routes& routes);    // rules, alerts, alertmanagers
void add_target_routes(Routes& routes);  // targets, scrape_pools
void add_status_routes(Routes& routes);  // status/*

}  // namespace tocsin::promapi
