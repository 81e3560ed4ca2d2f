#pragma once

#include "notifiers/notification.h"

namespace tocsin::test {

/// A message about two alerts, one of them resolved, with names that need care in every format.
inline Notification sample_notification() {
  const auto t = [](int seconds) { return TimePoint{std::chrono::seconds(1'770'000'000 + seconds)}; };
  Notification n;
  n.incident = "0123456789abcdef";
  n.receiver = "on.call";
  n.channel = "on.call/webhook/0";
  n.sequence = 2;
  n.idempotency_key = idempotency_key(n.incident, n.channel, n.sequence);
  n.reason = NotifyReason::kSomeResolved;
  n.group_key = R"({}/{severity="page"}:{alertname="Down"})";
  n.group_labels = Labels{{"alertname", "Down"}};
  n.common_labels = Labels{{"alertname", "Down"}, {"job", "api"}};
  n.common_annotations = {{"runbook", "https://wiki.example/down?a=1&b=<2>"}};
  n.alerts.push_back({Labels{{"alertname", "Down"}, {"instance", "b:80"}, {"job", "api"}},
                      {{"runbook", "https://wiki.example/down?a=1&b=<2>"}, {"summary", "b ist \"weg\" – 停"}},
                      t(0),
                      {},
                      "http://prometheus.example/graph?g0.expr=up",
                      "00000000000000b0",
                      false});
  n.alerts.push_back({Labels{{"alertname", "Down"}, {"instance", "a:80"}, {"job", "api"}},
                      {{"runbook", "https://wiki.example/down?a=1&b=<2>"}, {"summary", "a is back"}},
                      t(-60),
                      t(30),
                      "http://prometheus.example/graph?g0.expr=up",
                      "00000000000000a0",
                      true});
  n.external_url = "https://tocsin.example";
  n.created_at = t(60);
  n.incident_started_at = t(-30);
  return n;
}

}  // namespace tocsin::test
