#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/net/http_server.h"

namespace tocsin {

class App;

/// Everything the agent answers over HTTP. The app outlives the server's last request.
void add_api_routes(HttpServer& server, App& app);

// One function per chapter.
void add_health_routes(HttpServer& server, App& app);        // /-/healthy /-/ready /-/reload
void add_metrics_routes(HttpServer& server, App& app);       // /metrics
void add_status_routes(HttpServer& server, App& app);        // /api/tocsin/v1/status
void add_heartbeat_routes(HttpServer& server, App& app);     // /heartbeat/NAME
void add_prometheus_routes(HttpServer& server, App& app);    // Prometheus' /api/v1
void add_federate_routes(HttpServer& server, App& app);      // /federate
void add_alertmanager_routes(HttpServer& server, App& app);  // /api/v2: Alertmanager's API
void add_why_routes(HttpServer& server, App& app);           // /api/tocsin/v1/why, rules
void add_write_routes(HttpServer& server, App& app);         // /api/v1/write
void add_page_routes(HttpServer& server, App& app);          // / and the files of the page

/// A handler that needs not suspend.
template <class F>
HttpHandler plain_handler(F answer) {
  return [answer](ServerRequest request) -> boost::asio::awaitable<ServerResponse> {
    return [](F call, ServerRequest req) -> boost::asio::awaitable<ServerResponse> {
      ServerResponse response = call(req);
      co_return response;
    }(answer, std::move(request));
  };
}

}  // namespace tocsin
