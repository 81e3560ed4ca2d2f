// /api/v2/status and /api/v2/receivers. `config.original` is the routing as Alertmanager would write it, since amtool
// reads its routes from there; of the receivers it names nothing but the names, so it holds no secrets.

#include <date/date.h>

#include "agent/api/alertmanager/reply.h"
#include "agent/api/api.h"
#include "agent/app.h"
#include "notifiers/alertmanager_config.h"

namespace tocsin::amapi {
namespace {

using nlohmann::json;

/// The Alertmanager whose API this is: clients choose by it how to speak.
constexpr std::string_view kAlertmanagerVersion = "0.28.0";

ServerResponse get_status(const App& app) {
  return good({{"cluster", {{"peers", json::array()}, {"status", "disabled"}}},
               {"config", {{"original", alertmanager_config(app.notifications().alerts().config())}}},
               {"uptime", time_text(app.started_at())},
               {"versionInfo",
                {{"branch", "tocsin"},
                 {"buildDate", ""},
                 {"buildUser", "tocsin " TOCSIN_VERSION},
                 {"goVersion", ""},
                 {"revision", "tocsin " TOCSIN_VERSION},
                 {"version", kAlertmanagerVersion}}}});
}

ServerResponse get_receivers(const App& app) {
  json out = json::array();
  for (const auto& [name, receiver] : app.notifications().alerts().config().receivers) out.push_back({{"name", name}});
  return good(out);
}

}  // namespace

void add_status_routes(HttpServer& server, App& app) {
  server.route("GET", "/api/v2/status", plain_handler([&app](const ServerRequest&) { return get_status(app); }));
  server.route("GET", "/api/v2/receivers", plain_handler([&app](const ServerRequest&) { return get_receivers(app); }));
}

}  // namespace tocsin::amapi
