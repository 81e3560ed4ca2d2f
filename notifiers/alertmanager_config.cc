// JSON is YAML, so the document is made as JSON.

#include "notifiers/alertmanager_config.h"

#include <nlohmann/json.hpp>

namespace tocsin {
namespace {

using json = nlohmann::ordered_json;

json matchers_json(const Matchers& matchers) {
  json out = json::array();
  for (const Matcher& m : matchers) out.push_back(m.str());
  return out;
}

json route_json(const Route& route, bool root) {
  json out{{"receiver", route.receiver}};
  out["group_by"] = route.group_by_all ? std::vector<std::string>{"..."} : route.group_by;
  if (!root) out["matchers"] = matchers_json(route.matchers);
  if (route.continue_) out["continue"] = true;
  out["group_wait"] = format_duration(route.group_wait);
  out["group_interval"] = format_duration(route.group_interval);
  out["repeat_interval"] = format_duration(route.repeat_interval);
  if (!route.mute_time_intervals.empty()) out["mute_time_intervals"] = route.mute_time_intervals;
  if (!route.active_time_intervals.empty()) out["active_time_intervals"] = route.active_time_intervals;
  for (const Route& child : route.routes) out["routes"].push_back(route_json(child, false));
  return out;
}

json to_json(const ConfigNode& node) {
  if (const auto* map = node.as_map()) {
    json out = json::object();
    for (const auto& entry : *map) {
      const ConfigNode::List* list = entry.node.as_list();
      if (list == nullptr || !list->empty()) out[entry.key] = to_json(entry.node);
    }
    return out;
  }
  json out = json::array();
  if (const auto* list = node.as_list()) {
    for (const ConfigNode& item : *list) out.push_back(to_json(item));
    return out;
  }
  return node.as_string() == nullptr ? json() : json(*node.as_string());
}

}  // namespace

std::string alertmanager_config(const NotifyConfig& config) {
  json out{{"global", {{"resolve_timeout", format_duration(config.resolve_timeout)}}}};
  out["route"] = route_json(config.root, true);
  for (const auto& [name, receiver] : config.receivers) out["receivers"].push_back({{"name", name}});
  for (const InhibitRule& rule : config.inhibit_rules) {
    out["inhibit_rules"].push_back({{"source_matchers", matchers_json(rule.source_matchers)},
                                    {"target_matchers", matchers_json(rule.target_matchers)},
                                    {"equal", rule.equal}});
  }
  for (const auto& [name, interval] : config.time_intervals) {
    out["time_intervals"].push_back(to_json(write_config(interval)));
  }
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace tocsin
