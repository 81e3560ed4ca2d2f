#include "agent/api/api.h"

namespace tocsin {

void add_api_routes(HttpServer& server, App& app) {
  add_health_routes(server, app);
  add_metrics_routes(server, app);
  add_status_routes(server, app);
  add_heartbeat_routes(server, app);
  add_why_routes(server, app);
  add_write_routes(server, app);
  add_prometheus_routes(server, app);
  add_federate_routes(server, app);
  add_page_routes(server, app);
}

}  // namespace tocsin
