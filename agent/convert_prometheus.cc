// prometheus.yml and blackbox.yml. What a server or an exporter does with others (service discovery, relabeling, remote
// write) has no counterpart here and is told.

#include <fmt/format.h>

#include "agent/convert.h"
#include "agent/convert_table.h"

namespace tocsin {
namespace {

using Map = ConfigNode::Map;
using List = ConfigNode::List;

const List& list_of(const ConfigNode* node) {
  static const List kNone;
  return node == nullptr || node->as_list() == nullptr ? kNone : *node->as_list();
}

/// basic_auth, authorization and the bearer token; the files of secrets become { file = … }.
void put_login(OldTable& old, Map& into, std::vector<std::string>& remarks) {
  if (const ConfigNode* node = old.take("basic_auth")) {
    OldTable basic(node, "basic_auth", remarks);
    Map login;
    basic.copy({"username"}, login);
    basic.secret("password", "password", login);
    basic.remark_rest();
    put(into, "basic_auth", {std::move(login), {}});
  }
  if (const ConfigNode* node = old.take("authorization")) {
    OldTable authorization(node, "authorization", remarks);
    Map login;
    authorization.copy({"type"}, login);
    authorization.secret("credentials", "credentials", login);
    authorization.remark_rest();
    put(into, "authorization", {std::move(login), {}});
  }
  old.secret("bearer_token", "bearer_token", into);
}

void put_job(const ConfigNode& node, ConvertedToml& toml) {
  std::vector<std::string> remarks;
  OldTable old(&node, "scrape_configs", remarks);
  Map job;
  put(job, "type", {std::string("scrape"), {}});
  old.copy("job_name", "name", job);
  old.copy("scrape_interval", "interval", job);
  old.copy("scrape_timeout", "timeout", job);
  old.copy({"scheme", "metrics_path", "params", "honor_labels", "honor_timestamps", "fallback_scrape_protocol",
            "sample_limit", "label_limit", "label_name_length_limit", "label_value_length_limit", "body_size_limit",
            "follow_redirects", "enable_http2", "proxy_url", "tls_config"},
           job);
  put_login(old, job, remarks);
  const List& targets = list_of(old.take("static_configs"));
  if (targets.empty()) old.remark(node, "there are no static targets, so the job is left out.");
  for (const char* key : {"relabel_configs", "metric_relabel_configs"}) {
    if (const ConfigNode* rules = old.take(key)) {
      old.remark(*rules, fmt::format("\"{}\" is left out: series keep the labels they come with.", key));
    }
  }
  old.remark_rest();
  if (targets.empty()) toml.table("", false, {}, remarks);
  // Labels belong to a table of targets, so each such table becomes a probe.
  for (const ConfigNode& group : targets) {
    Map probe = job;
    OldTable list(&group, "static_configs", remarks);
    list.copy({"targets", "labels"}, probe);
    list.remark_rest();
    toml.table("probe", true, std::move(probe), remarks);
    remarks.clear();
  }
}

void put_module(const std::string& name, const ConfigNode& node, ConvertedToml& toml) {
  std::vector<std::string> remarks;
  OldTable old(&node, name, remarks);
  const ConfigNode* prober = old.take("prober");
  const std::string type = prober == nullptr || prober->as_string() == nullptr ? "" : *prober->as_string();
  Map probe;
  put(probe, "type", {type, {}});
  put(probe, "name", {name, {}});
  put(probe, "targets", {List{}, {}});
  old.copy({"timeout"}, probe);
  const ConfigNode* inner = old.take(type);
  for (const char* other : {"http", "tcp", "dns", "icmp", "grpc", "unix"}) {
    if (other != type) (void)old.take(other);
  }
  if (type != "http" && type != "tcp" && type != "dns" && type != "icmp") {
    toml.table("", false, {},
               {fmt::format("line {}: {}: there is no probe of the type \"{}\".", node.at.line, name, type)});
    return;
  }
  OldTable options(inner, name, remarks);
  if (type == "http") put_login(options, probe, remarks);
  if (inner != nullptr && inner->as_map() != nullptr) {
    for (const auto& entry : *inner->as_map()) {
      const bool login =
          entry.key == "basic_auth" || entry.key == "authorization" || entry.key.starts_with("bearer_token");
      if ((type != "http" || !login) && !entry.node.is_null()) put(probe, entry.key, entry.node);
    }
  }
  old.remark_rest();
  toml.table("probe", true, std::move(probe), remarks);
}

}  // namespace

std::string convert_prometheus(const ConfigNode& yaml) {
  ConvertedToml toml, probes;
  std::vector<std::string> remarks{"Made by `tocsin convert` from a Prometheus' configuration."};
  OldTable top(&yaml, "", remarks);
  OldTable global(top.take("global"), "global", remarks);
  Map first, defaults;
  global.copy({"evaluation_interval"}, first);
  global.copy("external_labels", "labels", first);
  top.copy({"rule_files"}, first);
  global.copy("scrape_interval", "interval", defaults);
  global.copy("scrape_timeout", "timeout", defaults);
  for (const ConfigNode& job : list_of(top.take("scrape_configs"))) put_job(job, probes);
  if (const ConfigNode* alerting = top.take("alerting")) {
    top.remark(*alerting,
               "\"alerting\" is left out: tocsin tells people itself; give it [route] and [[receiver]], as "
               "`tocsin convert alertmanager.yml` prints them.");
  }
  global.remark_rest();
  top.remark_rest();
  toml.table("", false, std::move(first), remarks);
  if (!defaults.empty()) toml.table("probe_defaults", false, std::move(defaults), {});
  return toml.take() + "\n" + probes.take();
}

std::string convert_blackbox(const ConfigNode& yaml) {
  ConvertedToml toml;
  std::vector<std::string> remarks{"Made by `tocsin convert` from a blackbox_exporter's configuration.",
                                   "Each module is a probe; write into `targets` what Prometheus had it probe."};
  OldTable top(&yaml, "", remarks);
  const ConfigNode* modules = top.take("modules");
  top.remark_rest();
  toml.table("", false, {}, remarks);
  if (modules != nullptr && modules->as_map() != nullptr) {
    for (const auto& entry : *modules->as_map()) put_module(entry.key, entry.node, toml);
  }
  return toml.take();
}

}  // namespace tocsin
