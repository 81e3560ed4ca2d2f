// The envelope of Prometheus' API and the way from a request to an answer. Whatever takes longer than a moment, writing
// megabytes of JSON and packing them included, is done on a worker's thread and without the engine's turn.

#include "agent/api/prometheus/reply.h"

#include <algorithm>

#include "agent/api/api.h"
#include "agent/app.h"
#include "agent/core/go_text.h"
#include "agent/net/compression.h"

namespace tocsin::promapi {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kAnnotationsMax = 10;
constexpr std::size_t kCompressFrom = 1024;

int status_of(std::string_view type) {
  if (type == "bad_data") return 400;
  if (type == "execution") return 422;
  if (type == "canceled") return 499;
  if (type == "timeout" || type == "unavailable") return 503;
  if (type == "not_found") return 404;
  if (type == "not_acceptable") return 406;
  return 500;
}

void add_list(JsonWriter& json, std::string_view name, std::vector<std::string> list) {
  if (list.empty()) return;
  if (list.size() > kAnnotationsMax) {
    const std::size_t more = list.size() - kAnnotationsMax;
    list.resize(kAnnotationsMax);
    list.push_back(fmt::format("{} more {} annotations omitted", more, name == "warnings" ? "warning" : "info"));
  }
  json.key(name).strings(list);
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

/// `gzip;q=0`: anything but gzip (RFC 9110, 12.5.3).
bool is_refused(std::string_view item) {
  const std::size_t q = item.find("q=");
  return q != item.npos && trimmed(item.substr(q + 2)).find_first_not_of("0.") == item.npos;
}

void add_cors(const App& app, std::string_view origin, ServerResponse& response) {
  if (origin.empty()) return;
  const auto& pattern = app.config().server.cors_origin;
  const bool any = pattern == ".*";
  if (!any && pattern != origin) return;
  response.headers.emplace_back("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Origin");
  response.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  response.headers.emplace_back("Access-Control-Allow-Origin", any ? "*" : std::string(origin));
  response.headers.emplace_back("Access-Control-Expose-Headers", "Date");
}

asio::awaitable<ServerResponse> guarded(App& app, Handler handler, ServerRequest request) {
  const std::string origin(header(request.headers, "Origin"));
  ServerResponse response = ServerResponse::text(503, "Service Unavailable");
  if (app.ready()) response = co_await handler(app, std::move(request));
  add_cors(app, origin, response);
  co_return response;
}

HttpHandler guarded(App& app, Handler handler) {
  return [&app, handler](ServerRequest request) { return guarded(app, handler, std::move(request)); };
}

HttpHandler guarded(App& app, PlainHandler handler) {
  return plain_handler([&app, handler](const ServerRequest& request) {
    ServerResponse response = ServerResponse::text(503, "Service Unavailable");
    if (app.ready()) response = respond(handler(app, request));
    add_cors(app, header(request.headers, "Origin"), response);
    return response;
  });
}

}  // namespace

tl::unexpected<ApiError> api_error(std::string_view type, std::string message) {
  return tl::make_unexpected(ApiError{type, std::move(message)});
}

tl::unexpected<ApiError> bad_data(std::string message) {
  return api_error("bad_data", std::move(message));
}

tl::unexpected<ApiError> invalid_parameter(std::string_view name, std::string_view message) {
  return bad_data(fmt::format("invalid parameter \"{}\": {}", name, message));
}

tl::unexpected<ApiError> stopped_or_failed(const Turn& turn, const Error& error) {
  const JobState state = turn.state();
  return api_error(state == JobState::kTimedOut    ? "timeout"
                   : state == JobState::kCancelled ? "canceled"
                                                   : "execution",
                   error.message);
}

ServerResponse respond(ApiResult<Payload> result) {
  if (!result) {
    JsonWriter json;
    json.open_object().key("status").string("error").key("errorType").string(result.error().type);
    json.key("error").string(result.error().message).close_object();
    return ServerResponse::json(status_of(result.error().type), json.take());
  }
  if (result->nothing) return ServerResponse::text(204, "");
  add_list(result->json, "warnings", std::move(result->warnings));
  add_list(result->json, "infos", std::move(result->infos));
  result->json.close_object();
  return ServerResponse::json(200, result->json.take());
}

void compress(ServerResponse& response, std::string_view accept_encoding) {
  if (response.body.size() < kCompressFrom) return;
  std::string_view chosen;
  for (std::string_view rest = accept_encoding; !rest.empty();) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    if (is_refused(item)) continue;
    const std::string coding = to_lower(trimmed(item.substr(0, item.find(';'))));
    if (coding == "gzip" || coding == "*") chosen = "gzip";
    if (coding == "deflate" && chosen.empty()) chosen = "deflate";
  }
  response.headers.emplace_back("Vary", "Accept-Encoding");
  if (chosen.empty()) return;
  response.body = chosen == "gzip" ? gzip_compress(response.body) : deflate_compress(response.body);
  response.headers.emplace_back("Content-Encoding", chosen);
}

asio::awaitable<ServerResponse> run_response(App& app, ServerRequest request, ResponseWork work, Duration timeout) {
  const auto response = std::make_shared<ServerResponse>();
  std::string accept(header(request.headers, "Accept-Encoding"));
  QueryRunner::Job job = [response, work = std::move(work), accept = std::move(accept)](Turn& turn) {
    *response = work(turn);
    turn.release();
    compress(*response, accept);
  };
  asio::awaitable<JobEnd> running =
      app.queries().run(std::move(job), std::min(timeout, app.config().query.timeout), std::move(request.client_gone));
  switch (co_await std::move(running)) {
    case JobEnd::kDone:
      break;
    case JobEnd::kRefused:
      *response = respond(api_error("unavailable", "too many queries are waiting already (query.waiting_max)"));
      break;
    case JobEnd::kTimedOut:
      *response = respond(api_error("timeout", "query timed out in query queue"));
      break;
    case JobEnd::kCancelled:
      *response = respond(api_error("canceled", "query was canceled in query queue"));
      break;
  }
  co_return std::move(*response);
}

asio::awaitable<ServerResponse> run_work(App& app, ServerRequest request, Work work, Duration timeout) {
  ResponseWork whole = [work = std::move(work)](Turn& turn) { return respond(work(turn)); };
  co_return co_await run_response(app, std::move(request), std::move(whole), timeout);
}

void Routes::options(const std::string& path) {
  server_.route("OPTIONS", path, plain_handler([&app = app_](const ServerRequest& request) {
                  ServerResponse response = ServerResponse::text(204, "");
                  add_cors(app, header(request.headers, "Origin"), response);
                  return response;
                }));
}

void Routes::get(const std::string& path, PlainHandler handler) {
  server_.route("GET", "/api/v1" + path, guarded(app_, handler));
  options("/api/v1" + path);
}

void Routes::get(const std::string& path, Handler handler) {
  server_.route("GET", "/api/v1" + path, guarded(app_, handler));
  options("/api/v1" + path);
}

void Routes::get_or_post(const std::string& path, PlainHandler handler) {
  get(path, handler);
  server_.route("POST", "/api/v1" + path, guarded(app_, handler));
}

void Routes::get_or_post(const std::string& path, Handler handler) {
  get(path, handler);
  server_.route("POST", "/api/v1" + path, guarded(app_, handler));
}

void Routes::not_found() {
  for (const char* method : {"GET", "POST", "PUT", "DELETE"}) {
    server_.route(method, "/api/v1/*", plain_handler([](const ServerRequest&) {
                    return ServerResponse::text(404, "404 page not found\n");
                  }));
  }
  options("/api/v1/*");
}

}  // namespace tocsin::promapi

namespace tocsin {

void add_prometheus_routes(HttpServer& server, App& app) {
  promapi::Routes routes(server, app);
  promapi::add_query_routes(routes);
  promapi::add_series_routes(routes);
  promapi::add_rule_routes(routes);
  promapi::add_target_routes(routes);
  promapi::add_status_routes(routes);
  routes.not_found();
}

}  // namespace tocsin
