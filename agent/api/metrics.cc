#include "agent/metrics.h"

#include "agent/api/api.h"
#include "agent/app.h"

namespace tocsin {

void add_metrics_routes(HttpServer& server, App& app) {
  server.route("GET", "/metrics", plain_handler([&app](const ServerRequest&) {
                 std::string body = Metrics::text(app.metrics().collect());
                 app.ingest().expose(body);
                 ServerResponse response = ServerResponse::text(200, std::move(body));
                 response.content_type = "text/plain; version=0.0.4; charset=utf-8";
                 return response;
               }));
}

}  // namespace tocsin
