#include "agent/api/api.h"

#include "agent/api/alertmanager/reply.h"

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
  add_alertmanager_routes(server, app);
  add_page_routes(server, app);
}

void add_alertmanager_routes(HttpServer& server, App& app) {
  amapi::add_alert_routes(server, app);
  amapi::add_silence_routes(server, app);
  amapi::add_status_routes(server, app);
}

}  // namespace tocsin
