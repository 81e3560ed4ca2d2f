// alertmanager.yml. Routes, inhibition and time intervals say the same in both; of receivers the addresses and secrets
// are taken over, while their texts are not: the messages of tocsin are its own.

#include <algorithm>

#include "agent/convert.h"
#include "agent/convert_table.h"
#include "agent/core/labels.h"
#include "agent/core/time.h"

namespace tocsin {
namespace {

using Map = ConfigNode::Map;
using List = ConfigNode::List;

const List& list_of(const ConfigNode* node) {
  static const List kNone;
  return node == nullptr || node->as_list() == nullptr ? kNone : *node->as_list();
}

/// `matchers`, and the older forms `match` and `match_re`, as one list.
void put_matchers(OldTable& old, const std::string& prefix, Map& into) {
  List all;
  for (const ConfigNode& text : list_of(old.take(prefix + "matchers"))) all.push_back(text);
  for (const auto& [key, op] : {std::pair("match", "="), std::pair("match_re", "=~")}) {
    const ConfigNode* pairs = old.take(prefix + key);
    if (pairs == nullptr || pairs->as_map() == nullptr) continue;
    for (const auto& entry : *pairs->as_map()) {
      const std::string* text = entry.node.as_string();
      all.push_back(
          {fmt::format("{}{}{}", entry.key, op, tocsin::quoted(text == nullptr ? entry.node.plain : *text)), {}});
    }
  }
  if (!all.empty()) put(into, prefix + "matchers", {std::move(all), {}});
}

Map route_of(const ConfigNode& node, std::vector<std::string>& remarks) {
  OldTable old(&node, "route", remarks);
  Map out;
  old.copy({"receiver", "group_by", "continue"}, out);
  put_matchers(old, "", out);
  old.copy({"group_wait", "group_interval", "repeat_interval", "mute_time_intervals", "active_time_intervals"}, out);
  List children;
  for (const ConfigNode& child : list_of(old.take("routes"))) children.push_back({route_of(child, remarks), {}});
  if (!children.empty()) put(out, "routes", {std::move(children), {}});
  old.remark_rest();
  return out;
}

/// http_config: a proxy, TLS, and how to log on.
void put_http(OldTable& old, Map& into, std::vector<std::string>& remarks, bool with_login) {
  OldTable http(old.take("http_config"), "http_config", remarks);
  http.copy({"proxy_url"}, into);
  http.copy("tls_config", "tls", into);
  if (with_login) {
    OldTable basic(http.take("basic_auth"), "basic_auth", remarks);
    basic.copy({"username"}, into);
    basic.secret("password", "password", into);
    OldTable bearer(http.take("authorization"), "authorization", remarks);
    bearer.secret("credentials", "bearer_token", into);
    (void)bearer.take("type");
    basic.remark_rest();
    bearer.remark_rest();
  }
  http.remark_rest();
}

/// How one kind of receiver is said: keys that keep their meaning, old name and new.
struct Kind {
  std::string_view old_key;
  std::string_view new_key;
  std::vector<std::pair<std::string_view, std::string_view>> plain;
  std::vector<std::pair<std::string_view, std::string_view>> secrets;
  std::vector<std::pair<std::string_view, std::string_view>> global;  // what is taken from `global` when it is missing
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> kKinds{
      {"webhook_configs", "webhook", {{"max_alerts", "max_alerts"}}, {{"url", "url"}}, {}},
      {"email_configs",
       "email",
       {{"to", "to"},
        {"from", "from"},
        {"smarthost", "smarthost"},
        {"hello", "hello"},
        {"auth_username", "username"},
        {"require_tls", "require_tls"},
        {"force_implicit_tls", "implicit_tls"},
        {"headers", "headers"},
        {"tls_config", "tls"}},
       {{"auth_password", "password"}},
       {{"smtp_from", "from"},
        {"smtp_smarthost", "smarthost"},
        {"smtp_hello", "hello"},
        {"smtp_auth_username", "username"},
        {"smtp_auth_password", "password"},
        {"smtp_require_tls", "require_tls"},
        {"smtp_tls_config", "tls"}}},
      {"slack_configs",
       "slack",
       {{"username", "username"}, {"icon_emoji", "icon_emoji"}},
       {{"api_url", "webhook_url"}, {"app_token", "token"}},
       {{"slack_api_url", "webhook_url"}}},
      {"pagerduty_configs",
       "pagerduty",
       {{"url", "url"}, {"source", "source"}, {"component", "component"}, {"group", "group"}, {"class", "class"}},
       {{"routing_key", "routing_key"}},
       {{"pagerduty_url", "url"}}},
      {"opsgenie_configs",
       "opsgenie",
       {{"api_url", "api_url"}, {"responders", "responders"}, {"entity", "entity"}},
       {{"api_key", "api_key"}},
       {{"opsgenie_api_url", "api_url"}, {"opsgenie_api_key", "api_key"}}},
      {"msteams_configs", "msteams", {}, {{"webhook_url", "webhook_url"}}, {}},
      {"msteamsv2_configs", "msteams", {}, {{"webhook_url", "webhook_url"}}, {}},
      {"telegram_configs",
       "telegram",
       {{"api_url", "api_url"}, {"chat_id", "chat_id"}, {"message_thread_id", "message_thread_id"}},
       {{"bot_token", "token"}},
       {{"telegram_api_url", "api_url"}, {"telegram_bot_token", "token"}}},
      {"discord_configs", "discord", {{"username", "username"}}, {{"webhook_url", "webhook_url"}}, {}},
      {"mattermost_configs",
       "mattermost",
       {{"channel", "channel"}, {"username", "username"}},
       {{"webhook_url", "webhook_url"}},
       {}},
      {"pushover_configs",
       "pushover",
       {{"device", "device"}, {"sound", "sound"}, {"retry", "retry"}, {"expire", "expire"}},
       {{"user_key", "user_key"}, {"token", "token"}},
       {}},
  };
  return kKinds;
}

bool has(const Map& map, std::string_view key) {
  return std::any_of(map.begin(), map.end(), [key](const auto& entry) { return entry.key == key; });
}

/// Values of telegram's chat_id and the like are text in tocsin.
void as_text(Map& map, std::string_view key) {
  for (auto& entry : map) {
    const auto* number = std::get_if<std::int64_t>(&entry.node.value);
    if (entry.key == key && number != nullptr) entry.node.value = fmt::format("{}", *number);
  }
}

Map channel_of(const Kind& kind, const ConfigNode& node, OldTable& global, std::vector<std::string>& remarks) {
  OldTable old(&node, std::string(kind.old_key), remarks);
  Map out;
  old.copy({"send_resolved"}, out);
  for (const auto& [from, to] : kind.plain) old.copy(from, to, out);
  for (const auto& [from, to] : kind.secrets) old.secret(std::string(from), to, out);
  const ConfigNode* channel = kind.new_key == "slack" ? old.take("channel") : nullptr;
  if (channel != nullptr && has(out, "token")) put(out, "channel", *channel);
  if (channel != nullptr && !has(out, "token")) {
    old.remark(*channel, "\"channel\" only counts with a token; a webhook posts to its own channel.");
  }
  for (const auto& [from, to] : kind.global) {
    if (has(out, to) || (to == "webhook_url" && has(out, "token"))) {
      (void)global.take(from);
      (void)global.take(std::string(from) + "_file");
    } else {
      global.secret(std::string(from), to, out);
    }
  }
  if (kind.new_key == "telegram") as_text(out, "chat_id");
  const bool has_http = kind.new_key == "webhook" || kind.new_key == "slack" || kind.new_key == "pagerduty";
  if (has_http) put_http(old, out, remarks, kind.new_key == "webhook");
  old.remark_rest();
  return out;
}

void put_receivers(const ConfigNode* receivers, OldTable& global, ConvertedToml& toml) {
  for (const ConfigNode& node : list_of(receivers)) {
    std::vector<std::string> remarks;
    OldTable old(&node, "receiver", remarks);
    Map out;
    old.copy({"name"}, out);
    for (const Kind& kind : kinds()) {
      List channels;
      for (const ConfigNode& channel : list_of(old.take(kind.old_key))) {
        channels.push_back({channel_of(kind, channel, global, remarks), {}});
      }
      if (channels.empty()) continue;
      const auto same = std::find_if(out.begin(), out.end(), [&](const auto& e) { return e.key == kind.new_key; });
      if (same == out.end()) {
        put(out, kind.new_key, {std::move(channels), {}});
      } else {
        List& before = std::get<List>(same->node.value);
        before.insert(before.end(), channels.begin(), channels.end());
      }
    }
    old.remark_rest();
    toml.table("receiver", true, std::move(out), remarks);
  }
}

void put_rules_and_intervals(OldTable& top, ConvertedToml& toml) {
  for (const ConfigNode& node : list_of(top.take("inhibit_rules"))) {
    if (node.as_map() == nullptr) continue;  // an empty entry inhibits nothing
    std::vector<std::string> remarks;
    OldTable old(&node, "inhibit_rules", remarks);
    Map out;
    old.copy({"name"}, out);
    put_matchers(old, "source_", out);
    put_matchers(old, "target_", out);
    old.copy({"equal"}, out);
    old.remark_rest();
    toml.table("inhibit_rule", true, std::move(out), remarks);
  }
  for (const char* key : {"time_intervals", "mute_time_intervals"}) {
    for (const ConfigNode& node : list_of(top.take(key))) {
      std::vector<std::string> remarks;
      OldTable old(&node, key, remarks);
      Map out;
      old.copy({"name", "time_intervals"}, out);
      old.remark_rest();
      toml.table("time_interval", true, std::move(out), remarks);
    }
  }
}

}  // namespace

std::string convert_alertmanager(const ConfigNode& yaml) {
  ConvertedToml toml, receivers;
  std::vector<std::string> remarks, route_remarks;
  OldTable top(&yaml, "", remarks);
  OldTable global(top.take("global"), "global", remarks);
  Map first;
  global.copy({"resolve_timeout"}, first);
  put_receivers(top.take("receivers"), global, receivers);
  const ConfigNode* route = top.take("route");
  Map root = route == nullptr ? Map() : route_of(*route, route_remarks);
  ConvertedToml rules;
  put_rules_and_intervals(top, rules);
  global.remark_rest();
  top.remark_rest();
  std::vector<std::string> head;
  head.emplace_back("Made by `tocsin convert` from an Alertmanager's configuration.");
  head.insert(head.end(), remarks.begin(), remarks.end());
  toml.table("", false, std::move(first), head);
  toml.table("route", false, std::move(root), route_remarks);
  return toml.take() + "\n" + receivers.take() + "\n" + rules.take();
}

Result<std::string> convert_document(const ConfigNode& yaml) {
  if (yaml.find("route") != nullptr || yaml.find("receivers") != nullptr) return convert_alertmanager(yaml);
  if (yaml.find("modules") != nullptr) return convert_blackbox(yaml);
  if (yaml.find("scrape_configs") != nullptr || yaml.find("rule_files") != nullptr || yaml.find("global") != nullptr) {
    return convert_prometheus(yaml);
  }
  return fail("this is no alertmanager.yml, prometheus.yml or blackbox.yml");
}

}  // namespace tocsin
