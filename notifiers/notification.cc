// The JSON is the form in which a message waits in the outbox: the names of its keys are a file format, and a field
// that is new must be optional when it is read. Instants are milliseconds since the epoch.

#include "notifiers/notification.h"

#include <array>
#include <nlohmann/json.hpp>

#include "notifiers/digest.h"

namespace tocsin {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 6> kReasons{
    "first notification",  "new alerts added",        "some alerts resolved",
    "all alerts resolved", "repeat interval elapsed", "test",
};

json pairs(const Labels& labels) {
  json out = json::object();
  for (const Label l : labels) out[std::string(l.name)] = std::string(l.value);
  return out;
}

Labels labels_of(const json& object) {
  return Labels(object.get<std::map<std::string, std::string>>());
}

json ms(TimePoint t) {
  return t.time_since_epoch().count();
}
TimePoint time_of(const json& number) {
  return TimePoint{Duration{number.get<std::int64_t>()}};
}

json alert_json(const NotifiedAlert& a) {
  return {{"labels", pairs(a.labels)}, {"annotations", a.annotations},     {"starts_at", ms(a.starts_at)},
          {"ends_at", ms(a.ends_at)},  {"generator_url", a.generator_url}, {"fingerprint", a.fingerprint},
          {"resolved", a.resolved}};
}

NotifiedAlert alert_of(const json& j) {
  NotifiedAlert a;
  a.labels = labels_of(j.at("labels"));
  a.annotations = j.at("annotations").get<Annotations>();
  a.starts_at = time_of(j.at("starts_at"));
  a.ends_at = time_of(j.at("ends_at"));
  a.generator_url = j.at("generator_url");
  a.fingerprint = j.at("fingerprint");
  a.resolved = j.at("resolved");
  return a;
}

Notification notification_of(const json& j) {
  Notification n;
  n.incident = j.at("incident");
  n.receiver = j.at("receiver");
  n.channel = j.at("channel");
  n.sequence = j.at("sequence");
  n.idempotency_key = j.at("idempotency_key");
  const auto reason = std::find(kReasons.begin(), kReasons.end(), j.at("reason").get<std::string>());
  n.reason = reason == kReasons.end() ? NotifyReason::kFirst : static_cast<NotifyReason>(reason - kReasons.begin());
  n.group_key = j.at("group_key");
  n.group_labels = labels_of(j.at("group_labels"));
  n.common_labels = labels_of(j.at("common_labels"));
  n.common_annotations = j.at("common_annotations").get<Annotations>();
  for (const json& alert : j.at("alerts")) n.alerts.push_back(alert_of(alert));
  n.truncated_alerts = j.at("truncated_alerts");
  n.external_url = j.at("external_url");
  n.created_at = time_of(j.at("created_at"));
  n.incident_started_at = time_of(j.at("incident_started_at"));
  return n;
}

}  // namespace

std::string_view to_string(NotifyReason reason) {
  return kReasons[static_cast<std::size_t>(reason)];
}

bool Notification::resolved() const {
  return firing_count() == 0;
}

std::size_t Notification::firing_count() const {
  return static_cast<std::size_t>(
      std::count_if(alerts.begin(), alerts.end(), [](const NotifiedAlert& a) { return !a.resolved; }));
}

std::string idempotency_key(std::string_view incident, std::string_view channel, std::int64_t sequence) {
  return Digest().add(incident).add(channel).add(std::to_string(sequence)).hex();
}

std::string to_json(const Notification& n) {
  json alerts = json::array();
  for (const NotifiedAlert& a : n.alerts) alerts.push_back(alert_json(a));
  const json j{{"incident", n.incident},
               {"receiver", n.receiver},
               {"channel", n.channel},
               {"sequence", n.sequence},
               {"idempotency_key", n.idempotency_key},
               {"reason", to_string(n.reason)},
               {"group_key", n.group_key},
               {"group_labels", pairs(n.group_labels)},
               {"common_labels", pairs(n.common_labels)},
               {"common_annotations", n.common_annotations},
               {"alerts", std::move(alerts)},
               {"truncated_alerts", n.truncated_alerts},
               {"external_url", n.external_url},
               {"created_at", ms(n.created_at)},
               {"incident_started_at", ms(n.incident_started_at)}};
  // Bytes that are no UTF-8 must not keep a page from going out.
  return j.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Notification> notification_from_json(std::string_view text) {
  try {
    return notification_of(json::parse(text));
  } catch (const json::exception& e) {
    return fail("not a stored notification: {}", e.what());
  }
}

}  // namespace tocsin
