// targets and scrape_pools: every probe is a target, its job is its pool.

#include <algorithm>
#include <set>

#include "agent/api/prometheus/params.h"
#include "agent/app.h"

namespace tocsin::promapi {
namespace {

/// Where the target is, as a URL: of a probe that wants none, its type stands for the scheme.
std::string url_of(const PlannedTarget& target) {
  const std::string& address = target.target.address;
  return address.find("://") != std::string::npos ? address : fmt::format("{}://{}", target.type->name, address);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return out;
}

/// Those that are probed; our own series are of no target.
std::vector<const TargetStatus*> probed(const App& app) {
  std::vector<const TargetStatus*> out;
  for (const TargetStatus* status : app.ingest().status()) {
    if (status->target->type->read != nullptr) out.push_back(status);
  }
  std::stable_sort(out.begin(), out.end(), [](const TargetStatus* a, const TargetStatus* b) {
    return a->target->labels.get("job") < b->target->labels.get("job");
  });
  return out;
}

void write_target(JsonWriter& json, const TargetStatus& status) {
  const PlannedTarget& target = *status.target;
  const std::string interval = format_duration(target.interval), timeout = format_duration(target.timeout);
  json.open_object().key("discoveredLabels").open_object();
  json.key("__address__").string(target.target.address).key("__probe__").string(target.type->name);
  json.key("__scrape_interval__").string(interval).key("__scrape_timeout__").string(timeout);
  json.key("job").string(target.labels.get("job")).close_object();
  json.key("labels").labels(target.labels).key("scrapePool").string(target.labels.get("job"));
  json.key("scrapeUrl").string(url_of(target)).key("globalUrl").string(url_of(target));
  const std::string error = status.detail.empty() ? status.cause : status.cause + ": " + status.detail;
  json.key("lastError").string(status.seen && !status.success ? error : "");
  json.key("lastScrape").time(status.last_run).key("lastScrapeDuration").number(status.last_seconds);
  json.key("health").string(!status.seen ? "unknown" : status.success ? "up" : "down");
  json.key("scrapeInterval").string(interval).key("scrapeTimeout").string(timeout).close_object();
}

ApiResult<Payload> targets(App& app, const ServerRequest& request) {
  const std::string state = lower(request.param("state"));
  const std::string_view pool = request.param("scrapePool");
  Payload out;
  out.json.open_object().key("activeTargets").open_array();
  if (state.empty() || state == "any" || state == "active") {
    for (const TargetStatus* status : probed(app)) {
      if (pool.empty() || status->target->labels.get("job") == pool) write_target(out.json, *status);
    }
  }
  out.json.close_array().key("droppedTargets").open_array().close_array();
  out.json.key("droppedTargetCounts").open_object().close_object().close_object();
  return out;
}

ApiResult<Payload> scrape_pools(App& app, const ServerRequest&) {
  std::set<std::string> pools;
  for (const TargetStatus* status : probed(app)) pools.emplace(status->target->labels.get("job"));
  Payload out;
  out.json.open_object().key("scrapePools").strings({pools.begin(), pools.end()}).close_object();
  return out;
}

}  // namespace

void add_target_routes(Routes& routes) {
  routes.get("/targets", targets);
  routes.get("/scrape_pools", scrape_pools);
}

}  // namespace tocsin::promapi
