// Alertmanager's webhook body. The receiver's name is written as a quoted regular expression, as there.

#include "notifiers/webhook_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "notifiers/alert_order.h"

namespace tocsin {
namespace {

using json = nlohmann::ordered_json;

json object(const Labels& labels) {
  json out = json::object();
  for (const Label l : labels) out[std::string(l.name)] = std::string(l.value);
  return out;
}

json object(const Annotations& annotations) {
  json out = json::object();
  for (const auto& [name, value] : annotations) out[name] = value;
  return out;
}

// Go's regexp.QuoteMeta.
std::string quote_meta(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

json alert_json(const NotifiedAlert& a) {
  return {{"status", a.resolved ? "resolved" : "firing"},
          {"labels", object(a.labels)},
          {"annotations", object(a.annotations)},
          {"startsAt", format_rfc3339(a.starts_at)},
          {"endsAt", a.resolved ? format_rfc3339(a.ends_at) : "0001-01-01T00:00:00Z"},
          {"generatorURL", a.generator_url},
          {"fingerprint", a.fingerprint}};
}

}  // namespace

std::string webhook_json(const Notification& n, std::uint64_t max_alerts) {
  // What is left out must not be what is on fire; what is sent stands in Alertmanager's order.
  std::vector<NotifiedAlert> alerts = n.alerts;
  std::uint64_t truncated = n.truncated_alerts;
  if (max_alerts > 0 && alerts.size() > max_alerts) {
    truncated += alerts.size() - max_alerts;
    alerts.resize(max_alerts);
  }
  std::stable_sort(alerts.begin(), alerts.end(),
                   [](const NotifiedAlert& a, const NotifiedAlert& b) { return alert_before(a.labels, b.labels); });
  json list = json::array();
  for (const NotifiedAlert& a : alerts) list.push_back(alert_json(a));
  const json message{{"receiver", quote_meta(n.receiver)},
                     {"status", n.status()},
                     {"alerts", std::move(list)},
                     {"notification_reason", to_string(n.reason)},
                     {"groupLabels", object(n.group_labels)},
                     {"commonLabels", object(n.common_labels)},
                     {"commonAnnotations", object(n.common_annotations)},
                     {"routeLabels", json::object()},
                     {"externalURL", n.external_url},
                     {"version", "4"},
                     {"groupKey", n.group_key},
                     {"truncatedAlerts", truncated}};
  return message.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace tocsin
