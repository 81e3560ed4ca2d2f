// Prometheus' management API, to the byte: load balancers, Kubernetes, promtool and people know it.

#include <nlohmann/json.hpp>

#include "agent/api/api.h"
#include "agent/app.h"

namespace tocsin {

void add_health_routes(HttpServer& server, App& app) {
  server.route("GET", "/-/healthy", plain_handler([](const ServerRequest&) {
                 return ServerResponse::text(200, "Prometheus Server is Healthy.\n");
               }));
  server.route("GET", "/-/ready", plain_handler([&app](const ServerRequest&) {
                 return app.ready() ? ServerResponse::text(200, "Prometheus Server is Ready.\n")
                                    : ServerResponse::text(503, "Service Unavailable");
               }));
  const HttpHandler reload = plain_handler([&app](const ServerRequest&) {
    if (!app.config().server.lifecycle) return ServerResponse::text(403, "Lifecycle API is not enabled.");
    const ReloadStatus status = app.reload();
    if (status.successful) return ServerResponse::text(200, "");
    return ServerResponse::error(400, "bad_data", status.error);
  });
  server.route("POST", "/-/reload", reload);
  server.route("PUT", "/-/reload", reload);
  server.route("GET", "/-/reload", plain_handler([](const ServerRequest&) {
                 ServerResponse refusal = ServerResponse::text(405, "Only POST or PUT requests allowed");
                 refusal.headers.emplace_back("Allow", "POST, PUT");
                 return refusal;
               }));
}

}  // namespace tocsin
