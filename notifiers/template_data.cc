// The data model of Alertmanager's templates (template.Data), so that a template written for it says the same here.

#include "notifiers/template_data.h"

#include <algorithm>

namespace tocsin {
namespace {

using tmpl::List;
using tmpl::Value;

Value kv_of(const Labels& labels) {
  std::map<std::string, std::string> pairs;
  for (const Label l : labels) pairs.emplace(l.name, l.value);
  return tmpl::kv(std::move(pairs));
}

Value kv_of(const Annotations& annotations) {
  return tmpl::kv({annotations.begin(), annotations.end()});
}

Value alert(const NotifiedAlert& a) {
  Value::Object out;
  out.type = "template.Alert";
  out.fields = {{"Status", a.resolved ? "resolved" : "firing"},
                {"Labels", kv_of(a.labels)},
                {"Annotations", kv_of(a.annotations)},
                {"StartsAt", a.starts_at},
                {"EndsAt", a.resolved ? a.ends_at : tmpl::kZeroTime},
                {"GeneratorURL", a.generator_url},
                {"Fingerprint", a.fingerprint}};
  out.order = {{"Status", "status"},          {"Labels", "labels"}, {"Annotations", "annotations"},
               {"StartsAt", "startsAt"},      {"EndsAt", "endsAt"}, {"GeneratorURL", "generatorURL"},
               {"Fingerprint", "fingerprint"}};
  return out;
}

Value alert_list(List items) {
  Value::Object out;
  out.type = "template.Alerts";
  out.kind = Value::Object::Kind::kList;
  for (const bool resolved : {false, true}) {
    List some;
    for (const Value& item : items) {
      const std::string* status = item.as_object()->fields.at("Status").as_string();
      if ((*status == "resolved") == resolved) some.push_back(item);
    }
    out.methods.emplace(resolved ? "Resolved" : "Firing",
                        [some](std::span<const Value>) -> Result<Value> { return Value(some); });
  }
  out.items = std::move(items);
  return out;
}

}  // namespace

Value template_data(const Notification& n) {
  List alerts;
  for (const NotifiedAlert& a : n.alerts) alerts.push_back(alert(a));
  Value::Object out;
  out.type = "*template.Data";
  out.fields = {{"Receiver", n.receiver},
                {"Status", n.status()},
                {"Alerts", alert_list(std::move(alerts))},
                {"GroupLabels", kv_of(n.group_labels)},
                {"CommonLabels", kv_of(n.common_labels)},
                {"CommonAnnotations", kv_of(n.common_annotations)},
                {"RouteLabels", tmpl::kv({})},
                {"ExternalURL", n.external_url},
                {"NotificationReason", std::string(to_string(n.reason))},
                {"Incident", n.incident},
                {"Sequence", n.sequence},
                {"GroupKey", n.group_key},
                {"TruncatedAlerts", static_cast<std::int64_t>(n.truncated_alerts)}};
  out.order = {{"Receiver", "receiver"},
               {"Status", "status"},
               {"Alerts", "alerts"},
               {"GroupLabels", "groupLabels"},
               {"CommonLabels", "commonLabels"},
               {"CommonAnnotations", "commonAnnotations"},
               {"ExternalURL", "externalURL"}};
  return out;
}

Result<MessageTemplate> MessageTemplate::parse(std::string_view name, std::string_view text) {
  auto now = std::make_shared<TimePoint>();
  const auto functions = std::make_shared<const tmpl::Functions>(tmpl::alertmanager_functions([now] { return *now; }));
  Result<tmpl::Template> parsed = tmpl::Template::parse(name, text, functions);
  if (!parsed) return tl::make_unexpected(std::move(parsed.error()));
  return MessageTemplate(std::move(*parsed), std::move(now));
}

Result<std::string> MessageTemplate::expand(const Notification& notification) const {
  *now_ = notification.created_at;
  return template_.execute(template_data(notification));
}

}  // namespace tocsin
