// Prometheus' management API, by name: load balancers, Kubernetes and people know it.

#include <nlohmann/json.hpp>

#include "agent/api/api.h"
#include "agent/app.h"

namespace tocsin {

void add_health_routes(HttpServer& server, App& app) {
  server.route("GET", "/-/healthy",
               plain_handler([](const ServerRequest&) { return ServerResponse::text(200, "tocsin is healthy.\n"); }));
  server.route("GET", "/-/ready", plain_handler([&app](const ServerRequest&) {
                 return app.ready() ? ServerResponse::text(200, "tocsin is ready.\n")
                                    : ServerResponse::text(503, "tocsin is not ready.\n");
               }));
  const HttpHandler reload = plain_handler([&app](const ServerRequest&) {
    const ReloadStatus status = app.reload();
    if (status.successful) return ServerResponse::text(200, "");
    return ServerResponse::error(400, "bad_data", status.error);
  });
  server.route("POST", "/-/reload", reload);
  server.route("PUT", "/-/reload", reload);
}

}  // namespace tocsin
