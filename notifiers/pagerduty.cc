// PagerDuty's Events API v2. The incident's id is the deduplication key, so a copy sent after a crash opens nothing new
// and a resolve closes what its trigger opened. After a resolve the same key would open another incident, which is
// right: a new occurrence has a new id anyway.
//
// Contract: developer.pagerduty.com/docs/events-api-v2/trigger-events. 202 is a yes; 400 will never become one; 429 and
// 5xx are worth another try, 429 not before half a minute.

#include <nlohmann/json.hpp>

#include "agent/net/http_client.h"
#include "notifiers/http_result.h"
#include "notifiers/message.h"
#include "notifiers/registry.h"

namespace tocsin {
namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t kSummaryMax = 1024;        // characters
constexpr std::size_t kBodyMax = 512U * 1024;    // bytes
constexpr std::size_t kDetailBytes = 64 * 1024;  // of text in custom_details
constexpr std::size_t kLinksMax = 10;
constexpr Duration kThrottledWait = std::chrono::seconds(30);

struct PagerDutyConfig {
  Secret routing_key;
  std::string url = "https://events.pagerduty.com/v2/enqueue";
  std::string source;
  std::string component;
  std::string group;
  std::string class_;
  std::string proxy_url;
  TlsConfig tls;

  void fields(Fields& f) {
    f("routing_key", routing_key, "The integration key of the service (Events API v2).").required();
    f("url", url, "Where events go; https://events.eu.pagerduty.com/v2/enqueue in the EU.")
        .check([](const std::string& v) { return message::is_link(v); }, "must be an http or https URL");
    f("source", source, "What is affected. Default: the instance the alerts have in common, else tocsin.");
    f("component", component, "The part of the source that is affected.");
    f("group", group, "A cluster or grouping of sources.");
    f("class", class_, "The kind of event.");
    f("proxy_url", proxy_url, "Go through this HTTP proxy.");
    f("tls", tls, "TLS, with the keys of Prometheus' tls_config.");
  }
};

json details(const Notification& n, std::size_t text_bytes) {
  json labels = json::object();
  for (const Label label : n.common_labels) labels[std::string(label.name)] = std::string(label.value);
  return {{"num_firing", n.firing_count()},
          {"num_resolved", n.alerts.size() - n.firing_count()},
          {"num_left_out", n.truncated_alerts},
          {"common_labels", std::move(labels)},
          {"receiver", n.receiver},
          {"alerts", message::text(n, text_bytes)}};
}

json links(const Notification& n) {
  json out = json::array();
  for (const message::Item& item : message::items(n, kLinksMax / 2).items) {
    if (!item.runbook_url.empty())
      out.push_back({{"href", item.runbook_url}, {"text", "What to do: " + message::cut(item.title, 80)}});
    if (!item.source_url.empty())
      out.push_back({{"href", item.source_url}, {"text", "Graph: " + message::cut(item.title, 80)}});
  }
  return out;
}

json trigger(const Notification& n, const PagerDutyConfig& config, std::size_t text_bytes) {
  std::string source = config.source;
  if (source.empty()) source = n.common_labels.get("instance");
  if (source.empty()) source = "tocsin";
  json payload{{"summary", message::cut(message::subject(n) + " " + message::headline(n), kSummaryMax)},
               {"source", source},
               {"severity", message::severity(n)},
               {"timestamp", format_rfc3339(n.alerts.empty() ? n.created_at : n.alerts.front().starts_at)},
               {"custom_details", details(n, text_bytes)}};
  if (!config.component.empty()) payload["component"] = config.component;
  if (!config.group.empty()) payload["group"] = config.group;
  if (!config.class_.empty()) payload["class"] = config.class_;
  return payload;
}

std::string event(const Notification& n, const PagerDutyConfig& config, const std::string& key) {
  json out{{"routing_key", key}, {"event_action", n.resolved() ? "resolve" : "trigger"}, {"dedup_key", n.incident}};
  const auto text = [&] { return out.dump(-1, ' ', false, json::error_handler_t::replace); };
  if (n.resolved()) return text();
  out["client"] = "tocsin";
  if (const std::string page = message::page_url(n); !page.empty()) out["client_url"] = page;
  if (json list = links(n); !list.empty()) out["links"] = std::move(list);
  // Annotations may be of any length: the text shrinks until everything fits.
  for (std::size_t bytes = kDetailBytes;; bytes /= 4) {
    out["payload"] = trigger(n, config, bytes);
    if (std::string body = text(); body.size() <= kBodyMax || bytes < 256) return body;
  }
}

class PagerDutyNotifier final : public Notifier {
 public:
  PagerDutyNotifier(PagerDutyConfig config, NotifierServices& services)
      : config_(std::move(config)), services_(services) {}

  boost::asio::awaitable<SendResult> send(const Notification& notification, const SendContext&,
                                          Deadline deadline) override {
    const Result<std::string> key = config_.routing_key.reveal();
    if (!key) co_return SendResult::transient(safe_detail(key.error().message, {}));
    HttpRequest request;
    request.method = "POST";
    request.url = config_.url;
    request.headers = {{"Content-Type", "application/json"}, {"User-Agent", "tocsin/" TOCSIN_VERSION}};
    request.body = event(notification, config_, *key);
    request.reuse_connection = true;
    request.body_bytes_max = 64U << 10;
    request.tls = config_.tls;
    request.proxy_url = config_.proxy_url;
    const HttpResponse response = co_await services_.http.fetch(std::move(request), deadline);
    const std::vector<std::string> secrets{*key};
    SendResult result = http_result(response, config_.url, secrets, services_.clock.now());
    if (response.status == 429 && !result.retry_after) result.retry_after = kThrottledWait;
    // Anything but 202 is not this API, whoever says yes.
    if (result.kind == SendResult::Kind::kOk && response.status != 202) {
      co_return SendResult::transient(
          fmt::format("HTTP {} from {}, where 202 was expected", response.status, url_host(config_.url)));
    }
    if (result.kind == SendResult::Kind::kOk) result.provider_ref = notification.incident;
    co_return result;
  }

 private:
  PagerDutyConfig config_;
  NotifierServices& services_;
};

NotifierFactory read(Fields& fields) {
  PagerDutyConfig config;
  config.fields(fields);
  return [config](NotifierServices& services) { return std::make_unique<PagerDutyNotifier>(config, services); };
}

}  // namespace

constinit const NotifierType kPagerDutyNotifier{
    "pagerduty", "Opens and resolves PagerDuty incidents through the Events API v2.", true, read};

}  // namespace tocsin
