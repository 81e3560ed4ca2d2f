// rules and alerts, as the rule groups stand now.

#include <algorithm>
#include <charconv>

#include "agent/api/prometheus/params.h"
#include "agent/app.h"

namespace tocsin::promapi {
namespace {

void write_map(JsonWriter& json, const std::map<std::string, std::string>& map) {
  json.open_object();
  for (const auto& [name, value] : map) json.key(name).string(value);
  json.close_object();
}

void write_alert(JsonWriter& json, const ActiveAlert& alert) {
  json.open_object().key("labels").labels(alert.labels).key("annotations");
  write_map(json, alert.annotations);
  json.key("state").string(to_string(alert.state)).key("activeAt").time(alert.active_at);
  if (alert.keep_firing_since) json.key("keepFiringSince").time(*alert.keep_firing_since);
  json.key("value").string(format_exponent(alert.value)).close_object();
}

bool is_active(const ActiveAlert& alert) {
  return alert.state != AlertState::kInactive;
}

/// An expression as the engine understands it.
std::string canonical(const std::string& expr) {
  const auto parsed = promql::parse(expr);
  return parsed ? promql::to_string(**parsed) : expr;
}

/// Which rules and groups are wanted.
struct Filter {
  bool alerting = true;
  bool recording = true;
  bool with_alerts = true;
  std::vector<std::string_view> names;
  std::vector<std::string_view> groups;
  std::vector<std::string_view> files;
  std::vector<Matchers> selectors;
  std::size_t group_limit = 0;
  std::string next_token;

  bool wants(const RuleConfig& rule) const {
    if (rule.alert.empty() ? !recording : !alerting) return false;
    if (!names.empty() && std::find(names.begin(), names.end(), rule.name()) == names.end()) return false;
    const Labels labels(rule.labels);
    return selectors.empty() || std::any_of(selectors.begin(), selectors.end(),
                                            [&](const Matchers& matchers) { return matches(matchers, labels); });
  }
  bool wants(const RuleGroupConfig& group) const {
    const auto among = [](const std::vector<std::string_view>& list, std::string_view text) {
      return list.empty() || std::find(list.begin(), list.end(), text) != list.end();
    };
    return among(groups, group.name) && among(files, group.file);
  }
};

/// Names a group to whoever asks for the next page.
std::string token_of(const RuleGroupConfig& group) {
  return fmt::format("{:016x}", Labels{{"file", group.file}, {"name", group.name}}.hash());
}

ApiResult<void> read_paging(const ServerRequest& request, Filter& filter) {
  filter.next_token = std::string(request.param("group_next_token"));
  const std::string_view limit = request.param("group_limit");
  if (limit.empty()) {
    if (filter.next_token.empty()) return {};
    return invalid_parameter("group_limit", "group_limit needs to be present in order to paginate over the groups");
  }
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), count);
  if (error != std::errc() || end != limit.data() + limit.size()) {
    return invalid_parameter("group_limit", fmt::format("group_limit needs to be a valid number: strconv.ParseInt: "
                                                        "parsing {}: invalid syntax",
                                                        quoted(limit)));
  }
  if (count <= 0) return invalid_parameter("group_limit", "group_limit needs to be greater than 0");
  filter.group_limit = static_cast<std::size_t>(count);
  return {};
}

ApiResult<Filter> read_filter(const ServerRequest& request) {
  Filter filter;
  filter.names = request.params("rule_name[]");
  filter.groups = request.params("rule_group[]");
  filter.files = request.params("file[]");
  Result<std::vector<Matchers>> selectors = match_params(request);
  if (!selectors) return bad_data(selectors.error().message);
  filter.selectors = std::move(*selectors);
  const std::string_view type = request.param("type");
  if (!type.empty() && type != "alert" && type != "record")
    return invalid_parameter("type", fmt::format("not supported value {}", quoted(type)));
  filter.alerting = type != "record";
  filter.recording = type != "alert";
  const std::string_view exclude = request.param("exclude_alerts");
  if (exclude == "true" || exclude == "1" || exclude == "t") {
    filter.with_alerts = false;
  } else if (!exclude.empty() && exclude != "false" && exclude != "0" && exclude != "f") {
    return invalid_parameter("exclude_alerts",
                             fmt::format("error converting exclude_alerts: strconv.ParseBool: parsing {}: invalid "
                                         "syntax",
                                         quoted(exclude)));
  }
  if (auto ok = read_paging(request, filter); !ok) return tl::make_unexpected(ok.error());
  return filter;
}

void write_rule(JsonWriter& json, const RuleStatus& rule, bool with_alerts) {
  const bool alerting = !rule.config.alert.empty();
  json.open_object();
  if (alerting) {
    json.key("state").string(rule.health == RuleHealth::kUnknown ? "unknown" : to_string(rule.state));
  }
  json.key("name").string(rule.config.name()).key("query").string(canonical(rule.config.expr));
  if (alerting) {
    json.key("duration").number(to_seconds(rule.config.for_));
    json.key("keepFiringFor").number(to_seconds(rule.config.keep_firing_for)).key("labels");
    write_map(json, rule.config.labels);
    json.key("annotations");
    write_map(json, rule.config.annotations);
    json.key("alerts").open_array();
    for (const ActiveAlert& alert : rule.alerts) {
      if (with_alerts && is_active(alert)) write_alert(json, alert);
    }
    json.close_array();
  } else if (!rule.config.labels.empty()) {
    json.key("labels");
    write_map(json, rule.config.labels);
  }
  json.key("health").string(to_string(rule.health));
  if (!rule.last_error.empty()) json.key("lastError").string(rule.last_error);
  json.key("evaluationTime").number(rule.evaluation_seconds).key("lastEvaluation").time(rule.last_evaluation);
  json.key("type").string(alerting ? "alerting" : "recording").close_object();
}

void write_group(JsonWriter& json, const RuleGroup& group, const std::vector<const RuleStatus*>& rules,
                 bool with_alerts) {
  const RuleGroupStats stats = group.stats();
  json.open_object().key("name").string(group.config().name).key("file").string(group.config().file);
  json.key("rules").open_array();
  for (const RuleStatus* rule : rules) write_rule(json, *rule, with_alerts);
  json.close_array().key("interval").number(to_seconds(group.interval()));
  json.key("limit").integer(static_cast<std::int64_t>(group.config().limit));
  json.key("evaluationTime").number(stats.group_last_duration_seconds);
  json.key("lastEvaluation").time(stats.group_last_evaluation).close_object();
}

ApiResult<Payload> rules(App& app, const ServerRequest& request) {
  const ApiResult<Filter> filter = read_filter(request);
  if (!filter) return tl::make_unexpected(filter.error());
  Payload out;
  out.json.open_object().key("groups").open_array();
  std::string next_token;
  bool token_found = filter->next_token.empty();
  std::size_t count = 0;
  for (const RuleLoop::Entry& entry : app.rules().groups()) {
    const RuleGroup& group = entry.group;
    token_found = token_found || token_of(group.config()) == filter->next_token;
    if (!token_found || !filter->wants(group.config())) continue;
    const std::vector<RuleStatus> all = group.status();
    std::vector<const RuleStatus*> wanted;
    for (const RuleStatus& rule : all) {
      if (filter->wants(rule.config)) wanted.push_back(&rule);
    }
    if (wanted.empty()) continue;
    if (filter->group_limit > 0 && count == filter->group_limit) {
      next_token = token_of(group.config());
      break;
    }
    write_group(out.json, group, wanted, filter->with_alerts);
    ++count;
  }
  if (!token_found) {
    return invalid_parameter("group_next_token", fmt::format("invalid group_next_token '{}'. were rule groups changed?",
                                                             filter->next_token));
  }
  out.json.close_array();
  if (!next_token.empty()) out.json.key("groupNextToken").string(next_token);
  out.json.close_object();
  return out;
}

ApiResult<Payload> alerts(App& app, const ServerRequest&) {
  Payload out;
  out.json.open_object().key("alerts").open_array();
  for (const RuleLoop::Entry& entry : app.rules().groups()) {
    for (const RuleStatus& rule : entry.group.status()) {
      for (const ActiveAlert& alert : rule.alerts) {
        if (is_active(alert)) write_alert(out.json, alert);
      }
    }
  }
  out.json.close_array().close_object();
  return out;
}

/// There is none: what the rules raise is routed here.
ApiResult<Payload> alertmanagers(App&, const ServerRequest&) {
  Payload out;
  out.json.open_object().key("activeAlertmanagers").open_array().close_array();
  out.json.key("droppedAlertmanagers").open_array().close_array().close_object();
  return out;
}

}  // namespace

void add_rule_routes(Routes& routes) {
  routes.get("/rules", rules);
  routes.get("/alerts", alerts);
  routes.get("/alertmanagers", alertmanagers);
}

}  // namespace tocsin::promapi
